//! Participants who are sent no pictures.

use std::time::Duration;

use crate::client::Section;
use crate::world::{ROOM, World};

#[test]
fn whoever_is_sent_nothing_is_sent_little_padding() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 75);
    world.run(Duration::from_secs(5));
    let address = world.clients[1].address;
    world.watched = Some((address, 0));
    world.run(Duration::from_secs(10));
    let (_, bytes) = world.watched.take().unwrap();
    assert!(bytes < 100_000, "{bytes} bytes in 10 s to one who is sent nothing; unbridled padding takes 148,000");
    // It wakes up at once.
    let before = world.clients[1].got(slots[0]).len();
    world.publish(0, published[0], &[None], 25);
    assert!(world.clients[1].got(slots[0]).len() - before >= 48);
}
