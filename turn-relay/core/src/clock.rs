use std::time::{Duration, Instant};

/// The time of day, for what is dated in nonces and credentials. Told by the driver; between two tellings it goes with the
/// monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    told_at: Instant,
    since_1970: Duration,
}

impl WallClock {
    /// It was `since_1970` (UTC, without leap seconds) at `now`.
    #[must_use]
    pub const fn new(now: Instant, since_1970: Duration) -> Self {
        Self { told_at: now, since_1970 }
    }

    /// Whole seconds since 1970 at `now`.
    pub(crate) fn seconds(&self, now: Instant) -> u64 {
        (self.since_1970 + now.saturating_duration_since(self.told_at)).as_secs()
    }
}
