use std::time::Duration;

use crate::packet::low_u16;
use crate::payload::Numbers;

/// What was sent under the latest numbers: enough to send it again from the publisher's cache.
#[derive(Debug)]
pub(crate) struct SentLog {
    /// Empty until the first packet: many subscriptions never get one.
    entries: Box<[Entry]>,
    capacity: usize,
}

/// Where a packet came from and the numbers it got.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Low bits of the publisher's extended sequence number.
    pub(crate) source: u16,
    pub(crate) picture_id: u16,
    pub(crate) tl0: u8,
    pub(crate) segment: u8,
    pub(crate) is_filler: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Which turn of the ring the entry is of; 0 is none.
    turn: u16,
    /// When it was last sent again, in milliseconds, of which only the low bits are kept.
    resent: u16,
    resends: u8,
    sent: Sent,
}

/// A packet to be sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resend {
    pub(crate) sequence: u64,
    pub(crate) sent: Sent,
}

impl Sent {
    pub(super) const fn new(source: u16, segment: u8, numbers: Numbers) -> Self {
        Self { source, picture_id: numbers.picture_id, tl0: numbers.tl0, segment, is_filler: false }
    }

    pub(super) const fn filler(segment: u8) -> Self {
        Self { source: 0, picture_id: 0, tl0: 0, segment, is_filler: true }
    }
}

impl SentLog {
    /// Remembers the latest `capacity` numbers, which is made a power of two.
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: Box::default(), capacity: capacity.next_power_of_two() }
    }

    pub(super) fn push(&mut self, sequence: u64, sent: Sent) {
        if self.entries.is_empty() {
            self.entries = std::iter::repeat_n(Entry::default(), self.capacity).collect();
        }
        let (turn, place) = self.place(sequence);
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = Entry { turn, resent: 0, resends: 0, sent };
        }
    }

    /// Takes one of the few times that a packet may be sent again, at most once per `rtt`.
    pub(super) fn resend(&mut self, sequence: u64, elapsed: Duration, rtt: Duration) -> Option<Resend> {
        let (turn, place) = self.place(sequence);
        let entry = self.entries.get_mut(place).filter(|entry| entry.turn == turn)?;
        let now = low_u16(u64::try_from(elapsed.as_millis()).unwrap_or_default());
        let since = Duration::from_millis(u64::from(now.wrapping_sub(entry.resent)));
        if entry.resends >= MOST_RESENDS || entry.resends > 0 && since < rtt.max(LEAST_RESEND) {
            return None;
        }
        entry.resends += 1;
        entry.resent = now;
        Some(Resend { sequence, sent: entry.sent })
    }

    fn place(&self, sequence: u64) -> (u16, usize) {
        let capacity = u64::try_from(self.capacity).unwrap_or(u64::MAX);
        // Turns are counted from 1.
        let turn = low_u16((sequence / capacity) % u64::from(u16::MAX)) + 1;
        (turn, usize::try_from(sequence % capacity).unwrap_or_default())
    }
}

/// How often one packet is sent again. Browsers ask ten times; what failed three times meets a path that is full.
const MOST_RESENDS: u8 = 3;

/// Requests of one packet that are closer than this are one request, whatever the round trip is said to be.
const LEAST_RESEND: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    #[test]
    fn a_packet_is_sent_again_once_per_round_trip_and_three_times_in_all() {
        let mut log = SentLog::new(8);
        log.push(70_000, Sent::filler(3));
        let at = |ms| Duration::from_millis(ms);
        assert!(log.resend(70_000, at(100), RTT).is_some());
        assert!(log.resend(70_000, at(149), RTT).is_none());
        assert!(log.resend(70_000, at(150), RTT).is_some());
        assert!(log.resend(70_000, at(65_600), RTT).is_some(), "after the wrap of the clock");
        assert!(log.resend(70_000, at(70_000), RTT).is_none());
        assert!(log.resend(69_992, at(100), RTT).is_none(), "another turn of the ring");
    }

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Entry>(), 14, "subscriptions are many");
    }
}
