//! What a path is probed for, and that it is left alone when there is nothing to send.
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::{PacerReason, Reason};

use crate::session::Session;

impl Session {
    /// What is worth probing for, in bit/s. `is_starved`: so little fits that something gets nothing at all. Then padding takes its place, for
    /// an estimate does not grow beyond what is sent.
    pub(crate) fn set_wanted(&mut self, bitrate: u64, is_starved: bool) {
        self.is_starved = is_starved;
        let wanted = Bitrate::bps(bitrate.min(MOST_WANTED));
        self.rtc.bwe().set_bitrate(if is_starved { wanted } else { Bitrate::ZERO }, wanted);
    }

    /// Whether the engine has nothing to do but to pad. It pads every path on which video was ever sent to 50 kbit/s, by a few bytes in each of
    /// 200 packets a second and for ever, which is dear on a phone, and cannot be told not to; but it pads only when it is looked after.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_quiet = self.written_at.is_none_or(|at| now.saturating_duration_since(at) >= QUIET);
        let is_padding = matches!(
            self.rtc.last_timeout_reason(),
            Reason::Pacer(PacerReason::Padding | PacerReason::Handle | PacerReason::Immediate)
        );
        self.is_connected && !self.is_starved && is_quiet && is_padding
    }

    /// Until when an idle engine is left alone. Its other timers wait with it: those of a publisher's feedback matter more.
    pub(super) fn rest(&mut self, now: Instant) -> Instant {
        let rest = if self.streams.is_empty() { LONG_REST } else { SHORT_REST };
        *self.rests_until.get_or_insert(now + rest)
    }
}

/// After so long without a packet for the participant its engine is idle.
const QUIET: Duration = Duration::from_secs(2);

/// How long an idle engine is left alone: of somebody who only listens, and of a publisher.
const LONG_REST: Duration = Duration::from_millis(250);
const SHORT_REST: Duration = Duration::from_millis(100);

/// Nothing is probed for beyond this, in bit/s.
const MOST_WANTED: u64 = 50_000_000;
