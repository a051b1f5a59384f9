use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
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
}

fn duration_of(amount: u64, rate: u64) -> Duration {
    Duration::from_nanos(nanoseconds(amount, rate))
}

const fn nanoseconds(amount: u64, rate: u64) -> u64 {
    let rate = if rate == 0 { 1 } else { rate };
    amount.saturating_mul(NANOSECONDS) / rate
}

/// Nanoseconds since a moment that all who share buckets agree on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    start: Instant,
}

impl Ticks {
    pub(crate) const fn since(start: Instant) -> Self {
        Self { start }
    }

    pub(crate) fn at(self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A [`Bucket`] that several workers take from, without a lock. It begins full.
#[derive(Debug, Default)]
pub(crate) struct SharedBucket {
    full_at: AtomicU64,
}

impl SharedBucket {
    /// Takes `amount` if it is there; as [`Bucket::has`] and [`Bucket::take`].
    pub(crate) fn take(&self, amount: u64, rate: u64, ticks: u64) -> bool {
        let (cost, burst) = (nanoseconds(amount, rate), NANOSECONDS);
        let taken = |full_at: u64| {
            let filled_at = full_at.max(ticks).saturating_add(cost);
            (full_at <= ticks || filled_at <= ticks.saturating_add(burst)).then_some(filled_at)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Puts back what was taken.
    pub(crate) fn give_back(&self, amount: u64, rate: u64) {
        self.full_at.fetch_sub(nanoseconds(amount, rate), Ordering::Relaxed);
    }

    /// Whether nothing is missing.
    pub(crate) fn is_full(&self, ticks: u64) -> bool {
        self.full_at.load(Ordering::Relaxed) <= ticks
    }
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

/// In a second, which is what a [`SharedBucket`] holds: as [`BURST`].
const NANOSECONDS: u64 = 1_000_000_000;
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
        assert!(bucket.has(1000, 1000, start + Duration::from_millis(1500)));
    }
}
