//! More tracks than one connection has sections for.

use std::collections::BTreeSet;

use stoa_sfu_core::{Command, ShardEvent, TrackId};

use crate::client::Section;
use crate::world::{ROOM, World, key};

const MOST_VOICES: usize = 100;
const MOST_PICTURES: usize = 80;

/// Asked for sections to receive in.
fn asked(world: &World) -> Option<(usize, usize)> {
    world.events.iter().rev().find_map(|event| match event {
        ShardEvent::NeedSlots { session, audio, video } if *session == key(0) => Some((*audio, *video)),
        _ => None,
    })
}

fn seated(world: &World) -> BTreeSet<u64> {
    let is_seat = |event: &ShardEvent| match event {
        ShardEvent::Seated { session, track, .. } if *session == key(0) => Some(track.0),
        _ => None,
    };
    world.events.iter().filter_map(is_seat).collect()
}

#[test]
fn who_finds_no_place_takes_that_of_who_goes_and_nothing_is_negotiated_for_it() {
    let mut world = World::new();
    world.join(ROOM, &[]);
    // Tracks 1 to 102 are voices, 103 to 184 are pictures.
    let voices: Vec<_> = (0..3).flat_map(|_| world.join(ROOM, &[Section::Audio; 32]).1).collect();
    let (last, more) = world.join(ROOM, &[Section::Audio; 6]);
    assert_eq!(voices.len() + more.len(), MOST_VOICES + 2);
    for count in [32, 32, 18] {
        world.join(ROOM, &vec![Section::Video; count]);
    }
    world.connect();
    (1..=184).for_each(|track| world.wish(0, track));
    assert_eq!(asked(&world), Some((MOST_VOICES, MOST_PICTURES)));
    let sections = [vec![Section::AudioSlot; MOST_VOICES], vec![Section::VideoSlot; MOST_PICTURES]].concat();
    world.offer(0, &sections);
    let before = seated(&world);
    assert_eq!(before, (1..=100).chain(103..=182).collect());
    let events = world.events.len();
    world.order(Command::Wish { session: key(0), track: TrackId(7), wish: None });
    world.order(Command::Stop { room: ROOM, track: TrackId(110) });
    assert_eq!(seated(&world).difference(&before).copied().collect::<Vec<_>>(), [101, 183]);
    // What takes a place is heard.
    let now = world.now;
    world.clients[last].send_audio(more[4], 20, now);
    world.collect();
    world.run(std::time::Duration::from_millis(100));
    assert_eq!(world.clients[0].received.values().map(Vec::len).sum::<usize>(), 1);
    // Who waits and goes leaves nobody behind.
    world.order(Command::Wish { session: key(0), track: TrackId(102), wish: None });
    world.order(Command::Wish { session: key(0), track: TrackId(8), wish: None });
    assert_eq!(seated(&world).len(), 182);
    assert!(!world.events[events..].iter().any(|event| matches!(event, ShardEvent::NeedSlots { .. })));
}
