//! The way from relayed addresses to the handlers of media on the same workers, and back, without the kernel.

use std::net::SocketAddr;
use std::time::Instant;

use stoa_base_net::{Context, Datagram, Handler, Passed};
use stoa_turn_relay_core::Ports;
use stoa_turn_relay_core::stun::{self, Builder, Class, TransactionId};

use crate::client::{Client, Options, World};

/// Has a session with whoever begins with 0x80: says back what it heard, from whom and to which address of ours, in two parts.
struct Media;

impl Handler for Media {
    fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
        datagram.first() == Some(&0x80)
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        let Datagram { bytes, socket, from, local } = datagram;
        let text = format!("{from} to {}", local.unwrap());
        context.send(socket, from, local, &[bytes, text.as_bytes()]);
        // Handlers pass among themselves as well: the last worker answers once more.
        let last = context.workers() - 1;
        context.pass(last, Passed { tag: 7, from, bytes });
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        assert_eq!(passed.tag, 7);
        let text = format!("worker {}", context.worker());
        context.send(stoa_base_net::SocketId(0), passed.from, None, &[text.as_bytes()]);
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn start(workers: usize, ports: Ports) -> World {
    World::start(Options { workers, others: || vec![Box::new(Media)], ..Options::with(ports) })
}

#[test]
fn media_is_reached_and_answers_within_the_process() {
    for (workers, ports) in [(1, Ports::Virtual), (2, Ports::Virtual), (2, Ports::Range(27_800, 27_899))] {
        let world = start(workers, ports);
        for _ in 0..8 {
            let mut ada = Client::udp(world.udp, "ada");
            let relayed = ada.allocate(17).unwrap();
            assert_eq!(ada.bind(0x4000, world.udp), 0);
            ada.say(0x4000, b"\x80hello");
            let mut answers = [ada.hear(), ada.hear()].map(|message| {
                assert_eq!(message[..2], [0x40, 0]);
                String::from_utf8_lossy(&message[4..]).into_owned()
            });
            answers.sort();
            let last = workers - 1;
            assert_eq!(answers, [format!("worker {last}"), format!("\u{fffd}hello{relayed} to 127.0.0.1")]);
        }
        let said: u64 =
            world.report().iter().flat_map(|report| &report.allocations).map(|it| it.packets_to_peers).sum();
        assert_eq!(said, 8);
    }
}

#[test]
fn what_no_session_owns_is_dropped() {
    let world = start(2, Ports::Virtual);
    let mut ada = Client::udp(world.udp, "ada");
    ada.allocate(17).unwrap();
    assert_eq!(ada.bind(0x4000, world.udp), 0);
    // The relay itself is not to be reached by way of itself.
    let binding = Builder::new(Class::Request, stun::BINDING, TransactionId([1; 12])).finish();
    ada.say(0x4000, &binding);
    ada.say(0x4000, b"nobody's");
    ada.say(0x4000, &[0x40, 0x01, 0, 0]);
    ada.say(0x4000, b"\x80end");
    let first = ada.hear();
    assert!(first[4..].starts_with(b"\x80end") || first[4..].starts_with(b"worker"), "{first:?}");
}

#[test]
fn a_relayed_address_that_is_gone_is_no_detour() {
    let world = start(1, Ports::Virtual);
    let (mut ada, mut bob) = (Client::udp(world.udp, "ada"), Client::udp(world.udp, "bob"));
    ada.allocate(17).unwrap();
    assert_eq!(ada.bind(0x4000, world.udp), 0);
    let refresh = |client: &mut Client| client.ask(stun::REFRESH, |it| it.number(stun::attribute::LIFETIME, 0)).0;
    bob.allocate(17).unwrap();
    assert_eq!(refresh(&mut bob), 0);
    ada.say(0x4000, b"\x80x");
    ada.hear();
    ada.hear();
    assert_eq!(refresh(&mut ada), 0);
}
