use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stoa_base_types::{DocName, Epoch};

/// Where the log entries of documents lie: the log has no index of its own. Documents whose log was compacted are not in it,
/// so idle documents cost no memory.
///
/// The writer changes it after each commit, readers copy from it before they begin to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedTails(Arc<Mutex<Tails>>);

impl SharedTails {
    /// A panic while holding the lock cannot leave a document half changed: each change is one assignment or append.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tails(HashMap<DocName, Tail>);

/// The log entries of one document.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    /// The document's row in the catalogue.
    pub(crate) doc: i64,
    pub(crate) epoch: Epoch,
    /// In order of `seq`; never empty.
    pub(crate) rows: Vec<Row>,
    pub(crate) bytes: u64,
    /// When the newest was written.
    pub(crate) updated_ms: u64,
}

/// One log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) seq: u64,
    pub(crate) bytes: u64,
    /// Found by a [`scan`](crate::sqlite::SqliteStore) that compared checksums.
    pub(crate) is_damaged: bool,
}

/// What one transaction did to a document's log.
#[derive(Debug)]
pub(crate) struct TailChange {
    pub(crate) doc: i64,
    pub(crate) epoch: Epoch,
    /// How many of the oldest entries went.
    pub(crate) dropped: usize,
    pub(crate) added: Vec<Row>,
    pub(crate) updated_ms: u64,
}

impl Tails {
    pub(crate) fn of(&self, doc: &DocName) -> Option<&Tail> {
        self.0.get(doc)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn change(&mut self, name: &DocName, change: TailChange) {
        let TailChange { doc, epoch, dropped, mut added, updated_ms } = change;
        let Some(tail) = self.0.get_mut(name) else {
            if !added.is_empty() {
                let bytes = added.iter().map(|row| row.bytes).sum();
                self.0.insert(name.clone(), Tail { doc, epoch, rows: added, bytes, updated_ms });
            }
            return;
        };
        let gone: u64 = tail.rows.drain(..dropped.min(tail.rows.len())).map(|row| row.bytes).sum();
        tail.bytes = tail.bytes - gone + added.iter().map(|row| row.bytes).sum::<u64>();
        tail.epoch = epoch;
        if !added.is_empty() {
            tail.updated_ms = updated_ms;
            tail.rows.append(&mut added);
        }
        if tail.rows.is_empty() {
            self.0.remove(name);
        } else if tail.rows.capacity() > 4 * tail.rows.len() {
            tail.rows.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(dropped: usize, seqs: std::ops::Range<u64>) -> TailChange {
        let added = seqs.map(|seq| Row { id: seq.cast_signed(), seq, bytes: 10, is_damaged: false }).collect();
        TailChange { doc: 1, epoch: Epoch::FIRST, dropped, added, updated_ms: 5 }
    }

    #[test]
    fn a_compacted_document_is_forgotten() {
        let (mut tails, name) = (Tails::default(), DocName::new("plan").unwrap());
        tails.change(&name, change(0, 1..4));
        tails.change(&name, change(2, 4..6));
        let tail = tails.of(&name).unwrap();
        assert_eq!(tail.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(tail.bytes, 30);
        tails.change(&name, change(3, 0..0));
        assert!(tails.of(&name).is_none());
        tails.change(&name, change(0, 0..0));
        assert_eq!(tails.len(), 0);
    }
}
