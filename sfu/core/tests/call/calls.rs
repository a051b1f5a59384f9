//! Calls that go as they should, and the network's share in it.

use std::collections::BTreeSet;
use std::time::Duration;

use stoa_sfu_core::{Command, Quality, RoomKey, ShardEvent, TrackId, Wish};
use str0m::media::Mid;

use crate::client::{RIDS, Section, read_vp8};
use crate::world::{ROOM, World, key};

const LAYERS: [Option<&str>; 3] = [Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])];

/// Numbers without gaps, timestamps that never go back, picture ids that follow each other.
pub(crate) fn assert_continuous(world: &World, index: usize, mid: Mid) {
    let mut packets: Vec<_> = world.clients[index].got(mid).iter().collect();
    packets.sort_by_key(|packet| packet.seq_no);
    for pair in packets.windows(2) {
        // A number is left out where a switch cuts a frame in two.
        let is_cut = pair[1].payload.len() != pair[0].payload.len() && !pair[0].header.marker;
        assert_eq!(*pair[1].seq_no, *pair[0].seq_no + 1 + u64::from(is_cut), "a number is missing or came twice");
        let ahead = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
        assert!(ahead < 90_000 * 5, "time jumps by {ahead}");
        let (before, after) = (read_vp8(&pair[0].payload).0, read_vp8(&pair[1].payload).0);
        assert!(after.wrapping_sub(before) & 0x7fff <= 1, "picture {after} after {before}");
    }
}

fn call(sections: &[Section]) -> (World, Mid, Mid) {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, sections);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot, Section::AudioSlot]);
    world.connect();
    (world, published[0], slots[0])
}

#[test]
fn a_track_reaches_who_wishes_for_it_and_nobody_else() {
    let (mut world, published, slot) = call(&[Section::Video]);
    let (_, other) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    let seated =
        ShardEvent::Seated { session: key(1), track: TrackId(1), mid: stoa_sfu_core::ShortId::new(&slot).unwrap() };
    assert!(world.events.contains(&seated));
    world.publish(0, published, &[None], 50);
    let got = world.clients[1].got(slot);
    assert_eq!(got.len(), 100);
    assert!(read_vp8(&got[0].payload).1, "it begins with a keyframe");
    assert_continuous(&world, 1, slot);
    assert!(world.clients[2].got(other[0]).is_empty());
    assert_eq!(world.clients[0].received.len(), 0);
}

#[test]
fn layers_are_switched_without_a_seam() {
    let (mut world, published, slot) = call(&[Section::Simulcast]);
    world.wish(1, 1);
    world.publish(0, published, &LAYERS, 50);
    let sizes = |world: &World, from: usize| -> BTreeSet<usize> {
        world.clients[1].got(slot)[from..].iter().map(|packet| packet.payload.len() / 200).collect()
    };
    assert!(sizes(&world, 0).contains(&3), "the best layer fits");
    for layer in [0, 2, 1, 0] {
        let wish = Wish { most: Quality { layer, temporal: u8::MAX }, ..Wish::default() };
        world.order(Command::Wish { session: key(1), track: TrackId(1), wish: Some(wish) });
        world.publish(0, published, &LAYERS, 50);
        let from = world.clients[1].got(slot).len() - 10;
        assert_eq!(sizes(&world, from), BTreeSet::from([usize::from(layer) + 1]));
    }
    assert_continuous(&world, 1, slot);
}

#[test]
fn what_is_lost_is_sent_again_in_both_directions() {
    let (mut world, published, slot) = call(&[Section::Video]);
    world.wish(1, 1);
    world.publish(0, published, &[None], 25);
    world.loss = 30;
    world.publish(0, published, &[None], 250);
    world.loss = 0;
    world.publish(0, published, &[None], 50);
    world.run(Duration::from_secs(1));
    assert_continuous(&world, 1, slot);
    assert_eq!(world.clients[1].got(slot).len(), 650);
}

#[test]
fn trap_12_keyframe_requests_of_many_are_one_request() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let slots: Vec<_> = (0..5).map(|_| world.join(ROOM, &[Section::VideoSlot]).1[0]).collect();
    world.connect();
    (1..=5).for_each(|index| world.wish(index, 1));
    world.publish(0, published[0], &[None], 50);
    let before = world.clients[0].keyframe_requests.get(&None).copied().unwrap_or_default();
    for (index, slot) in (1..).zip(slots) {
        let now = world.now;
        world.clients[index].ask_for_keyframe(slot, now);
        world.collect();
    }
    world.publish(0, published[0], &[None], 10);
    let after = world.clients[0].keyframe_requests.get(&None).copied().unwrap_or_default();
    assert_eq!(after - before, 1);
}

#[test]
fn a_late_participant_starts_from_the_cache_without_a_keyframe_request() {
    let (mut world, published, slot) = call(&[Section::Video]);
    world.wish(1, 1);
    world.publish(0, published, &[None], 20);
    let before = world.clients[0].keyframe_requests.get(&None).copied();
    let (_, late) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(2, 1);
    world.run(Duration::from_millis(500));
    let got = world.clients[2].got(late[0]);
    assert!(read_vp8(&got[0].payload).1);
    assert_eq!(got.len(), world.clients[1].got(slot).len());
    assert_eq!(world.clients[0].keyframe_requests.get(&None).copied(), before);
}

