//! What has gone wrong in other servers, seen from outside. The table is in `tests/forward/traps.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use stoa_sfu_core::{Command, TrackId};

use crate::calls::assert_continuous;
use crate::client::{RIDS, Section};
use crate::world::{ROOM, World, key};

const LAYERS: [Option<&str>; 3] = [Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])];

/// Without the mid, Firefox drops what is sent again.
#[test]
fn trap_05_what_is_sent_again_names_its_section() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    // Long enough for reports to say that the mid is known.
    world.publish(0, published[0], &[None], 250);
    world.loss = 50;
    world.publish(0, published[0], &[None], 250);
    let params = world.clients[1].rtc.codec_config().params();
    let resent: Vec<_> = params.iter().filter_map(|params| params.resend()).collect();
    let headers = &world.clients[1].headers;
    let again: Vec<_> =
        headers.iter().filter(|(header, length)| resent.contains(&header.payload_type) && *length > 100).collect();
    assert!(again.len() > 10, "{} packets were sent again", again.len());
    assert!(again.iter().all(|(header, _)| header.ext_vals.mid == Some(slots[0])));
}

/// Senders name a stream's layer only at first, and what is lost then must not cost the layer.
#[test]
fn trap_06_layers_are_found_though_the_first_packets_are_lost() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Simulcast]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.loss = 300;
    world.publish(0, published[0], &LAYERS, 25);
    world.loss = 0;
    world.publish(0, published[0], &LAYERS, 750);
    let layers = [200, 400, 600].map(|size| {
        let got = world.clients[1].got(slots[0]);
        got.iter().rev().take(20).filter(|packet| packet.payload.len() == size).count()
    });
    assert_eq!(layers, [0, 0, 20], "the best layer comes");
    let stats = world.shard.stats();
    assert_eq!((stats.too_many_streams, stats.unauthentic), (0, 0), "{stats:?}");
}

/// Firefox probes with old packets. They count as repeats and the replay window stays shut.
#[test]
fn trap_07_a_datagram_that_comes_again_is_forwarded_once() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    let from = world.clients[0].address;
    let mut old = Vec::new();
    for _ in 0..25 {
        let now = world.now;
        world.clients[0].send_video(published[0], &[None], now);
        world.collect();
        let media = world.flying.iter().filter(|(_, sender, _, bytes)| *sender == from && bytes[0] & 0xc0 == 0x80);
        old.extend(media.map(|(.., bytes)| bytes.clone()));
        world.run(Duration::from_millis(40));
    }
    assert!(old.len() >= 25, "{} datagrams", old.len());
    let before = world.clients[1].got(slots[0]).len();
    old.iter().for_each(|bytes| world.inject(from, bytes));
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[1].got(slots[0]).len(), before);
    world.publish(0, published[0], &[None], 25);
    assert_eq!(world.clients[1].got(slots[0]).len(), before + 50);
    assert_continuous(&world, 1, slots[0]);
}

/// All that a subscriber gets is counted in one space: audio, video, what is sent again, padding.
#[test]
fn trap_08_transport_wide_numbers_are_one_space() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video, Section::Audio]);
    world.join(ROOM, &[Section::VideoSlot, Section::AudioSlot]);
    world.connect();
    world.wish(1, 1);
    world.wish(1, 2);
    for turn in 0..1_000 {
        world.loss = if turn > 200 && turn < 800 { 20 } else { 0 };
        let now = world.now;
        world.clients[0].send_audio(published[1], 20, now);
        world.publish(0, published[0], &[None], 1);
    }
    world.run(Duration::from_secs(1));
    let headers = &world.clients[1].headers;
    let numbers: Vec<_> = headers.iter().filter_map(|(header, _)| header.ext_vals.transport_cc).collect();
    assert_eq!(numbers.len(), headers.len(), "each packet has a number");
    let streams: std::collections::BTreeSet<_> = headers.iter().map(|(header, _)| header.ssrc).collect();
    assert!(streams.len() >= 3, "audio, video and what is sent again: {streams:?}");
    // The network keeps the order; what is missing was lost.
    let missing: u16 = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]).wrapping_sub(1)).sum();
    assert!(numbers.len() > 3_000 && missing < 200, "{} came, {missing} did not", numbers.len());
}

