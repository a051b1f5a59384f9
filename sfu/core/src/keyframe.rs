//! When a publisher is asked for a keyframe. Whoever needs one says so; this alone decides when it is asked for.
use std::time::{Duration, Instant};

/// Requests for keyframes of one layer, from however many sinks.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    is_wanted: bool,
    asked_at: Option<Instant>,
    /// Requests since the last keyframe.
    tries: u32,
    /// Until when nothing is asked for, so that keyframes stay a small share of what the layer sends.
    quiet_until: Option<Instant>,
}

impl Requests {
    /// Somebody needs a keyframe.
    pub(crate) const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// A keyframe has begun: everybody who waited has it. `bits` of it are expected, of a layer with `bitrate` in bit/s.
    pub(crate) fn satisfied(&mut self, bits: u64, bitrate: u64, now: Instant) {
        let share =
            Duration::from_millis(bits.saturating_mul(1_000 * KEYFRAME_SHARE).checked_div(bitrate).unwrap_or_default());
        *self = Self { quiet_until: Some(now + share.clamp(LEAST_INTERVAL, MOST_INTERVAL)), ..Self::default() };
    }

    /// When the publisher is to be asked; `None` while nobody needs anything.
    pub(crate) fn due(&self) -> Option<Instant> {
        if !self.is_wanted {
            return None;
        }
        let retry = self
            .asked_at
            .map(|asked| asked + FIRST_RETRY * 2_u32.pow(self.tries.min(MOST_DOUBLINGS + 1).saturating_sub(1)));
        retry.max(self.quiet_until)
    }

    /// Whether to ask now. Asking is repeated, ever more slowly, until a keyframe comes: a lost request must not freeze a screen.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.is_wanted && self.due().is_none_or(|due| due <= now);
        if is_due {
            self.asked_at = Some(now);
            self.tries += 1;
        }
        is_due
    }

    /// Nobody needs a keyframe any more.
    pub(crate) const fn cancel(&mut self) {
        self.is_wanted = false;
    }
}

/// Keyframes that were asked for cost at most one part in so many of a layer's bits.
const KEYFRAME_SHARE: u64 = 10;

/// Least and most time from a keyframe to the next that is asked for.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const MOST_INTERVAL: Duration = Duration::from_secs(2);

/// Time until a request is repeated: a round trip and an encoder's thought.
const FIRST_RETRY: Duration = Duration::from_millis(300);

/// The time doubles so often.
const MOST_DOUBLINGS: u32 = 3;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn many_requests_are_one_and_it_is_repeated_until_a_keyframe_comes() {
        let (start, mut requests) = (Instant::now(), Requests::default());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!requests.take_due(start));
        requests.want();
        assert!(requests.take_due(start));
        requests.want();
        assert!(!requests.take_due(at(299)));
        assert!(requests.take_due(at(300)));
        assert!(!requests.take_due(at(899)));
        assert!(requests.take_due(at(900)));
        requests.satisfied(1_000, 1_000_000, at(1_000));
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn keyframes_stay_a_small_share_of_the_bitrate() {
        let (start, mut requests) = (Instant::now(), Requests::default());
        requests.satisfied(100_000, 1_000_000, start);
        requests.want();
        assert_eq!(requests.due(), Some(start + Duration::from_secs(1)));
        requests.satisfied(1_000_000, 1_000_000, start);
        requests.want();
        assert_eq!(requests.due(), Some(start + MOST_INTERVAL));
    }
}
