use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Who is due next: the one timer structure of all cores.
///
/// A key has at most one deadline; setting it again moves it.
#[derive(Debug, Clone)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Deadlines<K> {
    /// No deadlines.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(before) = self.by_key.insert(key, at) {
            self.by_time.remove(&(before, key));
        }
        self.by_time.insert((at, key));
    }

    /// Forgets the deadline of `key`.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// The deadline of `key`.
    #[must_use]
    pub fn at(&self, key: K) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// The next deadline; `None` means nothing is pending.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one key that is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }
}

impl<K: Ord + Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_keys_come_once_and_in_order(moves in prop::collection::vec((0u8..8, 0u64..100), 0..60), now in 0u64..120) {
            let start = Instant::now();
            let mut deadlines = Deadlines::new();
            let mut expected = BTreeMap::new();
            for (key, at) in moves {
                deadlines.set(key, start + Duration::from_millis(at));
                expected.insert(key, at);
            }
            let mut due: Vec<_> = expected.into_iter().filter(|(_, at)| *at <= now).map(|(key, at)| (at, key)).collect();
            due.sort_unstable();
            let now = start + Duration::from_millis(now);
            let taken: Vec<_> = std::iter::from_fn(|| deadlines.take_due(now)).collect();
            prop_assert_eq!(taken, due.into_iter().map(|(_, key)| key).collect::<Vec<_>>());
            prop_assert!(deadlines.next().is_none_or(|at| at > now));
        }
    }

    #[test]
    fn a_cleared_key_is_never_due() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new();
        deadlines.set('a', start);
        deadlines.clear('a');
        assert_eq!(deadlines.next(), None);
        assert_eq!(deadlines.take_due(start), None);
    }
}
