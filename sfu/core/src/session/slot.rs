use std::time::{Duration, Instant};

use str0m::media::{Mid, Pt};
use str0m::rtp::Ssrc;

use crate::packet::{Codec, Publisher, TrackId};
use crate::rewrite::{LastNumbers, SenderReport};
use crate::session::Session;
use crate::shard::Holdings;

/// A media section in which a participant receives. Tracks come and go in it; its stream never breaks off.
///
/// A number is never used twice under one SSRC, whatever passes through: with AES-GCM that would give the key away.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) mid: Mid,
    pub(super) ssrc: Ssrc,
    pub(super) is_audio: bool,
    /// The media stream that the participant takes it to be of.
    pub(super) stream: Option<usize>,
    /// The payload types that the participant understands, one for each codec.
    pub(super) formats: Vec<(Codec, Pt)>,
    pub(super) seat: Option<Seat>,
    /// What the track before ended with.
    numbers: Option<LastNumbers>,
    /// One past the highest number that was used; `None` before the first.
    next: Option<u64>,
    /// The newest timestamp, and when it was given out.
    last: Option<(u32, Instant)>,
}

/// A track in a slot.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) track: TrackId,
    /// Whose microphone or camera it is.
    pub(super) person: Option<Publisher>,
    pub(super) codec: Codec,
    offsets: Option<Offsets>,
    clock: Option<(SenderReport, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Offsets {
    first_in: u64,
    first_out: u64,
    timestamp: u32,
}

/// What a packet is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Extended: its upper part is the roll-over counter.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    /// When it was captured, as far as is known; what sender reports are made of.
    pub(super) captured: Instant,
}

impl Slot {
    pub(super) const fn new(mid: Mid, ssrc: Ssrc, is_audio: bool, stream: Option<usize>) -> Self {
        Self { mid, ssrc, is_audio, stream, formats: Vec::new(), seat: None, numbers: None, next: None, last: None }
    }

    pub(super) fn format(&self, codec: Codec) -> Option<Pt> {
        self.formats.iter().find(|(known, _)| *known == codec).map(|(_, pt)| *pt)
    }

    /// Whether it has a track of this participant's.
    pub(super) fn is_taken_by(&self, person: Publisher) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.person == Some(person))
    }

    /// Lets a track in.
    pub(super) const fn seat(&mut self, track: TrackId, codec: Codec, person: Option<Publisher>) {
        self.seat = Some(Seat { track, person, codec, offsets: None, clock: None });
    }

    /// Gives a packet its numbers in the slot's stream; `None` if it is from before the track came in.
    pub(super) fn place(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<Place> {
        let (next, last) = (self.next, self.last);
        let seat = self.seat.as_mut()?;
        let rate = seat.codec.clock_rate();
        let offsets = *seat.offsets.get_or_insert_with(|| {
            // The first turn of the numbers must be the 0th: receivers cannot know of another.
            let first_out = next.unwrap_or(sequence & 0x7fff);
            let timestamp = last.map_or(0, |(last, at)| {
                let pause = ticks(now.saturating_duration_since(at), rate).max(1);
                last.wrapping_add(pause).wrapping_sub(timestamp)
            });
            Offsets { first_in: sequence, first_out, timestamp }
        });
        let placed = offsets.first_out + sequence.checked_sub(offsets.first_in)?;
        let shifted = timestamp.wrapping_add(offsets.timestamp);
        let captured = seat.clock.map_or(now, |(report, at)| captured(report, at, timestamp, rate).min(now));
        if next.is_none_or(|next| placed >= next) {
            self.next = Some(placed + 1);
            self.last = Some((shifted, now));
        }
        Some(Place { sequence: placed, timestamp: shifted, captured })
    }

    /// The publisher's clock: `report` is of the moment `at`.
    pub(super) const fn set_clock(&mut self, report: SenderReport, at: Instant) {
        if let Some(seat) = &mut self.seat {
            seat.clock = Some((report, at));
        }
    }
}

