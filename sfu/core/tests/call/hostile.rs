//! Input that nobody should send.

use std::net::SocketAddr;
use std::time::Duration;

use stoa_sfu_core::{Command, OfferError, RoomKey, ShardError, ShardEvent};

use crate::client::Section;
use crate::world::{ROOM, World, key};

#[test]
fn trap_17_nothing_is_sent_to_who_has_not_proved_its_address() {
    let mut world = World::new();
    world.join(ROOM, &[Section::Video]);
    let sent = world.sent;
    assert_eq!(sent, 0, "an offer alone moves nothing");
    // The participant is silent; neither handshakes nor timeouts make the shard speak.
    world.clients[0].rtc.disconnect();
    world.flying.clear();
    world.run(Duration::from_secs(20));
    assert_eq!(world.sent, 0);
    world.run(Duration::from_secs(20));
    assert!(world.events.contains(&ShardEvent::Failed { session: key(0) }), "set-up takes no longer");
    assert_eq!(world.shard.poll_timeout(), None);
}

#[test]
fn strangers_are_counted_and_not_answered() {
    let mut world = World::new();
    world.join(ROOM, &[Section::Video]);
    world.connect();
    let (sent, stranger) = (world.sent, SocketAddr::from(([203, 0, 113, 9], 9)));
    for bytes in [&[][..], &[0; 20], &[22, 254, 253], &[0x80; 40], &[255; 1_500]] {
        assert!(!world.shard.claims(bytes, stranger));
        world.inject(stranger, bytes);
    }
    assert_eq!(world.shard.stats().unknown, 5);
    assert_eq!(world.sent, sent);
}

/// What comes from a participant's own address may still be anybody's.
#[test]
fn garbage_from_a_known_address_breaks_nothing() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 10);
    for from in [world.clients[0].address, world.clients[1].address] {
        for first in [0_u8, 1, 2, 20, 21, 22, 23, 25, 63, 64, 127, 128, 129, 144, 191, 192, 255] {
            for length in [1_usize, 2, 3, 8, 12, 13, 20, 40, 100, 1_200, 3_000] {
                let mut bytes: Vec<_> = (0..length).map(|_| world.random() as u8).collect();
                bytes[0] = first;
                world.inject(from, &bytes);
            }
        }
    }
    let before = world.clients[1].got(slots[0]).len();
    world.publish(0, published[0], &[None], 10);
    assert_eq!(world.clients[1].got(slots[0]).len() - before, 20);
    let stats = world.shard.stats();
    assert!(stats.malformed > 0, "{stats:?}");
    assert_eq!(world.shard.session_count(), 2);
}

#[test]
fn offers_that_are_none_leave_the_session_as_it_was() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    for sdp in ["", "v=0\r\n", "nonsense", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 X 1\r\n"] {
        world.order(Command::Offer { session: key(1), offer: 9, sdp: sdp.to_owned(), tracks: Vec::new() });
    }
    let refused = |why| ShardEvent::Refused { session: key(1), offer: 9, why };
    assert!(world.events.contains(&refused(OfferError::Malformed)));
    let count = world.events.iter().filter(|event| matches!(event, ShardEvent::Refused { .. })).count();
    assert_eq!(count, 4);
    world.publish(0, published[0], &[None], 10);
    assert_eq!(world.clients[1].got(slots[0]).len(), 20);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let mut world = World::new();
    world.join(ROOM, &[Section::Video]);
    let now = world.now;
    let again = Command::Join { session: key(0), room: RoomKey(2) };
    assert_eq!(world.shard.handle_command(again, now), Err(ShardError::Duplicate(key(0))));
    let nobody = Command::Leave { session: key(7) };
    assert_eq!(world.shard.handle_command(nobody, now), Err(ShardError::UnknownSession(key(7))));
}

#[test]
fn trap_17_streams_of_a_participant_are_bounded() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Audio; 70]);
    world.connect();
    for _ in 0..3 {
        for mid in &published {
            let now = world.now;
            world.clients[0].send_audio(*mid, 30, now);
            world.collect();
        }
        world.run(Duration::from_millis(20));
    }
    let stats = world.shard.stats();
    assert!((12..=18).contains(&stats.too_many_streams), "{stats:?}");
    assert_eq!(stats.unannounced, 3 * (64 - 32), "32 tracks may be published: {stats:?}");
}

/// Who knows one session's password still cannot take what belongs to another.
#[test]
fn trap_17_an_address_that_is_heard_is_not_taken_over() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    // A third one speaks as if it were where the first one is.
    let victim = world.clients[0].address;
    world.join(ROOM, &[Section::VideoSlot]);
    let stun: Vec<_> = world.flying.iter().filter(|(_, from, ..)| *from == world.clients[2].address).cloned().collect();
    assert!(!stun.is_empty());
    stun.iter().for_each(|(_, _, _, bytes)| world.inject(victim, bytes));
    world.publish(0, published[0], &[None], 10);
    assert_eq!(world.clients[1].got(slots[0]).len(), 20);
}
