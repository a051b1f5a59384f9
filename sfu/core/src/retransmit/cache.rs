use std::time::{Duration, Instant};

use crate::packet::Packet;
use crate::payload::Description;

/// The recent packets of one layer, by extended sequence number. Shared by all who subscribe to it.
///
/// Bounded by packets, bytes and age, whichever is least. It also knows duplicates, and from where a decoder could start.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Box<[Option<Cached>]>,
    /// The slots in use lie in `oldest..next`, with holes where packets are missing.
    oldest: u64,
    next: u64,
    bytes: usize,
    /// Where the newest keyframe begins, and the bytes from there on.
    keyframe: Option<(u64, usize)>,
}

/// A packet and what was found out about it once for all subscribers.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub(crate) sequence: u64,
    pub(crate) packet: Packet,
    pub(crate) description: Description,
    pub(crate) at: Instant,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    Duplicate,
    /// Older than what the cache covers, so nobody can tell whether it came before.
    TooOld,
}

impl Cache {
    /// Room for `packets`, which is made a power of two.
    pub(crate) fn new(packets: usize) -> Self {
        let slots = std::iter::repeat_with(|| None).take(packets.next_power_of_two()).collect();
        Self { slots, oldest: 0, next: 0, bytes: 0, keyframe: None }
    }

    pub(crate) fn insert(&mut self, cached: Cached) -> Stored {
        let (sequence, now) = (cached.sequence, cached.at);
        if sequence < self.oldest {
            return Stored::TooOld;
        }
        if self.next == 0 {
            // What was reordered before the first packet still finds its place.
            self.oldest = self.oldest.max(sequence.saturating_sub(FIRST_REORDERED));
            self.next = sequence;
        }
        if self.at(sequence).is_some() {
            return Stored::Duplicate;
        }
        let len = cached.packet.payload.len();
        self.make_room(sequence);
        if cached.description.is_keyframe && self.keyframe.is_none_or(|(start, _)| start < sequence) {
            let after: usize = (sequence..self.next).filter_map(|n| self.at(n)).map(|c| c.packet.payload.len()).sum();
            self.keyframe = Some((sequence, after));
        }
        if let Some((start, bytes)) = &mut self.keyframe
            && *start <= sequence
        {
            *bytes += len;
        }
        self.bytes += len;
        self.next = self.next.max(sequence + 1);
        if let Some(slot) = self.slot(sequence) {
            *slot = Some(cached);
        }
        self.forget_old(now);
        Stored::New
    }

    /// The packet with this number.
    pub(crate) fn at(&self, sequence: u64) -> Option<&Cached> {
        let slot = self.slots.get(self.place(sequence))?.as_ref()?;
        (slot.sequence == sequence).then_some(slot)
    }

    /// One past the highest number.
    pub(crate) const fn end(&self) -> u64 {
        self.next
    }

    /// The first packet of the newest keyframe.
    pub(crate) fn keyframe(&self) -> Option<&Cached> {
        self.keyframe.and_then(|(start, _)| self.at(start))
    }

    /// The lowest number that may be there.
    pub(crate) const fn begin(&self) -> u64 {
        self.oldest
    }

    /// From where somebody new can be served, if that costs little enough: at most `most` bytes.
    pub(crate) fn start(&self, most: usize, now: Instant) -> Option<u64> {
        let (start, bytes) = self.keyframe?;
        let keyframe = self.at(start)?;
        let is_fresh = now.saturating_duration_since(keyframe.at) <= MOST_REPLAY_AGE;
        (is_fresh && bytes <= most.min(MOST_REPLAY_BYTES)).then_some(start)
    }

    /// Drops everything, and what comes late with a number below `from`: of its frame the rest may be among what was dropped.
    pub(crate) fn clear(&mut self, from: u64) {
        self.slots.fill_with(|| None);
        (self.oldest, self.next, self.bytes, self.keyframe) = (from, 0, 0, None);
    }

    /// Slots that `sequence` needs are emptied.
    fn make_room(&mut self, sequence: u64) {
        let capacity = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let oldest = (sequence + 1).saturating_sub(capacity);
        while self.oldest < oldest && self.oldest < self.next {
            self.forget_oldest();
        }
        self.oldest = self.oldest.max(oldest);
    }

    fn forget_old(&mut self, now: Instant) {
        while self.oldest + 1 < self.next && (self.bytes > MOST_BYTES || self.front_is_old(now)) {
            self.forget_oldest();
        }
    }

    /// Whether the first packet is old. A hole at the front says nothing, so the packet after it decides.
    fn front_is_old(&self, now: Instant) -> bool {
        let first = (self.oldest..self.next).take(HOLE_LOOK_AHEAD).find_map(|sequence| self.at(sequence));
        first.is_none_or(|cached| now.saturating_duration_since(cached.at) > MOST_AGE)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.oldest;
        if let Some(gone) = self.slot(oldest).and_then(|slot| slot.take_if(|c| c.sequence == oldest)) {
            self.bytes -= gone.packet.payload.len();
        }
        if self.keyframe.is_some_and(|(start, _)| start == oldest) {
            self.keyframe = None;
        }
        self.oldest += 1;
    }