impl Session {
    /// How many more slots there may be, for audio and for video.
    pub(crate) fn room_for_slots(&self) -> (usize, usize) {
        let audio = self.slots.iter().filter(|slot| slot.is_audio).count();
        let video = self.slots.len() - audio;
        (MOST_AUDIO_SLOTS.saturating_sub(audio), MOST_VIDEO_SLOTS.saturating_sub(video))
    }

    /// Adds what is held.
    pub(crate) fn count(&self, holdings: &mut Holdings) {
        holdings.slots += self.slots.len();
        holdings.seats += self.seats.len();
        holdings.received += self.streams.len();
    }

    /// A track that leaves its slot ended with these numbers.
    pub(crate) fn keep_numbers(&mut self, track: TrackId, numbers: LastNumbers) {
        if let Some(slot) = self.seats.get(&track).and_then(|place| self.slots.get_mut(*place)) {
            slot.numbers = Some(numbers);
        }
    }

    /// What was there before in the slot of a track ended with these.
    pub(crate) fn last_numbers(&self, track: TrackId) -> Option<LastNumbers> {
        self.seats.get(&track).and_then(|place| self.slots.get(*place))?.numbers
    }
}

/// Slots that a participant is asked for. A browser's offer with all of them has about 250 KB, which fits a frame of signaling.
const MOST_AUDIO_SLOTS: usize = 100;
const MOST_VIDEO_SLOTS: usize = 80;

fn ticks(time: Duration, rate: u32) -> u32 {
    // An RTP clock turns every 13 hours; the low bits are what counts.
    let ticks = time.as_micros() * u128::from(rate) / 1_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or_default()
}

/// When the packet with `timestamp` was captured.
fn captured(report: SenderReport, at: Instant, timestamp: u32, rate: u32) -> Instant {
    let ahead = timestamp.wrapping_sub(report.rtp);
    let span = |ticks: u32| Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(rate));
    if ahead < 1 << 31 { at + span(ahead) } else { at.checked_sub(span(ahead.wrapping_neg())).unwrap_or(at) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_number_is_never_used_twice_whoever_sits_in_the_slot() {
        let (mut slot, mut now) = (Slot::new("0".into(), 7.into(), false, None), Instant::now());
        let mut used = std::collections::BTreeSet::new();
        let mut last = 0;
        for track in 0..200_u64 {
            slot.seat(TrackId(track), Codec::Vp8, None);
            let first = (track * 7_919) % 60_000 + (1 << 16);
            for number in [0, 1, 3, 2, 4] {
                now += Duration::from_millis(20);
                let place = slot.place(first + number, 5_000 * u32::try_from(track).unwrap_or_default(), now);
                assert!(used.insert(place.map(|place| place.sequence)), "{place:?} again");
            }
            assert_eq!(slot.place(first - 1, 0, now), None, "from before it came in");
            let newest = slot.last.map(|(timestamp, _)| timestamp).unwrap_or_default();
            assert!(track == 0 || newest.wrapping_sub(last) < 1 << 31 && newest != last, "time goes on");
            last = newest;
        }
        assert!(used.iter().flatten().next().is_some_and(|first| *first < 1 << 16), "the first turn is the 0th");
    }

    #[test]
    fn capture_times_follow_the_publishers_clock() {
        let (mut slot, now) = (Slot::new("0".into(), 7.into(), true, None), Instant::now());
        slot.seat(TrackId(1), Codec::Opus, None);
        let late = now + Duration::from_secs(1);
        slot.set_clock(SenderReport { ntp: 0, rtp: 48_000 }, now);
        let at = |slot: &mut Slot, sequence, rtp| slot.place(sequence, rtp, late).map(|place| place.captured);
        assert_eq!(at(&mut slot, 1, 52_800), Some(now + Duration::from_millis(100)));
        assert_eq!(at(&mut slot, 2, 43_200), now.checked_sub(Duration::from_millis(100)));
        assert_eq!(at(&mut slot, 3, 480_000), Some(late), "never in the future");
    }
}