#[test]
fn speakers_are_told_and_a_muted_track_is_silent() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Audio]);
    let (_, slots) = world.join(ROOM, &[Section::AudioSlot]);
    world.connect();
    world.wish(1, 1);
    let speak = |world: &mut World, count: usize| {
        for _ in 0..count {
            let now = world.now;
            world.clients[0].send_audio(published[0], 20, now);
            world.collect();
            world.run(Duration::from_millis(20));
        }
    };
    speak(&mut world, 50);
    let speaks = ShardEvent::Speakers { room: ROOM, tracks: vec![TrackId(1)] };
    assert!(world.events.contains(&speaks));
    let before = world.clients[1].got(slots[0]).len();
    assert_eq!(before, 50);
    assert_eq!(world.clients[1].got(slots[0])[9].header.ext_vals.audio_level, Some(-20));
    world.order(Command::Mute { room: ROOM, track: TrackId(1), is_muted: true });
    speak(&mut world, 50);
    assert_eq!(world.clients[1].got(slots[0]).len(), before);
    world.order(Command::Mute { room: ROOM, track: TrackId(1), is_muted: false });
    speak(&mut world, 50);
    assert_eq!(world.clients[1].got(slots[0]).len(), before + 50);
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut world = World::new();
    let (_, first) = world.join(ROOM, &[Section::Video]);
    let (_, second) = world.join(RoomKey(2), &[Section::Video, Section::VideoSlot]);
    let (_, third) = world.join(RoomKey(2), &[Section::VideoSlot]);
    world.connect();
    let stranger = Command::Wish { session: key(1), track: TrackId(1), wish: Some(Wish::default()) };
    assert!(world.shard.handle_command(stranger, world.now).is_err(), "a track of another room");
    world.wish(2, 2);
    world.publish(0, first[0], &[None], 10);
    assert!(world.clients[2].got(third[0]).is_empty());
    world.publish(1, second[0], &[None], 10);
    assert_eq!(world.clients[2].got(third[0]).len(), 20);
}

#[test]
fn trap_13_ice_restarts_without_a_break() {
    let (mut world, published, slot) = call(&[Section::Video]);
    world.wish(1, 1);
    world.publish(0, published, &[None], 25);
    for index in [0, 1, 1, 0] {
        let now = world.now;
        let sdp = world.clients[index].offer_restart(now);
        world.hand_in(index, sdp, Vec::new());
        world.publish(0, published, &[None], 50);
    }
    assert_eq!(world.clients[1].got(slot).len(), 2 * 225);
    assert_continuous(&world, 1, slot);
}

#[test]
fn messages_of_data_channels_come_and_go() {
    let (mut world, ..) = call(&[Section::Video]);
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.clients[1].send(b"hello", now);
    world.collect();
    world.run(Duration::from_millis(200));
    let message =
        ShardEvent::Message { session: key(1), label: "doc".to_owned(), is_binary: true, bytes: b"hello".to_vec() };
    assert!(world.events.contains(&message));
    world.order(Command::Send {
        session: key(0),
        label: "doc".to_owned(),
        is_binary: true,
        bytes: b"welcome".to_vec(),
    });
    world.run(Duration::from_millis(200));
    assert_eq!(world.clients[0].messages, [b"welcome".to_vec()]);
}

#[test]
fn who_leaves_is_told_and_takes_its_tracks_along() {
    let (mut world, published, _) = call(&[Section::Video]);
    world.wish(1, 1);
    world.publish(0, published, &[None], 10);
    world.order(Command::Leave { session: key(0) });
    assert!(world.events.contains(&ShardEvent::Ended { room: ROOM, track: TrackId(1) }));
    world.run(Duration::from_millis(100));
    assert!(world.clients[0].is_closed, "it was told");
    world.order(Command::Leave { session: key(1) });
    world.run(Duration::from_secs(1));
    assert_eq!(world.shard.session_count(), 0);
    assert_eq!(world.shard.poll_timeout(), None, "an empty shard has nothing to do");
}

#[test]
fn who_is_silent_for_long_is_given_up() {
    let (mut world, ..) = call(&[Section::Video]);
    world.loss = 0;
    world.clients[1].rtc.disconnect();
    world.run(Duration::from_secs(120));
    assert!(world.events.contains(&ShardEvent::Failed { session: key(1) }));
    assert!(!world.events.contains(&ShardEvent::Failed { session: key(0) }));
    assert_eq!(world.shard.session_count(), 1);
}

#[test]
fn a_low_layer_is_chosen_by_who_asks_for_it_from_the_start() {
    let (mut world, published, slot) = call(&[Section::Simulcast]);
    let wish = Wish { most: Quality { layer: 0, temporal: u8::MAX }, ..Wish::default() };
    world.order(Command::Wish { session: key(1), track: TrackId(1), wish: Some(wish) });
    world.publish(0, published, &LAYERS, 25);
    let got = world.clients[1].got(slot);
    // Whatever layer comes first is shown until the one that was asked for is there.
    assert!(got.len() >= 46 && got[10..].iter().all(|packet| packet.payload.len() == 200), "{}", got.len());
}

#[test]
fn who_comes_back_to_a_picture_is_not_shown_what_was_before() {
    let (mut world, published, slot) = call(&[Section::Video]);
    world.wish(1, 1);
    world.publish(0, published, &[None], 20);
    let wish = |is_paused| Command::Wish {
        session: key(1),
        track: TrackId(1),
        wish: Some(Wish { is_paused, ..Wish::default() }),
    };
    world.order(wish(true));
    world.clients[0].sizes = [201; 3];
    world.publish(0, published, &[None], 8);
    let before = world.clients[1].got(slot).len();
    world.order(wish(false));
    world.publish(0, published, &[None], 25);
    let sizes: Vec<_> = world.clients[1].got(slot)[before..].iter().map(|packet| packet.payload.len()).collect();
    assert!(sizes.len() >= 40 && sizes.iter().all(|size| *size == 201), "{sizes:?}");
}
