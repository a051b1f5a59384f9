use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::quality::FixedState;
use std::hash::BuildHasher as _;

/// A token bucket: a burst at once, then a steady rate (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// When the bucket would be full again; the further in the future, the emptier it is.
    full_at: Instant,
}

impl Bucket {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whether `amount` may be taken. `rate` is per second, and the bucket holds as much as flows in within [`BURST`].
    pub(crate) fn has(&self, amount: u64, rate: u64, now: Instant) -> bool {
        let filled_at = self.full_at.max(now) + duration_of(amount, rate);
        // A single packet larger than the bucket passes when the bucket is full.
        self.full_at <= now || filled_at <= now + BURST
    }

    pub(crate) fn take(&mut self, amount: u64, rate: u64, now: Instant) {
        self.full_at = self.full_at.max(now) + duration_of(amount, rate);
    }

    /// Whether nothing is missing: such a bucket need not be remembered.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

fn duration_of(amount: u64, rate: u64) -> Duration {
    Duration::from_nanos(amount.saturating_mul(1_000_000_000) / rate.max(1))
}

/// A bucket per source of unauthenticated requests, in a table that never grows.
///
/// Sources that meet in a slot replace each other: a flood of forged sources costs no memory and locks nobody out.
#[derive(Debug)]
pub(crate) struct SourceBuckets {
    slots: Box<[Option<(u32, Bucket)>]>,
    hasher: FixedState,
}

impl SourceBuckets {
    pub(crate) fn new(seed: u64) -> Self {
        Self { slots: vec![None; SOURCE_SLOTS].into(), hasher: FixedState::with_seed(seed) }
    }

    /// Takes one token of `source`; `rate` is per second.
    pub(crate) fn take(&mut self, source: IpAddr, rate: u64, now: Instant) -> bool {
        let [a, b, c, d, tag @ ..] = self.hasher.hash_one(source).to_be_bytes();
        let (place, tag) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(tag));
        let Some(slot) = self.slots.get_mut(place as usize % SOURCE_SLOTS) else { return false };
        let mut bucket = match slot {
            Some((known, bucket)) if *known == tag => *bucket,
            Some(_) | None => Bucket::new(now),
        };
        let is_good = bucket.has(1, rate, now);
        if is_good {
            bucket.take(1, rate, now);
        }
        *slot = Some((tag, bucket));
        is_good
    }
}

/// How much may come at once, in time that it would take at the steady rate.
const BURST: Duration = Duration::from_secs(1);
/// 24 bytes each.
const SOURCE_SLOTS: usize = 16_384;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let start = Instant::now();
        let mut buckets = SourceBuckets::new(7);
        let source = IpAddr::from([192, 0, 2, 1]);
        assert!((0..10).all(|_| buckets.take(source, 10, start)));
        assert!(!buckets.take(source, 10, start));
        assert!(buckets.take(IpAddr::from([192, 0, 2, 2]), 10, start));
        let later = start + Duration::from_millis(200);
        assert!((0..2).all(|_| buckets.take(source, 10, later)));
        assert!(!buckets.take(source, 10, later));
    }

    #[test]
    fn a_flood_of_forged_sources_locks_nobody_out() {
        let start = Instant::now();
        let mut buckets = SourceBuckets::new(7);
        for forged in 0..200_000u32 {
            buckets.take(IpAddr::from(forged.to_be_bytes()), 10, start);
        }
        assert!(buckets.take(IpAddr::from([192, 0, 2, 1]), 10, start));
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_when_it_is_full() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert!(bucket.has(1500, 1000, start));
        bucket.take(1500, 1000, start);
        assert!(!bucket.has(1, 1000, start + Duration::from_millis(499)));
        assert!(bucket.is_full(start + Duration::from_millis(1500)));
    }
}
