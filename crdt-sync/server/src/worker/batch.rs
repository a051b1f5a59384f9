//! What the hub wants written, on its way to the store and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_core::Input;
use stoa_crdt_sync_store::{Haste, Kind, StoreError, Write};
use tracing::error;

use super::requests::Answer;
use super::{Notice, Worker};

/// Writes of one turn.
#[derive(Debug, Default)]
pub(super) struct Batch {
    writes: Vec<Write>,
    given: Given,
    /// Whether a follower will be told when this is on disk.
    is_awaited: bool,
    /// When the store had no room for what is here.
    refused_at: Option<Instant>,
}

/// What the writes are to the hub.
#[derive(Debug, Default)]
struct Given {
    appends: Vec<Appends>,
    snapshots: Vec<(DocName, Epoch, u64)>,
    erased: Vec<Erased>,
}

/// Updates of one document, without gaps.
#[derive(Debug)]
struct Appends {
    doc: DocName,
    epoch: Epoch,
    from: u64,
    through: u64,
}

#[derive(Debug)]
struct Erased {
    request: u64,
    doc: DocName,
    epoch: Epoch,
}

/// A batch that the store is done with.
#[derive(Debug)]
pub(crate) struct BatchDone {
    given: Given,
    since: Instant,
    result: Result<(), StoreError>,
}

#[cfg(test)]
impl BatchDone {
    /// Of a batch that no worker ever gave: counting it breaks the worker that is told.
    pub(crate) fn of_nobody(since: Instant) -> Self {
        Self { given: Given::default(), since, result: Ok(()) }
    }
}

impl Batch {
    pub(super) fn append(&mut self, doc: DocName, epoch: Epoch, seq: u64, body: Bytes, is_awaited: bool) {
        self.is_awaited |= is_awaited;
        match self.given.appends.last_mut() {
            Some(last) if last.doc == doc && last.epoch == epoch && last.through + 1 == seq => last.through = seq,
            _ => self.given.appends.push(Appends { doc: doc.clone(), epoch, from: seq, through: seq }),
        }
        self.writes.push(Write::Append { doc, epoch, seq, kind: Kind::Plain, body });
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of the write")]
    pub(super) fn snapshot(
        &mut self,
        doc: DocName,
        epoch: Epoch,
        generation: u64,
        through: u64,
        body: Bytes,
        vector: Bytes,
        deletes: Bytes,
    ) {
        self.given.snapshots.push((doc.clone(), epoch, generation));
        self.writes.push(Write::Snapshot { doc, epoch, generation, through, body, vector, deletes });
    }

    /// When what the store had no room for is offered again, if nothing else happens before.
    pub(super) fn next_due(&self, pause: Duration) -> Option<Instant> {
        self.refused_at.map(|at| at + pause)
    }

    pub(super) fn erase(&mut self, request: u64, doc: DocName, epoch: Epoch, former_authors: Vec<u64>) {
        self.given.erased.push(Erased { request, doc: doc.clone(), epoch });
        self.writes.push(Write::Erase { doc, epoch, former_authors });
    }
}

impl Worker {
    /// Hands the batch to the store. What it has no room for goes back to the hub, which offers it again.
    pub(super) fn submit(&mut self, now: Instant) {
        if self.batch.writes.is_empty() {
            return;
        }
        let Batch { writes, given, is_awaited, .. } = std::mem::take(&mut self.batch);
        let notices = self.around.notices.clone();
        let ticket = self.around.storage.ticket();
        let Some(ticket) = ticket else {
            return self.give_back(writes, given, now);
        };
        self.in_flight += 1;
        let haste = haste(self.is_draining || self.requests.has_clients(), is_awaited);
        ticket.submit(haste, writes, move |result| {
            let _ = notices.send(Notice::Committed(BatchDone { given, since: now, result }));
        });
    }

