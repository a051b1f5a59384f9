//! Media sections are used again and again.

use std::time::Duration;

use stoa_sfu_core::{Command, ShardEvent, TrackId};
use str0m::media::Direction;

use crate::client::{Section, read_vp8};
use crate::world::{ROOM, World, key};

#[test]
fn trap_14_a_hundred_come_and_go_and_the_description_does_not_grow() {
    let mut world = World::new();
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    for index in 1..=100 {
        let (joined, published) = world.join(ROOM, &[Section::Video]);
        assert_eq!(joined, index);
        world.connect();
        world.wish(0, index as u64);
        let before = world.clients[0].got(slots[0]).len();
        world.publish(index, published[0], &[None], 3);
        assert_eq!(world.clients[0].got(slots[0]).len() - before, 6, "track {index}");
        world.order(Command::Leave { session: key(index) });
        world.run(Duration::from_millis(50));
    }
    let is_asked = world.events.iter().any(|event| matches!(event, ShardEvent::NeedSlots { .. }));
    assert!(!is_asked, "one slot was enough");
    let answers = |event: &&ShardEvent| matches!(event, ShardEvent::Answer { session, .. } if *session == key(0));
    assert_eq!(world.events.iter().filter(answers).count(), 1, "nothing was negotiated anew");
    let got = world.clients[0].got(slots[0]);
    let mut numbers: Vec<_> = got.iter().map(|packet| *packet.seq_no).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "one stream without a seam");
    assert!(got.iter().all(|packet| packet.header.ssrc == got[0].header.ssrc));
    assert_eq!(world.shard.session_count(), 1);
    // A decoder that found old numbers again would take somebody's frames for continuations of somebody else's.
    let mut pictures: Vec<_> = got.iter().map(|packet| (*packet.seq_no, read_vp8(&packet.payload).0)).collect();
    pictures.sort_unstable();
    pictures.dedup_by_key(|(_, picture)| *picture);
    assert_eq!(pictures.len(), 300);
    assert!(pictures.windows(2).all(|pair| pair[1].1.wrapping_sub(pair[0].1) & 0x7fff == 1), "{pictures:?}");
}

#[test]
fn a_wish_without_a_slot_waits_for_one() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video, Section::Video]);
    let (_, first) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.wish(1, 2);
    assert!(world.events.contains(&ShardEvent::NeedSlots { session: key(1), audio: 0, video: 1 }));
    let second = world.offer(1, &[Section::VideoSlot]);
    world.publish(0, published[0], &[None], 10);
    world.publish(0, published[1], &[None], 10);
    assert_eq!((world.clients[1].got(first[0]).len(), world.clients[1].got(second[0]).len()), (20, 20));
    // A slot that is free again is taken by who waits, without an offer.
    world.wish(1, 1);
    let third = world.offer(0, &[Section::Video]);
    world.wish(1, 3);
    world.order(Command::Wish { session: key(1), track: TrackId(1), wish: None });
    world.publish(0, third[0], &[None], 10);
    assert_eq!(world.clients[1].got(first[0]).len(), 40);
}

#[test]
fn a_slot_that_is_taken_back_sends_its_track_away() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 10);
    let now = world.now;
    let sdp = world.clients[1].offer_direction(slots[0], Direction::Inactive, now);
    world.hand_in(1, sdp, Vec::new());
    let before = world.clients[1].got(slots[0]).len();
    world.publish(0, published[0], &[None], 10);
    assert_eq!(world.clients[1].got(slots[0]).len(), before);
    assert!(world.events.contains(&ShardEvent::NeedSlots { session: key(1), audio: 0, video: 1 }));
}

#[test]
fn a_section_that_sends_no_more_ends_its_track() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video, Section::Audio]);
    world.connect();
    let now = world.now;
    let sdp = world.clients[0].offer_direction(published[0], Direction::Inactive, now);
    world.hand_in(0, sdp, Vec::new());
    assert!(world.events.contains(&ShardEvent::Ended { room: ROOM, track: TrackId(1) }));
    assert!(!world.events.contains(&ShardEvent::Ended { room: ROOM, track: TrackId(2) }));
}

#[test]
fn no_more_slots_are_asked_for_than_a_frame_of_signaling_has_room_for() {
    let mut world = World::new();
    let (watcher, _) = world.join(ROOM, &[Section::VideoSlot]);
    for _ in 0..4 {
        world.join(ROOM, &[Section::Video; 30]);
    }
    world.connect();
    (1..=120).for_each(|track| world.wish(watcher, track));
    let asked = world.events.iter().rev().find_map(|event| match event {
        ShardEvent::NeedSlots { session, audio, video } if *session == key(watcher) => Some((*audio, *video)),
        _ => None,
    });
    assert_eq!(asked, Some((0, 79)), "with the one that is there 80");
}
