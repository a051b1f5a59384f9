use std::collections::VecDeque;

use bytes::Bytes;

use crate::update::{DeleteSet, StateVector, Update, merge};

/// What came since the snapshot, in the order in which it was handed out.
///
/// Runs of parts of one tier become one part of the next, so that there are never many. A **position** counts the updates that
/// a document was ever given while it was open.
#[derive(Debug, Default)]
pub(super) struct Tail {
    parts: VecDeque<Part>,
    /// Behind the newest part.
    position: u64,
    /// Behind what is being compacted: parts do not grow across it.
    barrier: u64,
    updates: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Part {
    /// Behind its newest update.
    end: u64,
    updates: usize,
    tier: u8,
    body: Bytes,
}

impl Tail {
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn updates(&self) -> usize {
        self.updates
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds an update that needs none that is not here.
    pub(super) fn push(&mut self, body: Bytes) {
        self.position += 1;
        self.updates += 1;
        self.bytes += body.len();
        self.parts.push_back(Part { end: self.position, updates: 1, tier: 0, body });
        while self.merge_newest().is_some() {}
    }

    /// Makes one part of the newest ones, if there are enough of a tier.
    fn merge_newest(&mut self) -> Option<()> {
        let tier = self.parts.back()?.tier;
        let first = self.parts.len().checked_sub(MERGED)?;
        let run = || self.parts.iter().skip(first);
        let before = first.checked_sub(1).and_then(|before| self.parts.get(before));
        let start = before.map_or(self.position - self.updates as u64, |part| part.end);
        if start < self.barrier || run().any(|part| part.tier != tier) {
            return None;
        }
        if run().map(|part| part.body.len()).sum::<usize>() > LARGE {
            return None;
        }
        let body = merged(run().map(|part| &part.body))?;
        let updates = run().map(|part| part.updates).sum();
        let end = self.position;
        self.parts.truncate(first);
        self.parts.push_back(Part { end, updates, tier: tier + 1, body });
        self.bytes = self.parts.iter().map(|part| part.body.len()).sum();
        Some(())
    }

    /// The parts, oldest first.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().map(|part| &part.body)
    }

    /// What came at `position` and after that, and perhaps more; `None` if the tail begins later.
    pub(super) fn since(&self, position: u64) -> Option<impl Iterator<Item = &Bytes>> {
        let missed = self.parts.iter().filter(move |part| part.end > position);
        (position + self.updates as u64 >= self.position).then(|| missed.map(|part| &part.body))
    }

    /// Everything that is here goes into a snapshot.
    pub(super) const fn begin_snapshot(&mut self) {
        self.barrier = self.position;
    }

    /// It does not, after all.
    pub(super) const fn end_snapshot(&mut self) {
        self.barrier = 0;
    }

    /// What went into the snapshot goes.
    pub(super) fn drop_snapshotted(&mut self) {
        while let Some(part) = self.parts.pop_front_if(|part| part.end <= self.barrier) {
            self.updates -= part.updates;
            self.bytes -= part.body.len();
        }
        self.barrier = 0;
        if self.parts.is_empty() {
            self.parts = VecDeque::new();
        }
    }
}

/// So many parts become one.
const MERGED: usize = 32;

/// Parts of so many bytes together are left alone: what they would save is not worth the copy.
const LARGE: usize = 1 << 20;

/// Updates as one, with the deletes of all; `None` if one is damaged.
pub(super) fn merged<'a>(bodies: impl Iterator<Item = &'a Bytes>) -> Option<Bytes> {
    let parts: Vec<Update> = bodies.map(|body| Update::read(body.clone()).ok()).collect::<Option<_>>()?;
    if let [only] = &*parts {
        return Some(only.bytes().clone());
    }
    let mut deletes = DeleteSet::new();
    for part in &parts {
        deletes.union(part.deletes());
    }
    Some(merge(&parts.iter().collect::<Vec<_>>(), &StateVector::new(), &deletes).into())
}