    fn give_back(&mut self, writes: Vec<Write>, given: Given, now: Instant) {
        let reason: Arc<str> = "the disk is too slow for what waits".into();
        // The hub went on with an empty document: this one must not get lost.
        self.batch.writes.extend(writes.into_iter().filter(|write| matches!(write, Write::Erase { .. })));
        self.batch.given.erased.extend(given.erased);
        self.batch.refused_at = (!self.batch.writes.is_empty()).then_some(now);
        self.fail(given.appends, given.snapshots, &reason, now);
    }

    fn fail(&mut self, appends: Vec<Appends>, snapshots: Vec<(DocName, Epoch, u64)>, reason: &Arc<str>, now: Instant) {
        for Appends { doc, epoch, from, .. } in appends {
            self.hub.handle_input(Input::CommitFailed { doc, epoch, from, reason: reason.clone() }, now);
        }
        for (doc, epoch, generation) in snapshots {
            self.hub.handle_input(Input::SnapshotWritten { doc, epoch, generation, is_committed: false }, now);
        }
    }

    /// The store is done with a batch.
    pub(super) fn committed(&mut self, done: BatchDone, now: Instant) {
        let BatchDone { given, since, result } = done;
        self.in_flight -= 1;
        metrics::histogram!("stoa_documents_commit_seconds").record(now.saturating_duration_since(since).as_secs_f64());
        metrics::counter!("stoa_documents_commits_total").increment(1);
        if let Err(error) = result {
            error!(%error, "the store refuses what it was given");
            for erased in given.erased {
                self.requests.fail(erased.request);
            }
            self.fail(given.appends, given.snapshots, &error.to_string().into(), now);
        } else {
            for Erased { request, doc, epoch } in given.erased {
                self.requests.answer(request, Ok(Answer::Erased));
                self.hub.handle_input(Input::Committed { doc, epoch, through: 0 }, now);
            }
            for Appends { doc, epoch, through, .. } in given.appends {
                self.hub.handle_input(Input::Committed { doc, epoch, through }, now);
            }
            for (doc, epoch, generation) in given.snapshots {
                self.hub.handle_input(Input::SnapshotWritten { doc, epoch, generation, is_committed: true }, now);
            }
        }
        if self.is_recovering && self.in_flight == 0 {
            self.is_recovering = false;
            for doc in std::mem::take(&mut self.waiting_loads) {
                self.load(doc);
            }
        }
    }
}

/// Who does nothing else until it is on disk is waited for least; where nobody will be told, most is gathered.
const fn haste(is_urgent: bool, is_awaited: bool) -> Haste {
    match (is_urgent, is_awaited) {
        (true, _) => Haste::AtOnce,
        (false, true) => Haste::Gather,
        (false, false) => Haste::Late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(is_awaited: &[bool]) -> Batch {
        let (mut batch, doc) = (Batch::default(), DocName::new("agora").unwrap());
        for (seq, is_awaited) in (1..).zip(is_awaited) {
            batch.append(doc.clone(), Epoch::FIRST, seq, Bytes::new(), *is_awaited);
        }
        batch
    }

    #[test]
    fn one_who_will_be_told_is_enough_to_gather_for_less_long() {
        let hastes =
            [&[false, false][..], &[true, false], &[false, true]].map(|told| haste(false, appended(told).is_awaited));
        assert_eq!(hastes, [Haste::Late, Haste::Gather, Haste::Gather]);
        assert_eq!([false, true].map(|is_awaited| haste(true, is_awaited)), [Haste::AtOnce; 2]);
    }

    #[test]
    fn updates_in_a_row_are_one_range_and_others_are_not() {
        let mut batch = appended(&[true; 3]);
        batch.append(DocName::new("agora").unwrap(), Epoch(2), 4, Bytes::new(), true);
        batch.append(DocName::new("agora").unwrap(), Epoch(2), 6, Bytes::new(), true);
        let ranges: Vec<_> =
            batch.given.appends.iter().map(|range| (range.epoch.0, range.from, range.through)).collect();
        assert_eq!(ranges, [(1, 1, 3), (2, 4, 4), (2, 6, 6)]);
    }
}
