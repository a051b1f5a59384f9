//! RFC 6062 over real connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use stoa_turn_relay_core::Ports;
use stoa_turn_relay_core::stun::attribute::{self, read_xored};
use stoa_turn_relay_core::stun::{self, Class, Message};

use crate::client::{Client, Options, PATIENCE, World, connection_id};

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A peer, on an address where nothing of ours listens: our own ports may be no peer's.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[track_caller]
fn expect(stream: &mut TcpStream, payload: &[u8]) {
    let mut read = vec![0; payload.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, payload);
}

#[track_caller]
fn expect_end(stream: &mut TcpStream) {
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)), "it is still open");
}

/// A client's connection to a peer, through the relay.
fn joined(world: &World, control: &mut Client, listener: &TcpListener) -> (TcpStream, TcpStream, SocketAddr) {
    let id = control.connect(listener.local_addr().unwrap()).unwrap();
    let (peer, from) = listener.accept().unwrap();
    let mut data = Client::tcp(world.tcp, "ada");
    assert_eq!(data.bring(id), 0);
    let (data, early) = data.into_stream();
    assert_eq!(early, b"");
    (patient(data), patient(peer), from)
}

#[test]
fn a_client_reaches_a_peer_and_both_may_end() {
    for workers in [1, 2] {
        let first = if workers == 1 { 27_000 } else { 27_100 };
        let world = World::start(Options { workers, ..Options::with_ports(first) });
        let (listener, _) = listener();
        let (mut ada, relayed) = world.tcp_allocation("ada");
        let (mut data, mut peer, from) = joined(&world, &mut ada, &listener);
        assert_eq!(from, relayed, "from the relayed address");
        peer.write_all(b"welcome").unwrap();
        expect(&mut data, b"welcome");
        let large: Vec<u8> = (0..1_000_000u32).map(|n| n.to_be_bytes()[3]).collect();
        let mut writer = data.try_clone().unwrap();
        let sent = large.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        expect(&mut peer, &large);
        writing.join().unwrap();
        expect_end(&mut peer);
        peer.write_all(b"half open").unwrap();
        expect(&mut data, b"half open");
        drop(peer);
        expect_end(&mut data);
        // The same peer may be connected to again, which is refused while it is connected.
        let (_data, _peer, _) = joined(&world, &mut ada, &listener);
        assert_eq!(ada.connect(listener.local_addr().unwrap()), Err(446));
    }
}

#[test]
fn a_peer_that_has_permission_reaches_the_client() {
    let world = World::start(Options { workers: 2, ..Options::with_ports(27_200) });
    let (mut ada, relayed) = world.tcp_allocation("ada");
    let mut stranger = patient(TcpStream::connect(relayed).unwrap());
    expect_end(&mut stranger);
    assert_eq!(ada.permit("127.0.0.1:1".parse().unwrap()), 0);
    let mut peer = patient(TcpStream::connect(relayed).unwrap());
    // What comes before the client does is kept for it.
    peer.write_all(b"early").unwrap();
    let attempt = ada.hear();
    let message = Message::parse(&attempt).unwrap();
    assert_eq!((message.class, message.method), (Class::Indication, stun::CONNECTION_ATTEMPT));
    let told = read_xored(message.first(attribute::XOR_PEER_ADDRESS).unwrap(), message.transaction);
    assert_eq!(told, Some(peer.local_addr().unwrap()));
    let mut data = Client::tcp(world.tcp, "ada");
    assert_eq!(data.bring(connection_id(&attempt)), 0);
    let (mut data, mut heard) = data.into_stream();
    let read = heard.len();
    heard.resize(5, 0);
    data.read_exact(&mut heard[read..]).unwrap();
    assert_eq!(heard, b"early");
    data.write_all(b"answer").unwrap();
    expect(&mut peer, b"answer");
    // Another time the connection is nobody's any more.
    let mut late = Client::tcp(world.tcp, "ada");
    assert_eq!(late.bring(connection_id(&attempt)), 400);
}

#[test]
fn payload_right_behind_the_request_is_not_lost() {
    let world = World::start(Options::with_ports(27_300));
    let (listener, address) = listener();
    let (mut ada, _) = world.tcp_allocation("ada");
    let id = ada.connect(address).unwrap();
    let mut peer = patient(listener.accept().unwrap().0);
    let mut data = Client::tcp(world.tcp, "ada");
    // Refused at first, and a stream of messages still; then joined.
    assert_eq!(data.bring(id ^ 1), 400);
    data.send(&stun::Builder::new(Class::Request, stun::BINDING, stun::TransactionId([9; 12])).finish());
    assert_eq!(data.hear().len(), 32);
    assert_eq!(data.bring(id), 0);
    data.send(b"payload");
    expect(&mut peer, b"payload");
}

#[test]
fn what_must_not_be_reached_is_refused() {
    let world = World::start(Options::with_ports(27_400));
    let (mut ada, relayed) = world.tcp_allocation("ada");
    let own = [world.udp, world.tcp];
    for peer in own.map(|own| own.to_string()).iter().map(String::as_str).chain(["10.0.0.1:80", "127.0.0.1:0"]) {
        assert_eq!(ada.connect(peer.parse().unwrap()), Err(403), "{peer}");
    }
    let (nobody, address) = listener();
    drop(nobody);
    assert_eq!(ada.connect(address), Err(447));
    assert_eq!(ada.connect("[2606:4700::1]:80".parse().unwrap()), Err(443));
    // The id of somebody else's connection is no key.
    let (listener, address) = listener();
    let id = ada.connect(address).unwrap();
    let mut peer = patient(listener.accept().unwrap().0);
    assert_eq!(Client::tcp(world.tcp, "bob").bring(id), 400);
    assert_eq!(Client::udp(world.udp, "ada").bring(id), 400);
    // TCP is relayed for who came by TCP, and not by an allocation for datagrams.
    assert_eq!(Client::udp(world.udp, "ada").allocate(6), Err(400));
    let mut datagrams = Client::tcp(world.tcp, "ada");
    datagrams.allocate(17).unwrap();
    assert_eq!(datagrams.connect(address), Err(400));
    // With the allocation everything of it ends.
    assert_eq!(ada.ask(stun::REFRESH, |request| request.number(attribute::LIFETIME, 0)).0, 0);
    expect_end(&mut peer);
    // A bound on a broken relay: each try takes a while.
    assert!((0..200_000).any(|_| TcpStream::connect(relayed).is_err()), "somebody still listens");
}

#[test]
fn the_end_of_the_control_connection_cuts_what_is_joined() {
    let world = World::start(Options::with_ports(27_500));
    let (listener, _) = listener();
    let (mut ada, _) = world.tcp_allocation("ada");
    let (mut data, mut peer, _) = joined(&world, &mut ada, &listener);
    drop(ada);
    expect_end(&mut data);
    expect_end(&mut peer);
}

#[test]
fn connections_of_one_allocation_are_bounded() {
    let world = World::start(Options::with_ports(27_600));
    let (mut ada, _) = world.tcp_allocation("ada");
    let listeners: Vec<_> = (0..65).map(|_| listener()).collect();
    let codes: Vec<_> = listeners.iter().map(|(_, address)| ada.connect(*address).err()).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 64);
    assert_eq!(codes[64], Some(508));
}

#[test]
fn without_ports_there_are_no_relayed_connections() {
    let world = World::start(Options::with(Ports::Virtual));
    assert_eq!(Client::tcp(world.tcp, "ada").allocate(6), Err(442));
}
