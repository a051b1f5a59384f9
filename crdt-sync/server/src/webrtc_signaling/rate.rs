//! How much a socket may say.

use std::time::{Duration, Instant};

/// A token bucket: a burst at once, then a steady rate. Nothing is refused; who says too much is read more slowly.
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

    /// Takes tokens; tells until when to wait before the next time, if the bucket is empty.
    pub(crate) fn take(&mut self, tokens: u32, rate: u32, burst: u32, now: Instant) -> Option<Instant> {
        let token = Duration::from_secs(1) / rate.max(1);
        self.full_at = self.full_at.max(now) + token * tokens;
        let overdrawn = self.full_at.saturating_duration_since(now).saturating_sub(token * burst);
        (!overdrawn.is_zero()).then(|| now + overdrawn)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert!((0..5).all(|_| bucket.take(1, 10, 5, start).is_none()));
        assert_eq!(bucket.take(1, 10, 5, start), Some(start + Duration::from_millis(100)));
        let later = start + Duration::from_millis(300);
        assert!((0..2).all(|_| bucket.take(1, 10, 5, later).is_none()));
        assert_eq!(bucket.take(3, 10, 5, later), Some(later + Duration::from_millis(300)));
    }
}
