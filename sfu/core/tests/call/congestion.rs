//! One participant's path is narrow.

use std::collections::BTreeSet;
use std::time::Duration;

use stoa_sfu_core::{Command, Quality, TrackId, Wish};
use str0m::media::Mid;

use crate::client::{RIDS, Section};
use crate::world::{Narrow, ROOM, World, key};

const LAYERS: [Option<&str>; 3] = [Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])];

/// Bytes of a packet in each layer, two packets a frame: 88, 280 and 480 kbit/s.
const SIZES: [usize; 3] = [220, 700, 1_200];

struct Call {
    world: World,
    video: Mid,
    audio: Mid,
    /// Of both subscribers: video, audio.
    slots: [(Mid, Mid); 2],
}

impl Call {
    fn new(mut world: World) -> Self {
        let (_, published) = world.join(ROOM, &[Section::Simulcast, Section::Audio]);
        let slots = [1, 2].map(|index| {
            let (_, slots) = world.join(ROOM, &[Section::VideoSlot, Section::AudioSlot]);
            world.clients[0].sizes = SIZES;
            assert_eq!(index + 1, world.clients.len());
            (slots[0], slots[1])
        });
        world.connect();
        for index in [1, 2] {
            world.wish(index, 1);
            world.wish(index, 2);
        }
        Self { world, video: published[0], audio: published[1], slots }
    }

    /// Audio every 20 ms, a frame every 40 ms.
    fn talk(&mut self, seconds: usize) {
        for turn in 0..seconds * 50 {
            let now = self.world.now;
            self.world.clients[0].send_audio(self.audio, 20, now);
            if turn % 2 == 0 {
                self.world.clients[0].send_video(self.video, &LAYERS, now);
            }
            self.world.collect();
            self.world.run(Duration::from_millis(20));
        }
    }

    fn counts(&self, subscriber: usize) -> (usize, usize) {
        let (video, audio) = self.slots[subscriber - 1];
        let client = &self.world.clients[subscriber];
        (client.got(video).len(), client.got(audio).len())
    }

    /// Packets of the latest seconds: how many of video and audio, and of which layers.
    fn since(&self, subscriber: usize, before: (usize, usize)) -> (usize, usize, BTreeSet<usize>) {
        let (video, audio) = self.counts(subscriber);
        let got = &self.world.clients[subscriber].got(self.slots[subscriber - 1].0)[before.0..];
        let layers = got.iter().filter_map(|packet| SIZES.iter().position(|size| *size == packet.payload.len()));
        (video - before.0, audio - before.1, layers.collect())
    }
}

#[test]
fn trap_16_who_has_a_narrow_path_keeps_audio_and_a_moving_picture_and_nobody_else_notices() {
    let mut call = Call::new(World::new());
    call.talk(5);
    let narrow = call.world.clients[1].address;
    call.world.narrow = Some(Narrow::new(narrow, 300_000, call.world.now));
    call.talk(15);
    let before = [1, 2].map(|subscriber| call.counts(subscriber));
    call.talk(15);
    let (video, audio, layers) = call.since(1, before[0]);
    assert_eq!(layers, BTreeSet::from([0]), "the small layer");
    assert!(audio >= 740, "{audio} of 750 packets of audio");
    assert!(video >= 720, "{video} of 750 packets of video");
    let (video, audio, layers) = call.since(2, before[1]);
    assert_eq!((video, audio, layers), (750, 750, BTreeSet::from([2])), "the other one has the best");
    // The path is wide again, and that is found out.
    call.world.narrow = None;
    call.talk(40);
    let before = call.counts(1);
    call.talk(3);
    assert_eq!(call.since(1, before).2, BTreeSet::from([2]));
}

#[test]
fn trap_16_a_single_layer_that_does_not_fit_comes_back_when_it_does() {
    let mut world = World::new();
    let (_, published) = world.join(ROOM, &[Section::Video]);
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    world.clients[0].sizes = [1_200; 3];
    world.connect();
    world.wish(1, 1);
    world.publish(0, published[0], &[None], 125);
    world.narrow = Some(Narrow::new(world.clients[1].address, 150_000, world.now));
    world.publish(0, published[0], &[None], 250);
    world.narrow = None;
    world.publish(0, published[0], &[None], 1_000);
    let before = world.clients[1].got(slots[0]).len();
    world.publish(0, published[0], &[None], 100);
    assert_eq!(world.clients[1].got(slots[0]).len() - before, 200, "480 kbit/s, all of it");
}

#[test]
fn two_hundred_switches_never_break_a_stream() {
    let mut call = Call::new(World::unlimited());
    call.talk(1);
    let before = call.counts(1).0;
    for turn in 0..200_u16 {
        let layer = (turn * 7 / 3 % 3) as u8;
        let wish = Wish { most: Quality { layer, temporal: u8::MAX }, ..Wish::default() };
        call.world.order(Command::Wish { session: key(1), track: TrackId(1), wish: Some(wish) });
        for _ in 0..8 {
            let now = call.world.now;
            call.world.clients[0].send_video(call.video, &LAYERS, now);
            call.world.collect();
            call.world.run(Duration::from_millis(40));
        }
        let latest = call.world.clients[1].got(call.slots[0].0).last().map(|packet| packet.payload.len());
        assert_eq!(latest, Some(SIZES[usize::from(layer)]), "switch {turn}");
    }
    assert!(call.counts(1).0 - before >= 200 * 8 * 2 - 800, "a switch costs no more than two frames");
    crate::calls::assert_continuous(&call.world, 1, call.slots[0].0);
}
