use std::time::{Duration, Instant};

use super::frames::is_after;
use super::{Begin, Behind};

/// What a stream's sender reports say about its clock ([RFC 3550 § 6.4.1](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1)).
pub(crate) type Clock = Option<SenderReport>;

/// A moment on the publisher's wall clock and on a stream's RTP clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// NTP time: seconds in the upper, fractions in the lower half.
    pub ntp: u64,
    /// The RTP timestamp of that moment.
    pub rtp: u32,
}

/// Timestamps towards one sink.
#[derive(Debug)]
pub(super) struct Timeline {
    rate: u32,
    /// The newest timestamp that was sent, and when its packet came from the publisher.
    last: Option<(u32, Instant)>,
    /// The newest sender report that the sink was told. It outlives the layer it came from.
    reference: Clock,
}

impl Timeline {
    pub(super) const fn new(rate: u32) -> Self {
        Self { rate, last: None, reference: None }
    }

    /// Finds what is added to timestamps of a stream that begins with `timestamp`, which came at `at`. `kept` is the offset that
    /// the same stream had before.
    pub(super) fn begin(
        &self,
        timestamp: u32,
        at: Instant,
        clock: &Clock,
        kept: Option<u32>,
        begin: Begin,
    ) -> Result<u32, Behind> {
        let Some((last, last_at)) = self.last else { return Ok(0) };
        let mapped = if let Some(offset) = kept {
            timestamp.wrapping_add(offset)
        } else {
            let expected = last.wrapping_add(self.ticks(at.saturating_duration_since(last_at)));
            // Reports that contradict the arrival by so much are wrong, or of a clock that was set.
            let reported = self.map(timestamp, clock).filter(|mapped| self.distance(*mapped, expected) <= MOST_DRIFT);
            reported.unwrap_or(expected)
        };
        if is_after(mapped, last) {
            return Ok(mapped.wrapping_sub(timestamp));
        }
        let behind = self.distance(mapped, last);
        let is_allowed = match begin {
            Begin::Replayed => false,
            Begin::Live => behind <= MOST_BEHIND && kept.is_none(),
            Begin::Forced => true,
        };
        // Never backwards. Reports to the sink tell how far the stream was moved, so sound and picture stay together.
        if is_allowed { Ok(last.wrapping_add(1).wrapping_sub(timestamp)) } else { Err(Behind) }
    }

    pub(super) fn sent(&mut self, timestamp: u32, at: Instant) {
        if self.last.is_none_or(|(last, _)| is_after(timestamp, last)) {
            self.last = Some((timestamp, at));
        }
    }

    pub(super) const fn refer_to(&mut self, report: SenderReport) {
        self.reference = Some(report);
    }

    /// The timestamp on the sink's timeline by way of the wall clock.
    fn map(&self, timestamp: u32, clock: &Clock) -> Option<u32> {
        let (reference, clock) = (self.reference?, (*clock)?);
        let rate = i128::from(self.rate);
        // Both in fractions of 2^-32 seconds, from -2^31 to 2^31 ticks around the report.
        let ticks = i128::from(timestamp.wrapping_sub(clock.rtp).cast_signed());
        let between = i128::from(clock.ntp) - i128::from(reference.ntp);
        let ahead = ticks + ((between * rate) >> 32);
        let [a, b, c, d, ..] = ahead.to_le_bytes();
        Some(reference.rtp.wrapping_add(u32::from_le_bytes([a, b, c, d])))
    }

    fn ticks(&self, time: Duration) -> u32 {
        let ticks = time.as_micros() * u128::from(self.rate) / 1_000_000;
        let [a, b, c, d, ..] = ticks.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn distance(&self, a: u32, b: u32) -> Duration {
        let ticks = a.wrapping_sub(b).cast_signed().unsigned_abs();
        Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(self.rate))
    }
}

/// How far a layer's keyframe may lie behind what was sent. More would show as a jump; a later keyframe may do better.
const MOST_BEHIND: Duration = Duration::from_millis(75);

/// How far sender reports are believed against the time of arrival.
const MOST_DRIFT: Duration = Duration::from_secs(1);
