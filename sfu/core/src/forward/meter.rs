use std::time::{Duration, Instant};

use crate::allocate::TEMPORALS;

/// What a layer sends, by temporal layer, over the last second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    buckets: [[u64; TEMPORALS]; BUCKETS],
    place: usize,
    started: Option<Instant>,
    /// Buckets that have been filled, the current one not counted.
    filled: u32,
}

impl Meter {
    pub(super) fn add(&mut self, bytes: usize, temporal: u8, now: Instant) {
        self.advance(now);
        let temporal = usize::from(temporal).min(TEMPORALS - 1);
        if let Some(sum) = self.buckets.get_mut(self.place).and_then(|bucket| bucket.get_mut(temporal)) {
            *sum += u64::try_from(bytes).unwrap_or_default();
        }
    }

    /// Bit/s up to each temporal layer; 0 for those that nothing is sent of.
    pub(super) fn rates(&mut self, now: Instant) -> [u64; TEMPORALS] {
        self.advance(now);
        let mut sums = [0; TEMPORALS];
        for bucket in &self.buckets {
            for (sum, bytes) in sums.iter_mut().zip(bucket) {
                *sum += bytes;
            }
        }
        let time = BUCKET * (self.filled + 1);
        let per_second = |bytes: u64| bytes * 8_000 / u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut below = 0;
        sums.map(|sum| {
            below += sum;
            if sum == 0 { 0 } else { per_second(below) }
        })
    }

    fn advance(&mut self, now: Instant) {
        let started = *self.started.get_or_insert(now);
        let passed = now.saturating_duration_since(started).as_millis() / BUCKET.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if passed == 0 {
            return;
        }
        for _ in 0..passed.min(MOST_FILLED + 1) {
            self.place = (self.place + 1) % BUCKETS;
            if let Some(bucket) = self.buckets.get_mut(self.place) {
                *bucket = [0; TEMPORALS];
            }
        }
        self.filled = self.filled.saturating_add(passed).min(MOST_FILLED);
        self.started = started.checked_add(BUCKET.saturating_mul(passed));
    }
}

const BUCKETS: usize = 8;
const MOST_FILLED: u32 = 7;
const BUCKET: Duration = Duration::from_millis(125);

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn rates_add_up_over_temporal_layers_and_fade() {
        let (start, mut meter) = (Instant::now(), Meter::default());
        for ms in (0..2_000).step_by(25) {
            meter.add(1_000, u8::from(ms % 50 == 0), start + Duration::from_millis(ms));
        }
        let [base, upper, none, _] = meter.rates(start + Duration::from_millis(1_999));
        assert!((150_000..=170_000).contains(&base), "{base}");
        assert!((310_000..=330_000).contains(&upper), "{upper}");
        assert_eq!(none, 0);
        assert_eq!(meter.rates(start + Duration::from_secs(4)), [0; TEMPORALS]);
    }
}
