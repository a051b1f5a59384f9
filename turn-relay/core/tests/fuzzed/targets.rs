//! What is done with bytes of any kind: here, and by the programs in `tests/fuzz`.

use std::net::SocketAddr;
use std::time::Duration;

use stoa_turn_relay_core::stun::attribute::{self, Family, read_plain, read_xored};
use stoa_turn_relay_core::stun::{self, Builder, Class, Message};
use stoa_turn_relay_core::*;

use crate::support::{Client, Got, World, udp};

/// Reads a STUN message with everything in it, and writes it again.
pub(crate) fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(message.length() <= bytes.len() && message.length() % 4 == 0);
    let mut again = Builder::new(message.class, message.method, message.transaction);
    for (kind, value) in message.attributes() {
        let read = (read_xored(value, message.transaction), read_plain(value));
        assert_eq!(read.0.is_some(), read.1.is_some(), "both forms have the same shape");
        again = again.attribute(kind, value);
    }
    assert!(message.protected().count() <= message.attributes().count());
    let _ = (message.integrity(), message.verify(b"key"));
    let again = again.finish();
    let read = Message::parse(&again).expect("what was written can be read");
    assert!(read.attributes().eq(message.attributes()), "nothing was lost");
}

/// Cuts a stream into messages, all at once and byte by byte.
pub(crate) fn stream(bytes: &[u8]) {
    let walk = |bytes: &[u8]| {
        let (mut at, mut found) = (0, vec![]);
        loop {
            match next_frame(&bytes[at..]) {
                Ok(Frame::Complete { message, taken }) => {
                    assert!(taken > 0 && message.end <= taken && at + taken <= bytes.len());
                    found.push(at + message.start..at + message.end);
                    at += taken;
                }
                Ok(Frame::Incomplete) => return (found, true),
                Err(NotTurn) => return (found, false),
            }
        }
    };
    let whole = walk(bytes);
    for length in (0..bytes.len()).take(MOST_CUTS) {
        let (found, is_turn) = walk(&bytes[..length]);
        assert!(whole.0.starts_with(&found), "a beginning is read as it is read with the rest");
        assert!(is_turn || !whole.1, "what is no TURN at the beginning is none");
    }
}

/// Two clients with allocations, and whatever else the bytes say: messages of theirs and of a stranger, datagrams of peers, time. Each
/// step is a byte that chooses, a length, and so many bytes.
pub(crate) fn relay(bytes: &[u8]) {
    let quota = Quota { allocations: Some(2), permissions: Some(8), ..Quota::default() };
    let mut world =
        World::with(Config { limits: Limits { user: quota, ..Limits::default() }, ..crate::support::config() });
    let free = world.relay.free_ports();
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let relayed: Vec<SocketAddr> =
        [&mut ada, &mut bob].map(|client| client.ask(&mut world, stun::ALLOCATE, udp).relayed(Family::V4)).into();
    assert_eq!(ada.bind(&mut world, 0x4000, PERMITTED), 0);
    let stranger = Client::new("198.18.0.3:4000", "ada", "no");
    let mut rest = bytes;
    for _ in 0..MOST_STEPS {
        let Some((&[choice, length], more)) = rest.split_first_chunk::<2>() else { break };
        let (input, more) = more.split_at(usize::from(length).min(more.len()));
        rest = more;
        let client = [&ada, &bob, &stranger][usize::from(choice) % 3];
        let got = match choice / 3 % 6 {
            0 => world.send(client.tuple, input),
            // With the right nonce and a right signature: deeper layers see it.
            1 | 2 => {
                let Some((&[method, kind], value)) = input.split_first_chunk::<2>() else { continue };
                let request = Builder::new(Class::Request, u16::from(method % 13), world.transaction());
                let request = request.xored(attribute::XOR_PEER_ADDRESS, PERMITTED.parse().unwrap());
                world.send(client.tuple, &client.sign(request.attribute(kind.into(), value)).finish())
            }
            3 => client.indicate(&mut world, if choice < 128 { PERMITTED } else { "192.0.2.10:50001" }, input),
            4 => {
                let peer = if choice < 128 { PERMITTED } else { "8.8.4.4:1" };
                let heard = world.arrive(relayed[usize::from(choice) % 2], peer.parse().unwrap(), input);
                assert!(choice < 128 || heard.is_none(), "nobody may send without permission");
                continue;
            }
            _ => {
                world.pass(Duration::from_secs(u64::from(length) * 8));
                continue;
            }
        };
        if let Got::ToPeer { peer, .. } = got {
            assert!(client.tuple != stranger.tuple, "a stranger has no allocation");
            assert_eq!(peer.ip(), PERMITTED.parse::<SocketAddr>().unwrap().ip(), "only who was permitted is reached");
        }
        assert!(world.relay.len() <= 4, "two for each user");
    }
    // However it went: with its time everything comes to an end, and nothing is lost.
    world.pass(Duration::from_hours(3));
    assert_eq!((world.relay.len(), world.relay.free_ports(), world.sockets.len()), (0, free, 0));
    assert!(world.relay.poll_timeout().is_none());
}

const PERMITTED: &str = "8.8.8.8:1";
/// Prefixes of a stream that are tried.
const MOST_CUTS: usize = 300;
/// Steps of one input.
const MOST_STEPS: usize = 64;
