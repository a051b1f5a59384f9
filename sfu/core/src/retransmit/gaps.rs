use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::packet::low_u16;

/// The packets of one stream that did not come, and when they are asked for ([RFC 4585 § 6.2.1](https://www.rfc-editor.org/rfc/rfc4585#section-6.2.1)).
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    next: Option<u64>,
    missing: VecDeque<Missing>,
}

#[derive(Debug)]
struct Missing {
    sequence: u64,
    due: Instant,
    tries: u8,
}

impl Gaps {
    /// A packet came, by its extended sequence number.
    pub(crate) fn handle_packet(&mut self, sequence: u64, now: Instant) {
        let next = self.next.unwrap_or(sequence);
        if sequence < next {
            self.missing.retain(|missing| missing.sequence != sequence);
            return;
        }
        if sequence - next > u64::try_from(MOST_MISSING).unwrap_or_default() {
            // So much cannot be repaired; a keyframe must.
            self.missing.clear();
        } else {
            for sequence in next..sequence {
                if self.missing.len() == MOST_MISSING {
                    self.missing.pop_front();
                }
                self.missing.push_back(Missing { sequence, due: now + REORDERING, tries: 0 });
            }
        }
        self.next = Some(sequence + 1);
    }

    /// Takes the numbers to ask for now, at most `out`'s spare room of a NACK. `rtt` is the time to the publisher and back.
    pub(crate) fn take_due(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u16>) {
        self.missing.retain_mut(|missing| {
            if missing.due > now || out.len() >= MOST_PER_NACK {
                return true;
            }
            if missing.tries == MOST_TRIES {
                return false;
            }
            out.push(low_u16(missing.sequence));
            missing.tries += 1;
            missing.due = now + rtt.clamp(LEAST_RETRY, MOST_RETRY);
            true
        });
    }

    /// When something is due next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.due).min()
    }

    /// The stream began anew.
    pub(crate) fn clear(&mut self) {
        self.next = None;
        self.missing.clear();
    }
}

/// Most packets that are asked for at a time.
const MOST_MISSING: usize = 128;

/// Most numbers of one NACK: they fit a datagram with room to spare.
const MOST_PER_NACK: usize = 64;

/// How long a packet may be overtaken before it counts as lost.
const REORDERING: Duration = Duration::from_millis(10);

/// Time between requests of one packet: a round trip, within reason.
const LEAST_RETRY: Duration = Duration::from_millis(20);
const MOST_RETRY: Duration = Duration::from_millis(500);

/// After so many requests a packet is given up.
const MOST_TRIES: u8 = 10;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    fn due(gaps: &mut Gaps, now: Instant) -> Vec<u16> {
        let mut out = Vec::new();
        gaps.take_due(now, RTT, &mut out);
        out
    }

    #[test]
    fn what_is_missing_is_asked_for_once_per_round_trip_until_it_comes() {
        let (start, mut gaps) = (Instant::now(), Gaps::default());
        gaps.handle_packet(65_535, start);
        gaps.handle_packet(65_538, start);
        assert_eq!(due(&mut gaps, start), [0; 0]);
        let asked = start + REORDERING;
        assert_eq!(gaps.poll_timeout(), Some(asked));
        assert_eq!(due(&mut gaps, asked), [0, 1]);
        assert_eq!(due(&mut gaps, asked + RTT / 2), [0; 0]);
        gaps.handle_packet(65_537, asked + RTT / 2);
        assert_eq!(due(&mut gaps, asked + RTT), [0]);
        for round in 2..10 {
            assert_eq!(due(&mut gaps, asked + RTT * round), [0]);
        }
        assert_eq!(due(&mut gaps, asked + RTT * 10), [0; 0]);
        assert_eq!(gaps.poll_timeout(), None);
    }

    #[test]
    fn a_large_hole_is_not_asked_for() {
        let (start, mut gaps) = (Instant::now(), Gaps::default());
        gaps.handle_packet(1, start);
        gaps.handle_packet(1_000, start);
        assert_eq!(gaps.poll_timeout(), None);
    }
}
