//! Connections of clients that are slow, silent or no clients at all.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use stoa_turn_relay_core::stun::{self, Builder, Class, TransactionId};
use stoa_turn_relay_core::{Limits, Quota};

use crate::client::{Client, Options, PATIENCE, World};

#[test]
fn a_client_that_does_not_read_loses_payload_and_nobody_else_does() {
    // So much comes so fast that an allocation's own limits would drop it.
    let limits = Limits { allocation: Quota::default(), ..Limits::default() };
    let world = World::start(Options { limits, ..Options::with_ports(27_900) });
    let (mut deaf, mut ada) = (Client::tcp(world.tcp, "bob"), Client::udp(world.udp, "ada"));
    let (his, hers) = (deaf.allocate(17).unwrap(), ada.allocate(17).unwrap());
    assert_eq!((deaf.bind(0x4000, hers), ada.bind(0x4000, his)), (0, 0));
    let peer = UdpSocket::bind("127.0.0.2:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(ada.bind(0x4001, peer.local_addr().unwrap()), 0);
    let mut buffer = [0; 2000];
    // Few and large, so that it is over before the deaf one is cut off, even on a slow machine.
    for _ in 0..MESSAGES {
        ada.say(0x4000, &[7; LENGTH]);
        ada.say(0x4001, b"on time");
        assert_eq!(peer.recv(&mut buffer).unwrap(), 7);
    }
    // 30 MB for the deaf one: what it reads now is what fits into the buffers between, whole messages all of them.
    let mut heard = 0;
    deaf.send(&Builder::new(Class::Request, stun::BINDING, TransactionId([9; 12])).finish());
    loop {
        let message = deaf.hear();
        if message.len() == 32 {
            break;
        }
        assert_eq!(message.len(), 4 + LENGTH);
        heard += 1;
    }
    assert!((1..MESSAGES).contains(&heard), "{heard}");
}

const MESSAGES: usize = 500;
const LENGTH: usize = 60_000;

#[test]
fn junk_is_cut_off_and_halves_wait() {
    let world = World::start(Options::with_ports(28_000));
    let binding = Builder::new(Class::Request, stun::BINDING, TransactionId([9; 12])).finish();
    let connect = || {
        let stream = TcpStream::connect(world.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    for junk in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", &[0x40, 0, 0, 0], &[0, 1, 0, 1, 0x21, 0x12, 0xA4, 0x42]]
    {
        let mut stream = connect();
        stream.write_all(junk).unwrap();
        assert!(matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)), "{junk:?}");
    }
    let mut halves = connect();
    for part in [&binding[..2], &binding[2..19], &[&binding[19..], &binding[..1]].concat(), &binding[1..]] {
        halves.write_all(part).unwrap();
    }
    let mut answers = [0; 64];
    halves.read_exact(&mut answers).unwrap();
    assert_eq!((&answers[..2], &answers[32..34]), (&[1, 1][..], &[1, 1][..]));
}
