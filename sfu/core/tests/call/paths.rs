//! Ways through the network that break and change.

use std::net::SocketAddr;

use stoa_sfu_core::{Command, ShardEvent, TrackId};
use str0m::media::Mid;

use crate::calls::assert_continuous;
use crate::client::{Section, read_vp8};
use crate::world::{ROOM, World, key};

fn call() -> (World, Mid, Mid) {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 50);
    (world, published[0], slots[0])
}

fn count(world: &World, event: &ShardEvent) -> usize {
    world.events.iter().filter(|known| *known == event).count()
}

#[test]
fn trap_13_who_was_cut_off_for_a_while_goes_on() {
    let (mut world, published, slot) = call();
    world.cut = Some(world.clients[1].address);
    let interrupted = ShardEvent::Interrupted { session: key(1) };
    for _ in 0..60 {
        world.publish(0, published, &[None], 25);
        if count(&world, &interrupted) > 0 {
            break;
        }
    }
    assert_eq!(count(&world, &interrupted), 1, "it is noticed");
    assert_eq!(count(&world, &ShardEvent::Interrupted { session: key(0) }), 0);
    world.cut = None;
    let before = world.clients[1].got(slot).len();
    world.publish(0, published, &[None], 250);
    assert_eq!(count(&world, &ShardEvent::Connected { session: key(1) }), 2, "and so is its return");
    let got = &world.clients[1].got(slot)[before..];
    assert!(got.len() > 300, "{} of 500 packets", got.len());
    let new = got.iter().position(|packet| read_vp8(&packet.payload).1);
    assert!(new.is_some_and(|place| place < 60), "it sees a keyframe soon: {new:?}");
}

#[test]
fn who_stays_away_for_too_long_is_given_up() {
    let (mut world, published, _) = call();
    world.cut = Some(world.clients[1].address);
    for _ in 0..100 {
        world.publish(0, published, &[None], 25);
    }
    assert_eq!(count(&world, &ShardEvent::Failed { session: key(1) }), 1);
    assert_eq!(world.shard.session_count(), 1);
}

/// A router forgets where somebody was and finds a new place, of which the participant knows nothing.
#[test]
fn trap_13_who_comes_from_another_address_goes_on() {
    let (mut world, published, slot) = call();
    for (who, port) in [(1, 7_000), (0, 7_001)] {
        let outer = SocketAddr::from(([203, 0, 113, 77], port));
        world.moved = Some((world.clients[who].address, outer));
        let before = world.clients[1].got(slot).len();
        world.publish(0, published, &[None], 500);
        let got = world.clients[1].got(slot).len() - before;
        assert!(got >= 500, "{got} of 1000 packets");
        let before = world.clients[1].got(slot).len();
        world.publish(0, published, &[None], 25);
        assert_eq!(world.clients[1].got(slot).len() - before, 50, "all is well in the end");
        world.moved = None;
        world.publish(0, published, &[None], 500);
    }
    assert_eq!(world.shard.session_count(), 2);
}

#[test]
fn a_screen_and_a_camera_of_one_participant_are_two_tracks() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video, Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot, Section::VideoSlot]);
    world.clients[0].sizes = [300, 0, 0];
    world.connect();
    world.wish(1, 1);
    world.wish(1, 2);
    for size in [300, 900] {
        // The second one is larger, so that they can be told apart.
        world.clients[0].sizes[0] = size;
        world.publish(0, published[usize::from(size == 900)], &[None], 25);
    }
    let sizes = |world: &World, slot: Mid| -> Vec<usize> {
        let mut sizes: Vec<_> = world.clients[1].got(slot).iter().map(|packet| packet.payload.len()).collect();
        sizes.dedup();
        sizes
    };
    assert_eq!((sizes(&world, slots[0]), sizes(&world, slots[1])), (vec![300], vec![900]));
    world.order(Command::Stop { room: ROOM, track: TrackId(2) });
    let before = (world.clients[1].got(slots[0]).len(), world.clients[1].got(slots[1]).len());
    for mid in &published {
        world.publish(0, *mid, &[None], 25);
    }
    let after = (world.clients[1].got(slots[0]).len(), world.clients[1].got(slots[1]).len());
    assert_eq!((after.0 - before.0, after.1 - before.1), (50, 0), "the camera goes on without the screen");
    assert_continuous(&world, 1, slots[0]);
}
