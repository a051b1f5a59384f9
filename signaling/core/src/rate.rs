use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A token bucket: a burst at once, then a steady rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// When the bucket would be full again; the further in the future, the emptier it is.
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one token, or tells how long to wait for it. `rate` is tokens per second.
    pub(crate) fn take(&mut self, rate: u32, burst: u32, now: Instant) -> Result<(), Duration> {
        let token = Duration::from_secs(1) / rate.max(1);
        let full_at = self.full_at.max(now) + token;
        let latest = now + token * burst.max(1);
        if full_at > latest {
            return Err(full_at - latest);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// A bucket per key. Full buckets are the same as none, so they are forgotten.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    by_key: BTreeMap<K, Bucket>,
}

impl<K: Ord> Buckets<K> {
    /// Takes one token of `key`, or tells how long to wait for it.
    pub(crate) fn take(&mut self, key: K, rate: u32, burst: u32, now: Instant) -> Result<(), Duration> {
        if self.by_key.len() >= MAX_BUCKETS {
            self.by_key.retain(|_, bucket| bucket.full_at > now);
        }
        if self.by_key.len() >= MAX_BUCKETS && !self.by_key.contains_key(&key) {
            // As many keys as this within a burst's time are no people; newcomers wait.
            return Err(Duration::from_secs(1));
        }
        self.by_key.entry(key).or_insert_with(|| Bucket::new(now)).take(rate, burst, now)
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new() }
    }
}

const MAX_BUCKETS: usize = 100_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert!((0..5).all(|_| bucket.take(10, 5, start).is_ok()));
        assert_eq!(bucket.take(10, 5, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(200);
        assert!((0..2).all(|_| bucket.take(10, 5, later).is_ok()));
        assert!(bucket.take(10, 5, later).is_err());
    }
}