    fn slot(&mut self, sequence: u64) -> Option<&mut Option<Cached>> {
        let place = self.place(sequence);
        self.slots.get_mut(place)
    }

    fn place(&self, sequence: u64) -> usize {
        usize::try_from(sequence).unwrap_or_default() & (self.slots.len() - 1)
    }
}

/// How long packets are kept for retransmission. Browsers stop asking after about a second.
const MOST_AGE: Duration = Duration::from_secs(2);

/// Bytes of one layer that are kept: 2 s at 4 Mbit/s.
const MOST_BYTES: usize = 1 << 20;

/// How old a keyframe may be that a joiner is served from.
const MOST_REPLAY_AGE: Duration = Duration::from_secs(2);

/// How much may have followed it: beyond, a new keyframe is cheaper than catching up.
const MOST_REPLAY_BYTES: usize = 300_000;

/// How many numbers before the first packet are still accepted.
const FIRST_REORDERED: u64 = 32;

/// How far a hole is looked across, so that a burst of losses cannot cost a walk per packet.
const HOLE_LOOK_AHEAD: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use bytes::Bytes;

    use super::*;
    use crate::packet::Extensions;

    fn cached(sequence: u64, len: usize, is_keyframe: bool, at: Instant) -> Cached {
        let payload = Bytes::from(vec![0; len]);
        let packet =
            Packet { ssrc: 1, sequence: 0, timestamp: 0, marker: false, payload, extensions: Extensions::default() };
        Cached { sequence, packet, description: Description { is_keyframe, ..Description::default() }, at }
    }

    #[test]
    fn reordered_packets_are_new_and_repeated_ones_are_not() {
        let (now, mut cache) = (Instant::now(), Cache::new(64));
        assert_eq!(cache.insert(cached(100, 10, false, now)), Stored::New);
        assert_eq!(cache.insert(cached(99, 10, false, now)), Stored::New);
        assert_eq!(cache.insert(cached(99, 10, false, now)), Stored::Duplicate);
        assert_eq!(cache.insert(cached(102, 10, false, now)), Stored::New);
        assert_eq!(cache.insert(cached(101, 10, false, now)), Stored::New);
        assert_eq!(cache.insert(cached(60, 10, false, now)), Stored::TooOld);
    }

    #[test]
    fn what_is_late_after_everything_was_dropped_is_too_old() {
        let (now, mut cache) = (Instant::now(), Cache::new(64));
        cache.insert(cached(100, 10, false, now));
        cache.clear(101);
        assert_eq!(cache.insert(cached(99, 10, true, now)), Stored::TooOld);
        assert_eq!(cache.insert(cached(102, 10, false, now)), Stored::New);
        assert_eq!(cache.insert(cached(101, 10, false, now)), Stored::New);
        assert_eq!((cache.begin(), cache.end()), (101, 103));
        cache.clear(0);
        assert_eq!(cache.insert(cached(99, 10, false, now)), Stored::New);
    }

    #[test]
    fn the_cache_forgets_by_count_by_age_and_by_bytes() {
        let (now, mut cache) = (Instant::now(), Cache::new(64));
        for sequence in 100..200 {
            cache.insert(cached(sequence, 10, false, now));
        }
        assert!(cache.at(135).is_none() && cache.at(136).is_some());
        cache.insert(cached(200, 10, false, now + MOST_AGE + Duration::from_millis(1)));
        assert!(cache.at(199).is_none() && cache.at(200).is_some());
        cache.insert(cached(201, MOST_BYTES, false, now + MOST_AGE));
        assert!(cache.at(200).is_none() && cache.at(201).is_some());
    }

    #[test]
    fn a_keyframe_serves_joiners_while_it_is_fresh_and_small() {
        let (now, mut cache) = (Instant::now(), Cache::new(512));
        cache.insert(cached(100, 10, false, now));
        assert_eq!(cache.start(usize::MAX, now), None);
        cache.insert(cached(102, 10, false, now));
        cache.insert(cached(101, 10, true, now));
        assert_eq!(cache.start(usize::MAX, now), Some(101));
        assert_eq!(cache.start(usize::MAX, now + MOST_REPLAY_AGE + Duration::from_millis(1)), None);
        cache.insert(cached(103, MOST_REPLAY_BYTES - 20, false, now));
        assert_eq!(cache.start(usize::MAX, now), Some(101));
        cache.insert(cached(104, 1, false, now));
        assert_eq!(cache.start(usize::MAX, now), None);
    }
}
