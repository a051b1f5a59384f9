//! What a worker knows of documents beside the hub: who follows, and what was edited since the last automatic version.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use stoa_base_types::{DocName, FollowerId};
use stoa_crdt_sync_core::Stats;

/// The documents that are followed or were edited.
#[derive(Debug, Default)]
pub(super) struct Followed {
    docs: HashMap<DocName, Doc>,
    due: BTreeSet<(Instant, DocName)>,
}

#[derive(Debug, Default)]
struct Doc {
    followers: BTreeSet<FollowerId>,
    /// When a version is due for what was edited since the last one.
    version_due: Option<Instant>,
}

impl Followed {
    pub(super) fn attach(&mut self, doc: &DocName, follower: FollowerId) {
        self.docs.entry(doc.clone()).or_default().followers.insert(follower);
    }

    /// A follower is gone; tells whether a version is due because it was the last one.
    pub(super) fn depart(&mut self, doc: &DocName, follower: FollowerId) -> bool {
        let Some(state) = self.docs.get_mut(doc) else { return false };
        state.followers.remove(&follower);
        if !state.followers.is_empty() {
            return false;
        }
        match state.version_due.take() {
            Some(at) => self.due.remove(&(at, doc.clone())),
            None => {
                self.docs.remove(doc);
                false
            }
        }
    }

    pub(super) fn followers(&self, doc: &DocName) -> impl Iterator<Item = FollowerId> {
        self.docs.get(doc).into_iter().flat_map(|state| &state.followers).copied()
    }

    pub(super) fn edited(&mut self, doc: &DocName, now: Instant, interval: Duration) {
        if let Some(state) = self.docs.get(doc)
            && state.version_due.is_some()
        {
            return;
        }
        let at = now + interval;
        self.docs.entry(doc.clone()).or_default().version_due = Some(at);
        self.due.insert((at, doc.clone()));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A document of which a version is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<DocName> {
        if self.next_due()? > now {
            return None;
        }
        let (_, doc) = self.due.pop_first()?;
        if let Some(state) = self.docs.get_mut(&doc) {
            state.version_due = None;
        }
        Some(doc)
    }

    /// The hub has forgotten a document; tells whether a version is due of what was edited without followers.
    pub(super) fn forget(&mut self, doc: &DocName) -> bool {
        let due = self.docs.remove(doc).and_then(|state| state.version_due);
        due.is_some_and(|at| self.due.remove(&(at, doc.clone())))
    }
}

/// What a hub did, as metrics; all workers add to the same ones.
#[derive(Debug, Default)]
pub(super) struct Published {
    stats: Stats,
    at: Option<Instant>,
    is_stale: bool,
}

impl Published {
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.at.filter(|_| self.is_stale).map(|at| at + PUBLISH_EVERY)
    }

    pub(super) fn publish(&mut self, stats: Stats, now: Instant) {
        if stats == self.stats {
            self.is_stale = false;
            return;
        }
        if self.at.is_some_and(|at| now < at + PUBLISH_EVERY) {
            self.is_stale = true;
            return;
        }
        let before = std::mem::replace(&mut self.stats, stats);
        (self.at, self.is_stale) = (Some(now), false);
        for (name, now, before) in [
            ("stoa_documents_open", stats.documents, before.documents),
            ("stoa_documents_followers", stats.followers, before.followers),
            ("stoa_documents_uncommitted_bytes", stats.dirty_bytes, before.dirty_bytes),
            ("stoa_documents_held_updates", stats.held_updates, before.held_updates),
        ] {
            let gauge = metrics::gauge!(name);
            if now >= before {
                gauge.increment(as_float(now - before));
            } else {
                gauge.decrement(as_float(before - now));
            }
        }
        for (name, now, before) in [
            ("stoa_documents_updates_total", stats.updates, before.updates),
            ("stoa_documents_duplicates_total", stats.duplicates, before.duplicates),
            ("stoa_documents_refused_updates_total", stats.refused, before.refused),
            ("stoa_documents_delivered_total", stats.delivered, before.delivered),
            ("stoa_documents_slow_followers_total", stats.slow_followers, before.slow_followers),
            ("stoa_documents_awareness_ignored_total", stats.awareness_ignored, before.awareness_ignored),
            ("stoa_documents_snapshots_total", stats.compactions, before.compactions),
            ("stoa_documents_snapshots_failed_total", stats.compactions_failed, before.compactions_failed),
        ] {
            metrics::counter!(name).increment(now.saturating_sub(before));
        }
    }

    /// The hub begins anew; what it had is gone.
    pub(super) fn restart(&mut self, now: Instant) {
        self.at = None;
        let Stats { updates, duplicates, refused, delivered, slow_followers, .. } = self.stats;
        let Stats { awareness_ignored, compactions, compactions_failed, .. } = self.stats;
        let since_start = Stats {
            updates,
            duplicates,
            refused,
            delivered,
            slow_followers,
            awareness_ignored,
            compactions,
            compactions_failed,
            ..Stats::default()
        };
        self.publish(since_start, now);
        self.stats = Stats::default();
    }
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
const fn as_float(number: usize) -> f64 {
    number as f64
}

const PUBLISH_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

    use super::*;

    #[test]
    fn a_version_is_due_some_time_after_an_edit_or_when_the_last_follower_leaves() {
        let (mut followed, start) = (Followed::default(), Instant::now());
        let (a, b) = (DocName::new("a").unwrap(), DocName::new("b").unwrap());
        let minute = Duration::from_secs(60);
        followed.attach(&a, FollowerId(1));
        followed.attach(&a, FollowerId(2));
        followed.edited(&a, start, minute);
        followed.edited(&a, start + minute / 2, minute);
        assert_eq!(followed.next_due(), Some(start + minute));
        assert_eq!(followed.take_due(start + minute / 2), None);
        assert_eq!(followed.take_due(start + minute), Some(a.clone()));
        assert_eq!(followed.next_due(), None);
        followed.edited(&a, start, minute);
        assert!(!followed.depart(&a, FollowerId(1)), "another is there");
        assert!(followed.depart(&a, FollowerId(2)));
        assert_eq!(followed.next_due(), None);
        followed.attach(&b, FollowerId(3));
        assert!(!followed.depart(&b, FollowerId(3)), "nothing was edited");
        assert!(!followed.forget(&b));
        followed.edited(&b, start, minute);
        assert!(followed.forget(&b), "edited by the server, while nobody followed");
        assert!(followed.docs.len() <= 1 && followed.due.is_empty());
    }
}
