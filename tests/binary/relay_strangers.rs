//! Strangers at the relay's doors: whatever they hold open or send, each is bounded and counted, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use stoa_turn_relay_core::stun::{ALLOCATE, BINDING, Builder, Class, Message, TransactionId};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::relay::{TlsRelay, exchange, relay, tcp_of, until};
use crate::relay_client::Turn;

/// The value of a counter or gauge; 0 when it was not shown yet.
fn value(metrics: &str, name: &str) -> u64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn who_speaks_no_tls_at_its_door_is_closed() {
    let relay = TlsRelay::start(|_| {});
    let request = Builder::new(Class::Request, ALLOCATE, TransactionId([1; 12])).finish();
    for plain in [&request[..], b"GET / HTTP/1.1\r\n\r\n", &[0xFF; 100]] {
        let mut stream = TcpStream::connect(relay.door).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(plain).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // An alert at most, RFC 8446 § 6.
            Ok(_) => assert!(answer.len() <= 7 && answer.first().is_none_or(|kind| *kind == 21), "{answer:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    exchange(&mut relay.client(vec![]));
    until(|| value(&relay.metrics(), "stoa_relay_handshakes_failed_total{why=\"broken\"}") == 3);
}

#[test]
fn handshakes_that_never_end_are_ended() {
    let relay = TlsRelay::start(|_| {});
    let slow: Vec<_> = (0..SLOW)
        .map(|count| {
            let mut stream = TcpStream::connect(relay.door).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            // Nothing, or the beginning of a ClientHello.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC][..count % 9]).unwrap();
            stream
        })
        .collect();
    exchange(&mut relay.client(vec![]));
    for mut stream in slow {
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0, "closed, and nothing was said");
    }
    // A socket is closed a moment before that is counted.
    until(|| value(&relay.metrics(), "stoa_relay_handshakes_failed_total{why=\"slow\"}") == SLOW as u64);
}

/// Handshakes that are begun.
const SLOW: usize = 100;

#[test]
fn dtls_gets_no_answer() {
    let (server, _folder) = relay(|_| {});
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.udp).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A handshake record of DTLS 1.2 with the beginning of a ClientHello, RFC 6347 § 4.1.
    let mut hello =
        vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 0xFE, 0xFD];
    hello.resize(13 + 54, 7);
    for _ in 0..HELLOS {
        socket.send(&hello).unwrap();
    }
    let request = Builder::new(Class::Request, BINDING, TransactionId([2; 12]));
    socket.send(&request.finish()).unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).unwrap();
    let answer = Message::parse(&answer[..length]).unwrap();
    assert_eq!((answer.class, answer.transaction), (Class::Success, TransactionId([2; 12])), "the first that came");
    until(|| value(&server.get("/metrics", "").1, "stoa_udp_dropped_total{why=\"unclaimed\"}") == HELLOS);
}

const HELLOS: u64 = 100;

/// Connects from an address of this host, and says nothing.
fn connect(runtime: &Runtime, from: IpAddr, to: SocketAddr) -> TcpStream {
    let connected = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    };
    runtime.block_on(connected).into_std().unwrap()
}

/// Whether the server has closed a connection, of a socket that does not block.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn connections_that_say_nothing_take_no_more_than_their_share() {
    raise_file_limit();
    let (server, _folder) = relay(|command| {
        command.env("STOA_RELAY_TCP_LISTEN", "127.0.0.1:0");
    });
    let door = tcp_of(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let metric = |name: &str| value(&server.get("/metrics", "").1, name);
    let open = || metric("stoa_relay_connections{transport=\"tcp\"}");
    let sources = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|source| source.parse().unwrap());
    let tries = sources.iter().flat_map(|source| std::iter::repeat_n(*source, SHARE + EXCESS));
    let mut held: Vec<_> = tries.map(|source| connect(&runtime, source, door)).collect();
    // Those who were one too many are closed, and the others are not.
    until(|| held.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count() == 3 * EXCESS);
    until(|| metric("stoa_relay_connections_refused_total") == 3 * EXCESS as u64);
    until(|| open() == 3 * SHARE as u64);
    exchange(&mut Turn::tcp(door, "ada", "pass"));
    exchange(&mut Turn::udp(server.udp, "bob", "word"));
    drop(held);
    until(|| open() == 0);
    exchange(&mut Turn::tcp(door, "ada", "pass"));
}

/// A test's soft limit is 1,024 on most systems.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Connections that one address may hold, and how many more each of them tries.
const SHARE: usize = 1024;
const EXCESS: usize = 76;
