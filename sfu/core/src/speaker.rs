//! Who speaks, from the loudness that senders put into their packets ([RFC 6464](https://www.rfc-editor.org/rfc/rfc6464)).
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::packet::TrackId;

/// The tracks that are heard, the one that speaks most first.
#[derive(Debug)]
pub(crate) struct Speakers {
    most: usize,
    voices: BTreeMap<TrackId, Voice>,
    active: Vec<TrackId>,
    /// Turns since another order began to fit better.
    unlike_turns: u32,
    next: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Voice {
    /// Smoothed loudness, in 1/16 dB above silence.
    score: u32,
    /// The loudest packet since the last turn, in the same unit.
    peak: u32,
    is_speaking: bool,
    /// Turns since it was last loud enough.
    quiet_turns: u32,
}

impl Speakers {
    /// At most `most` tracks count as active at a time.
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, voices: BTreeMap::new(), active: Vec::new(), unlike_turns: 0, next: None }
    }

    /// A packet of `track` says how loud it is, in -dBov. Packets of silence have 127.
    pub(crate) fn handle_level(&mut self, track: TrackId, level: u8, is_voice: Option<bool>, now: Instant) {
        let heard = if is_voice == Some(false) { 0 } else { u32::from(SILENCE.saturating_sub(level)) * UNIT };
        if self.voices.len() >= MOST_VOICES && !self.voices.contains_key(&track) {
            return;
        }
        let voice = self.voices.entry(track).or_default();
        voice.peak = voice.peak.max(heard);
        self.next.get_or_insert(now + TURN);
    }

    /// The track is gone or silenced.
    pub(crate) fn remove(&mut self, track: TrackId) {
        self.voices.remove(&track);
    }

    /// Judges anew. Returns whether the list has changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        for voice in self.voices.values_mut() {
            voice.turn();
        }
        self.voices.retain(|_, voice| voice.score > 0 || voice.is_speaking);
        // A room where nobody makes a sound needs no turns.
        self.next = (!self.voices.is_empty()).then(|| now + TURN);
        self.rank()
    }

    /// When to judge anew.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The active speakers.
    pub(crate) fn active(&self) -> &[TrackId] {
        &self.active
    }

    /// Puts the speakers into order. Who begins and who ends counts at once; somebody is overtaken only by a clear margin and after a
    /// while, so that equals do not take turns.
    fn rank(&mut self) -> bool {
        let place = |track: &TrackId| self.active.iter().position(|active| active == track);
        let mut ranked: Vec<_> = self
            .voices
            .iter()
            .filter(|(_, voice)| voice.is_speaking)
            .map(|(track, voice)| {
                let bonus = place(track)
                    .map_or(0, |place| MARGIN * u32::try_from(self.most.saturating_sub(place)).unwrap_or_default());
                (voice.score + bonus, *track)
            })
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(self.most);
        let ranked: Vec<_> = ranked.into_iter().map(|(_, track)| track).collect();
        if ranked == self.active {
            self.unlike_turns = 0;
            return false;
        }
        self.unlike_turns += 1;
        let is_speaking = |track: &TrackId| self.voices.get(track).is_some_and(|voice| voice.is_speaking);
        let is_full = self.active.len() >= ranked.len() && self.active.iter().all(is_speaking);
        if is_full && self.unlike_turns < OVERTAKING_TURNS {
            return false;
        }
        (self.active, self.unlike_turns) = (ranked, 0);
        true
    }
}

impl Voice {
    fn turn(&mut self) {
        // Up fast, so that a first word counts; down slowly, so that a breath does not.
        let share = if self.peak > self.score { RISE } else { FALL };
        self.score = (self.score * (share - 1) + self.peak) / share;
        self.peak = 0;
        self.quiet_turns = if self.score >= LOUD { 0 } else { self.quiet_turns + 1 };
        self.is_speaking = self.quiet_turns == 0 || self.is_speaking && self.quiet_turns < HOLD_TURNS;
    }
}

const SILENCE: u8 = 127;

/// Most tracks that are listened to at a time.
const MOST_VOICES: usize = 1_024;

/// Steps of 1 dB.
const UNIT: u32 = 16;

/// How often speakers are judged.
const TURN: Duration = Duration::from_millis(100);

/// Parts of the old score that one new peak is mixed with.
const RISE: u32 = 2;
const FALL: u32 = 5;

/// What counts as speech: -60 dBov. Quiet rooms lie below -70.
const LOUD: u32 = 67 * UNIT;

/// How much louder somebody must be to overtake: 4 dB per place.
const MARGIN: u32 = 4 * UNIT;

/// For how many turns in a row another order must fit better: 1 s.
const OVERTAKING_TURNS: u32 = 10;

/// A pause of this many turns ends a speech: 1 s.
const HOLD_TURNS: u32 = 10;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    /// Runs `turns` turns in which each track is as loud as `levels` says.
    fn run(speakers: &mut Speakers, now: &mut Instant, turns: usize, levels: &[(u64, u8)]) {
        for _ in 0..turns {
            for (track, level) in levels {
                speakers.handle_level(TrackId(*track), *level, None, *now);
            }
            *now += TURN;
            speakers.handle_timeout(*now);
        }
    }

    #[test]
    fn the_loudest_come_first_and_equals_do_not_take_turns() {
        let (mut now, mut speakers) = (Instant::now(), Speakers::new(2));
        run(&mut speakers, &mut now, 5, &[(1, 30), (2, 40), (3, 90)]);
        assert_eq!(speakers.active(), [TrackId(1), TrackId(2)]);
        run(&mut speakers, &mut now, 20, &[(1, 41), (2, 40), (3, 90)]);
        assert_eq!(speakers.active(), [TrackId(1), TrackId(2)], "within the margin");
        run(&mut speakers, &mut now, 20, &[(1, 60), (2, 30), (3, 25)]);
        assert_eq!(speakers.active().len(), 2);
        assert!(!speakers.active().contains(&TrackId(1)));
    }

    #[test]
    fn those_who_take_turns_in_being_loud_do_not_change_the_order_each_time() {
        let (mut now, mut speakers, mut changes) = (Instant::now(), Speakers::new(2), 0);
        for turn in 0..100_u64 {
            let loud = turn / 2 % 3;
            for track in 0..3 {
                speakers.handle_level(TrackId(track), if track == loud { 10 } else { 50 }, None, now);
            }
            now += TURN;
            changes += usize::from(speakers.handle_timeout(now));
        }
        assert!((2..14).contains(&changes), "{changes} changes in 10 s");
    }

    #[test]
    fn silence_ends_a_speech_even_if_no_packets_come() {
        let (mut now, mut speakers) = (Instant::now(), Speakers::new(3));
        run(&mut speakers, &mut now, 5, &[(1, 30)]);
        run(&mut speakers, &mut now, 3, &[]);
        assert_eq!(speakers.active(), [TrackId(1)], "a breath");
        run(&mut speakers, &mut now, 60, &[]);
        assert_eq!(speakers.active(), []);
        assert_eq!(speakers.poll_timeout(), None);
    }

    #[test]
    fn noise_that_the_sender_does_not_take_for_voice_is_none() {
        let (now, mut speakers) = (Instant::now(), Speakers::new(3));
        speakers.handle_level(TrackId(1), 20, Some(false), now);
        speakers.handle_timeout(now + TURN);
        assert_eq!(speakers.active(), []);
    }
}
