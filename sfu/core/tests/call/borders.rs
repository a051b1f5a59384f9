//! What a participant sends reaches nobody but those it is for.

use std::time::Duration;

use stoa_sfu_core::Command;
use str0m::format::Codec;
use str0m::media::Mid;
use str0m::rtp::ExtensionValues;

use crate::client::{Frame, Section};
use crate::world::{ROOM, World, key};

/// So many participants, whose data channels are up.
fn room(people: usize) -> World {
    let mut world = World::new();
    for _ in 0..people {
        world.join(ROOM, &[Section::Audio]);
    }
    world.connect();
    world.run(Duration::from_secs(1));
    world
}

fn relay(world: &mut World, index: usize, may_send: bool) {
    let prefix = vec![b'0' + index as u8, b':'];
    world.order(Command::Relay { session: key(index), label: "doc".to_owned(), prefix, may_send });
}

fn say(world: &mut World, index: usize, words: &str) {
    let now = world.now;
    world.clients[index].send(words.as_bytes(), now);
    world.collect();
    world.run(Duration::from_millis(200));
}

fn heard(world: &World, index: usize) -> Vec<&str> {
    world.clients[index].messages.iter().map(|bytes| std::str::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn a_message_reaches_all_others_and_not_who_sent_it() {
    let mut world = room(3);
    (0..3).for_each(|index| relay(&mut world, index, true));
    say(&mut world, 0, "hello");
    say(&mut world, 1, "welcome");
    assert_eq!(heard(&world, 0), ["1:welcome"]);
    assert_eq!(heard(&world, 1), ["0:hello"]);
    assert_eq!(heard(&world, 2), ["0:hello", "1:welcome"]);
    let stats = world.shard.stats();
    assert_eq!((stats.relayed_messages, stats.lost_messages), (4, 0));
}

#[test]
fn who_may_not_send_data_gets_that_of_others_until_it_may() {
    let mut world = room(2);
    relay(&mut world, 0, false);
    relay(&mut world, 1, true);
    say(&mut world, 0, "forbidden");
    say(&mut world, 1, "allowed");
    assert_eq!(heard(&world, 1), [""; 0]);
    assert_eq!(heard(&world, 0), ["1:allowed"]);
    assert_eq!(world.shard.stats().lost_messages, 1);
    relay(&mut world, 0, true);
    say(&mut world, 0, "granted");
    assert_eq!(heard(&world, 1), ["0:granted"]);
    relay(&mut world, 0, false);
    say(&mut world, 0, "withdrawn");
    assert_eq!(heard(&world, 1), ["0:granted"]);
}

/// Whoever reads another codec's payloads as if they were the agreed one's makes nonsense of them.
#[test]
fn a_codec_that_was_not_agreed_on_goes_nowhere() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 10);
    let came = |world: &World| world.clients[1].got(slots[0]).len();
    assert_eq!((came(&world), world.shard.stats().unannounced), (20, 0));
    for number in 0..10 {
        // A keyframe each, so that nothing else could be why it is not forwarded.
        let payload = vec![0x98, 0x80 | number, 0, 0xaa];
        send(&mut world, published[0], Codec::Vp9, 900_000 + 3_000 * u32::from(number), payload);
    }
    assert_eq!((came(&world), world.shard.stats().unannounced), (20, 10));
    world.publish(0, published[0], &[None], 10);
    assert_eq!((came(&world), world.shard.stats().unannounced), (40, 10));
}

fn send(world: &mut World, mid: Mid, codec: Codec, timestamp: u32, payload: Vec<u8>) {
    let now = world.now;
    let frame = Frame { codec, timestamp, packets: vec![(payload, ExtensionValues::default())] };
    world.clients[0].send_frame(mid, None, frame, now);
    world.collect();
    world.run(Duration::from_millis(40));
}