/// The engine keeps the way open with a trickle, and that is all there is while there is nothing to send.
#[test]
fn trap_09_silence_is_filled_with_no_more_than_a_trickle() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 250);
    world.order(Command::Mute { room: ROOM, track: TrackId(1), is_muted: true });
    world.run(Duration::from_secs(1));
    let before = world.clients[1].headers.len();
    world.publish(0, published[0], &[None], 250);
    let padding = &world.clients[1].headers[before..];
    let bytes: usize = padding.iter().map(|(_, length)| length).sum();
    assert!(bytes * 8 <= 10 * 60_000, "{bytes} bytes in 10 s");
    assert!(world.clients[1].got(slots[0]).len() <= 500, "and none of it is taken for media");
}

/// A publisher's capture stops and begins anew, with the camera changed, in the section that it has.
#[test]
fn trap_11_a_pause_of_the_publisher_costs_nothing_but_the_time() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    for _ in 0..5 {
        let before = world.clients[1].got(slots[0]).len();
        world.publish(0, published[0], &[None], 50);
        assert_eq!(world.clients[1].got(slots[0]).len() - before, 100);
        world.run(Duration::from_secs(4));
    }
    assert_continuous(&world, 1, slots[0]);
}

/// Who asks for keyframes all the time gets no more of them than others can bear.
#[test]
fn trap_12_a_storm_of_requests_is_a_trickle_for_the_publisher() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let slots: Vec<_> = (0..10).map(|_| world.join(ROOM, &[Section::VideoSlot]).1[0]).collect();
    world.connect();
    (1..=10).for_each(|index| world.wish(index, 1));
    world.publish(0, published[0], &[None], 25);
    let requests = |world: &World| world.clients[0].keyframe_requests.values().sum::<usize>();
    let before = requests(&world);
    for turn in 0..250 {
        let (now, index) = (world.now, turn % 10);
        world.clients[index + 1].ask_for_keyframe(slots[index], now);
        world.publish(0, published[0], &[None], 1);
    }
    let asked = requests(&world) - before;
    assert!((1..=30).contains(&asked), "{asked} requests in 10 s");
}

/// Small captures have no upper layers, and machines in trouble stop sending some.
#[test]
fn trap_15_layers_that_never_come_or_vanish_leave_nobody_behind() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Simulcast]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    let latest = |world: &World| world.clients[1].got(slots[0]).last().map(|packet| packet.payload.len());
    world.publish(0, published[0], &LAYERS[..1], 50);
    assert_eq!(latest(&world), Some(200), "there is no other");
    world.publish(0, published[0], &LAYERS, 100);
    assert_eq!(latest(&world), Some(600));
    world.publish(0, published[0], &LAYERS[..2], 100);
    assert_eq!(latest(&world), Some(400), "the best that is left");
    let before = world.clients[1].got(slots[0]).len();
    world.publish(0, published[0], &LAYERS[..2], 50);
    assert_eq!(world.clients[1].got(slots[0]).len() - before, 100);
    assert_continuous(&world, 1, slots[0]);
}

/// Rooms and sessions of the same numbers in another life know nothing of each other.
#[test]
fn trap_17_a_session_that_ended_is_not_heard_any_more() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 25);
    world.order(Command::Leave { session: key(0) });
    let (before, unknown) = (world.clients[1].got(slots[0]).len(), world.shard.stats().unknown);
    let from = world.clients[0].address;
    for first in [0x80, 0x90, 20, 22] {
        let mut bytes = vec![first; 60];
        bytes[1] = 96;
        world.inject(from, &bytes);
    }
    assert_eq!(world.shard.stats().unknown - unknown, 4);
    world.run(Duration::from_millis(200));
    assert_eq!(world.clients[1].got(slots[0]).len(), before);
    let left: BTreeMap<_, _> = world.clients[1].received.iter().map(|(mid, got)| (*mid, got.len())).collect();
    assert_eq!(left.len(), 1);
}
