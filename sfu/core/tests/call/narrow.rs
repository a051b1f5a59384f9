//! Two people are seen and heard over a narrow path.

use std::time::Duration;

use str0m::media::Mid;

use crate::client::{RIDS, Section};
use crate::world::{Narrow, ROOM, World};

const LAYERS: [Option<&str>; 3] = [Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])];

/// Two speak (participants 0 and 1), two listen (2 and 3).
struct Meeting {
    world: World,
    /// Of each speaker: video, audio.
    published: [(Mid, Mid); 2],
    /// Of each listener, by speaker: video, audio.
    slots: [[(Mid, Mid); 2]; 2],
}

/// Packets that a listener got: of the two pictures, of the two voices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Got {
    pictures: [usize; 2],
    voices: [usize; 2],
}

impl Meeting {
    /// `rate`: what the path to the first listener carries.
    fn new(rate: Option<u64>) -> Self {
        let mut world = World::new();
        let published = [0, 1].map(|_| {
            let (index, mids) = world.join(ROOM, &[Section::Simulcast, Section::Audio]);
            // 56, 280 and 480 kbit/s, with keyframes eight times as large as other frames.
            world.clients[index].sizes = [140, 700, 1_200];
            world.clients[index].keyframe_packets = 16;
            (mids[0], mids[1])
        });
        let sections = [Section::VideoSlot, Section::AudioSlot, Section::VideoSlot, Section::AudioSlot];
        let slots = [2, 3].map(|_| {
            let (_, mids) = world.join(ROOM, &sections);
            [(mids[0], mids[1]), (mids[2], mids[3])]
        });
        world.narrow = rate.map(|rate| Narrow::new(world.clients[2].address, rate, world.now));
        world.connect();
        for index in [2, 3] {
            (1..=4).for_each(|track| world.wish(index, track));
        }
        Self { world, published, slots }
    }

    fn narrow(&mut self, rate: u64) {
        self.world.narrow = Some(Narrow::new(self.world.clients[2].address, rate, self.world.now));
    }

    /// Lets both speak for a second. Returns what the listeners got in it.
    fn second(&mut self) -> [Got; 2] {
        let before = [self.got(0), self.got(1)];
        for turn in 0..50 {
            for (index, (video, audio)) in self.published.into_iter().enumerate() {
                let now = self.world.now;
                self.world.clients[index].send_audio(audio, 20, now);
                if turn % 2 == 0 {
                    self.world.clients[index].send_video(video, &LAYERS, now);
                }
                self.world.collect();
            }
            self.world.run(Duration::from_millis(20));
        }
        [0, 1].map(|listener| {
            let (now, before) = (self.got(listener), before[listener]);
            Got {
                pictures: [0, 1].map(|speaker| now.pictures[speaker] - before.pictures[speaker]),
                voices: [0, 1].map(|speaker| now.voices[speaker] - before.voices[speaker]),
            }
        })
    }

    fn seconds(&mut self, count: usize) -> Vec<[Got; 2]> {
        (0..count).map(|_| self.second()).collect()
    }

    fn got(&self, listener: usize) -> Got {
        let (client, slots) = (&self.world.clients[2 + listener], self.slots[listener]);
        Got {
            pictures: slots.map(|(video, _)| client.got(video).len()),
            voices: slots.map(|(_, audio)| client.got(audio).len()),
        }
    }
}

/// Voices are whole, but for what comes a moment late, and a picture moves, in every second.
fn assert_heard_and_seen(seconds: &[[Got; 2]]) {
    for (place, [narrow, _]) in seconds.iter().enumerate() {
        assert!(narrow.voices.iter().all(|count| *count >= 25), "second {place}: {seconds:?}");
        assert!(narrow.pictures.iter().any(|count| *count >= 20), "second {place}: {seconds:?}");
    }
    let voices: usize = seconds.iter().flat_map(|[narrow, _]| narrow.voices).sum();
    assert!(voices >= seconds.len() * 97, "{voices} packets of the voices in {} s", seconds.len());
}

#[test]
fn trap_16_a_path_that_is_narrow_from_the_start_carries_voices_and_a_picture_from_the_start() {
    let mut meeting = Meeting::new(Some(300_000));
    // The first packets of the voices come while the picture's first keyframe does.
    let first = meeting.second()[0];
    assert!(
        first.voices.iter().all(|count| *count >= 25) && first.pictures.iter().any(|count| *count > 0),
        "{first:?}"
    );
    let dropped = meeting.world.dropped;
    let seconds = meeting.seconds(30);
    assert_heard_and_seen(&seconds);
    assert_eq!(meeting.world.dropped, dropped, "nothing was lost before the narrow path");
    assert!(seconds.iter().all(|[_, wide]| wide.voices == [50, 50]), "nobody else notices: {seconds:?}");
}

#[test]
fn trap_16_a_path_that_becomes_narrow_disturbs_voices_for_few_seconds() {
    let mut meeting = Meeting::new(None);
    let wide = meeting.seconds(5);
    assert!(wide[3..].iter().all(|[one, other]| one.voices == other.voices && one.voices == [50, 50]), "{wide:?}");
    meeting.narrow(300_000);
    let fallen = meeting.seconds(12);
    let voices: usize = fallen[..4].iter().flat_map(|[narrow, _]| narrow.voices).sum();
    assert!(voices >= 200, "half of what is said comes through meanwhile: {fallen:?}");
    let late: usize = fallen[8..].iter().flat_map(|[narrow, _]| narrow.voices).sum();
    assert!(late >= 340, "voices are nearly whole soon: {fallen:?}");
    let seconds = meeting.seconds(30);
    assert_heard_and_seen(&seconds);
    let others = fallen.iter().chain(&seconds).map(|[_, wide]| wide);
    assert!(others.clone().all(|wide| wide.voices == [50, 50] && wide.pictures.iter().all(|count| *count >= 48)));
}
