//! People come and go, and nothing of them stays.

use std::collections::BTreeMap;
use std::time::Duration;

use stoa_sfu_core::{Command, Holdings, Kind, Quality, ShardEvent, TrackId, Wish};
use str0m::media::Mid;

use crate::client::{RIDS, Section};
use crate::world::{ROOM, World, key};

const LAYERS: [Option<&str>; 3] = [Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])];

/// Two who stay, and those who come and go.
struct Churn {
    world: World,
    /// Who is there, and what it publishes: video, audio.
    present: BTreeMap<usize, (Mid, Mid)>,
    /// Tracks that can be had, and whose they are.
    tracks: BTreeMap<TrackId, (usize, Kind)>,
    heard: usize,
}

impl Churn {
    fn new() -> Self {
        let (world, present, tracks) = (World::new(), BTreeMap::new(), BTreeMap::new());
        let mut churn = Self { world, present, tracks, heard: 0 };
        (0..STAYERS).for_each(|_| churn.join());
        churn
    }

    fn join(&mut self) {
        let (index, mids) = self.world.join(ROOM, &[Section::Simulcast, Section::Audio]);
        self.present.insert(index, (mids[0], mids[1]));
        self.world.connect_one(index);
        self.listen();
    }

    /// Takes the news. Slots are offered that are asked for.
    fn listen(&mut self) {
        let mut asked = BTreeMap::new();
        while let Some(event) = self.world.events.get(self.heard).cloned() {
            self.heard += 1;
            if let ShardEvent::Published { session, track, kind, .. } = event {
                self.tracks.insert(track, (session.0 as usize - 1, kind));
            } else if let ShardEvent::Ended { track, .. } = event {
                self.tracks.remove(&track);
            } else if let ShardEvent::NeedSlots { session, audio, video } = event {
                // What was said last is what is needed now.
                asked.insert(session.0 as usize - 1, (audio, video));
            }
        }
        asked.retain(|index, _| self.present.contains_key(index));
        for (index, (audio, video)) in asked {
            let mut sections = vec![Section::AudioSlot; audio];
            sections.extend(vec![Section::VideoSlot; video]);
            self.world.offer(index, &sections);
        }
    }

    /// Everybody who is there wishes for everything of others.
    fn wish_for_all(&mut self) {
        for index in self.present.keys().copied().collect::<Vec<_>>() {
            for (track, _) in self.tracks.clone().iter().filter(|(_, (owner, _))| *owner != index) {
                self.world.order(Command::Wish { session: key(index), track: *track, wish: Some(Wish::default()) });
            }
        }
        self.listen();
    }

    fn leave(&mut self, index: usize, is_polite: bool) {
        self.present.remove(&index);
        if is_polite {
            self.world.order(Command::Leave { session: key(index) });
        }
        self.world.clients[index].rtc.disconnect();
        self.listen();
    }

    /// The `place`th of those who may go.
    fn guest(&self, place: u64) -> Option<usize> {
        let guests: Vec<_> = self.present.keys().copied().filter(|index| *index >= STAYERS).collect();
        guests.get(place as usize % guests.len().max(1)).copied()
    }

    fn step(&mut self) {
        let (what, which) = (self.world.random() % 10, self.world.random());
        match what {
            // Those who vanished count until they are given up.
            0..3 if self.world.shard.session_count() < MOST => {
                self.join();
                self.wish_for_all();
            }
            0..5 => {
                if let Some(index) = self.guest(which) {
                    self.leave(index, !which.is_multiple_of(16));
                }
            }
            5 | 6 => {
                let place = which as usize % self.tracks.len().max(1);
                if let Some(track) = self.tracks.keys().nth(place).copied() {
                    self.world.order(Command::Mute { room: ROOM, track, is_muted: what == 5 });
                }
            }
            _ => self.change_wish(which),
        }
        self.talk(5);
    }

    fn change_wish(&mut self, which: u64) {
        let index = which as usize % STAYERS;
        let others: Vec<_> =
            self.tracks.iter().filter(|(_, (owner, _))| *owner != index).map(|(track, _)| *track).collect();
        let Some(track) = others.get(which as usize / 7 % others.len().max(1)) else { return };
        let most = Quality { layer: (which / 3 % 3) as u8, temporal: u8::MAX };
        let wish = Wish { most, is_paused: which.is_multiple_of(5), priority: (which % 4) as u8 };
        let is_wanted = !which.is_multiple_of(11);
        // What is not wanted need not be wished for.
        let _ = self.world.shard.handle_command(
            Command::Wish { session: key(index), track: *track, wish: is_wanted.then_some(wish) },
            self.world.now,
        );
        self.world.collect();
        self.listen();
    }

    fn talk(&mut self, frames: usize) {
        for _ in 0..frames {
            for (index, (video, audio)) in self.present.clone() {
                let now = self.world.now;
                self.world.clients[index].send_audio(audio, 20, now);
                self.world.clients[index].send_video(video, &LAYERS, now);
                self.world.collect();
            }
            self.world.run(Duration::from_millis(40));
            self.listen();
        }
    }

    /// The guests go, and whatever is to time out does.
    fn settle(&mut self) -> Holdings {
        while let Some(index) = self.guest(0) {
            self.leave(index, true);
        }
        for _ in 0..9 {
            self.world.run(Duration::from_secs(10));
            self.talk(5);
        }
        for (track, _) in self.tracks.clone() {
            self.world.order(Command::Mute { room: ROOM, track, is_muted: false });
        }
        self.wish_for_all();
        self.talk(25);
        self.world.shard.holdings()
    }

    /// How many packets those who stay have got, by section.
    fn received(&self) -> Vec<BTreeMap<Mid, usize>> {
        let stayers = self.world.clients.iter().take(STAYERS);
        stayers.map(|client| client.received.iter().map(|(mid, packets)| (*mid, packets.len())).collect()).collect()
    }

    /// Media sections of the latest answer to the first who stays.
    fn sections(&self) -> usize {
        let mut answers = self.world.events.iter().filter_map(|event| match event {
            ShardEvent::Answer { session, sdp, .. } if *session == key(0) => Some(sdp.matches("m=").count()),
            _ => None,
        });
        answers.next_back().unwrap_or_default()
    }
}

#[test]
fn whoever_comes_and_goes_leaves_nothing_behind() {
    let steps = std::env::var("STOA_CHURN_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(60);
    let mut churn = Churn::new();
    // As full as it gets: slots are kept for the next.
    while churn.present.len() < MOST {
        churn.join();
        churn.wish_for_all();
    }
    churn.talk(10);
    let (before, sections) = (churn.settle(), churn.sections());
    assert_eq!((before.sessions, before.tracks, before.subscriptions), (STAYERS, 2 * STAYERS, 2 * STAYERS));
    for _ in 0..steps {
        churn.step();
    }
    assert_eq!((churn.settle(), churn.sections()), (before, sections));
    // And those who stayed see and hear each other.
    churn.talk(25);
    let then = churn.received();
    churn.talk(25);
    for (now, then) in churn.received().iter().zip(&then) {
        let more = now.iter().map(|(mid, count)| count - then.get(mid).copied().unwrap_or_default());
        assert_eq!(more.filter(|more| *more >= 20).count(), 2, "a picture and a voice: {then:?} {now:?}");
    }
    for index in 0..STAYERS {
        churn.leave(index, true);
    }
    churn.world.run(Duration::from_secs(1));
    assert_eq!(churn.world.shard.holdings(), Holdings::default(), "nobody is left, and nothing");
}

const STAYERS: usize = 2;
/// Who stays and who comes.
const MOST: usize = 6;
