//! Clients whose worker has no ports left, and who never learn of it.

use std::net::UdpSocket;

use stoa_turn_relay_core::Ports;
use stoa_turn_relay_core::stun::{self, attribute};

use crate::client::{Client, Options, PATIENCE, World};

#[test]
fn a_worker_without_ports_leaves_clients_to_one_that_has_some() {
    // A single pair of ports is one worker's, and about half of the clients meet the other one.
    let low = 29_000 + 2 * u16::try_from(std::process::id() % 1500).unwrap();
    let world = World::start(Options { workers: 2, ..Options::with(Ports::Range(low, low + 1)) });
    let peer = UdpSocket::bind("127.0.0.2:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 100];
    for _ in 0..16 {
        let mut clients = [Client::udp(world.udp, "ada"), Client::tcp(world.tcp, "bob")];
        for client in &mut clients {
            let relayed = client.allocate(17).unwrap();
            assert_eq!(client.bind(0x4000, peer.local_addr().unwrap()), 0);
            client.say(0x4000, b"sent");
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"sent"[..], relayed));
            peer.send_to(b"back", relayed).unwrap();
            assert_eq!(client.hear(), b"\x40\0\0\x04back");
        }
        assert_eq!(Client::udp(world.udp, "ada").allocate(17), Err(508), "nobody has one left");
        for client in &mut clients {
            assert_eq!(client.ask(stun::REFRESH, |request| request.number(attribute::LIFETIME, 0)).0, 0);
        }
    }
    let held: Vec<_> = world.report().iter().map(|report| report.count).collect();
    assert_eq!(held, [0, 0]);
}
