//! Which sections receivers take to be one person's.

use stoa_sfu_core::{ShardEvent, TrackId};

use crate::client::Section;
use crate::world::{ROOM, World, key};

/// The stream that the latest answer to a participant gives the section in which a track is.
fn stream(world: &World, index: usize, track: u64) -> Option<String> {
    let mid = world.events.iter().rev().find_map(|event| match event {
        ShardEvent::Seated { session, track: seated, mid } if (*session, *seated) == (key(index), TrackId(track)) => {
            Some(*mid)
        }
        _ => None,
    })?;
    let sdp = world.events.iter().rev().find_map(|event| match event {
        ShardEvent::Answer { session, sdp, .. } if *session == key(index) => Some(sdp),
        _ => None,
    })?;
    let mid = format!("a=mid:{}\r\n", mid.as_str());
    let section = sdp.split("m=").find(|section| section.contains(&mid))?;
    let id = section.lines().find_map(|line| line.strip_prefix("a=msid:"))?;
    id.split(' ').next().map(str::to_owned)
}

#[test]
fn the_voice_and_the_picture_of_one_person_are_one_stream_and_nobody_elses() {
    let mut world = World::new();
    world.join(ROOM, &[Section::Audio]);
    world.join(ROOM, &[Section::Audio, Section::Video]);
    let slots = [Section::AudioSlot, Section::AudioSlot, Section::VideoSlot, Section::VideoSlot];
    let (index, _) = world.join(ROOM, &[]);
    // Browsers name no stream where they only receive.
    let (sdp, _) = world.clients[index].offer(&slots, world.now);
    let lines = sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=msid:"));
    world.hand_in(index, lines.collect(), Vec::new());
    world.connect();
    (1..=3).for_each(|track| world.wish(index, track));
    let [alone, voice, picture] = [1, 2, 3].map(|track| stream(&world, index, track).unwrap());
    assert_eq!(voice, picture);
    assert_ne!(alone, picture);
}
