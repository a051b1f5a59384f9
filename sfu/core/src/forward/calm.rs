use std::time::{Duration, Instant};

/// Whether a path shows that it is too narrow: packets are lost on it, or take long.
///
/// Estimates go by small delays, and a busy computer delays, too. A picture is therefore not taken away for an estimate alone while
/// nothing is lost, and one that was is tried again: it tells more about the path than padding does.
#[derive(Debug)]
pub(super) struct Calm {
    /// `None` while packets are lost, or nothing is known.
    since: Option<Instant>,
    tried_at: Option<Instant>,
    patience: Duration,
}

impl Default for Calm {
    fn default() -> Self {
        Self { since: None, tried_at: None, patience: LEAST_PATIENCE }
    }
}

impl Calm {
    /// What was seen of late.
    pub(super) fn note(&mut self, is_congested: bool, now: Instant) {
        if !is_congested {
            self.since.get_or_insert(now);
        } else if self.since.take().is_some() {
            let was_tried = self.tried_at.is_some_and(|at| now.saturating_duration_since(at) < BLAMED);
            self.patience = if was_tried { self.patience.saturating_mul(2).min(MOST_PATIENCE) } else { LEAST_PATIENCE };
        }
    }

    /// Whether nothing speaks against what is sent now.
    pub(super) const fn is_calm(&self) -> bool {
        self.since.is_some()
    }

    /// Whether one picture may be tried although the estimate has no room for it. Then the next one has to wait.
    pub(super) fn try_one(&mut self, now: Instant) -> bool {
        let Some(since) = self.since.max(self.tried_at) else { return false };
        let may_try = self.is_calm() && now.saturating_duration_since(since) >= self.patience;
        if may_try {
            self.tried_at = Some(now);
        }
        may_try
    }
}

/// How long a path is calm before a picture is tried; longer each time that it was too much.
const LEAST_PATIENCE: Duration = Duration::from_secs(3);
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// Losses so soon after a trial come from it.
const BLAMED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_trial_that_was_too_much_makes_the_next_one_wait_longer() {
        let (start, mut calm) = (Instant::now(), Calm::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!calm.try_one(at(100)), "nothing is known");
        calm.note(false, at(0));
        assert_eq!(
            [calm.try_one(at(2)), calm.try_one(at(3)), calm.try_one(at(5)), calm.try_one(at(6))],
            [false, true, false, true]
        );
        calm.note(true, at(8));
        assert!(!calm.is_calm() && !calm.try_one(at(20)));
        calm.note(false, at(20));
        assert_eq!([calm.try_one(at(25)), calm.try_one(at(26))], [false, true]);
        // Losses much later are no fault of the trial.
        calm.note(true, at(60));
        calm.note(false, at(61));
        assert!(calm.try_one(at(64)));
    }
}
