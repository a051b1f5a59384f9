use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use crate::update::{ClientId, Clock, DeleteSet, StateVector, Update};

/// A document's updates on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The newest number.
    last: u64,
    /// The newest number under which something new came. Held updates are logged again, that brings nothing.
    last_update: u64,
    committed: u64,
    /// Not committed, in order.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// From this number on, nothing is in the store's hands.
    given_back: Option<u64>,
    /// Server edits that are answered when a number is committed.
    edits: Vec<(u64, Edit)>,
}

/// A server edit that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) request: u64,
    /// The document's newest number with it, and without what came later.
    pub(super) seq: u64,
}

#[derive(Debug)]
struct Pending {
    seq: u64,
    body: Bytes,
    delta: Delta,
}

/// What an update brought that was not known: units and deletes.
#[derive(Debug, Clone, Default)]
pub(super) struct Delta {
    /// Most updates have one author.
    first: Option<(ClientId, Range<Clock>)>,
    more: Vec<(ClientId, Range<Clock>)>,
    pub(super) deletes: DeleteSet,
}

impl Delta {
    /// What `update` brings to someone who knows `vector` and `deletes`.
    pub(super) fn new(update: &Update, vector: &StateVector, deletes: &DeleteSet) -> Self {
        let mut delta = Self::default();
        for (client, clocks) in update.authors() {
            let known = vector.get(client);
            if known < clocks.end {
                delta.push(client, known.max(clocks.start)..clocks.end);
            }
        }
        if !update.deletes().is_empty() {
            delta.deletes = update.deletes().difference(deletes);
        }
        delta
    }

    fn push(&mut self, client: ClientId, clocks: Range<Clock>) {
        if self.first.is_none() {
            self.first = Some((client, clocks));
        } else {
            self.more.push((client, clocks));
        }
    }

    pub(super) fn units(&self) -> impl Iterator<Item = (ClientId, Range<Clock>)> {
        self.first.iter().chain(&self.more).cloned()
    }

    fn join(&mut self, other: Self) {
        for (client, clocks) in other.units() {
            self.push(client, clocks);
        }
        if !other.deletes.is_empty() {
            self.deletes.union(&other.deletes);
        }
    }

    fn touches(&self, update: &Update) -> bool {
        let meets = |(client, clocks): (ClientId, Range<Clock>)| {
            self.units().any(|(own, other)| own == client && other.start < clocks.end && clocks.start < other.end)
        };
        update.authors().any(meets)
            || (!self.deletes.is_empty()
                && update.deletes().iter().any(|(client, range)| self.deletes.touches(client, range)))
    }
}

/// What a commit brought.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// The clocks that moved.
    pub(super) vector: StateVector,
    /// The deletes that came.
    pub(super) deletes: DeleteSet,
    pub(super) bytes: usize,
    /// Server edits that are answered now.
    pub(super) edits: Vec<Edit>,
}

impl Log {
    /// What is on disk ends at `last`.
    pub(super) fn loaded(last: u64) -> Self {
        Self { last, last_update: last, committed: last, ..Self::default() }
    }

    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) const fn last_update(&self) -> u64 {
        self.last_update
    }

    pub(super) const fn committed_through(&self) -> u64 {
        self.committed
    }

    pub(super) fn is_clean(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(super) const fn is_given_back(&self) -> bool {
        self.given_back.is_some()
    }

    /// Takes an update; it goes to the store unless the store gave back what is before it.
    pub(super) fn append(&mut self, body: Bytes, is_new: bool) -> u64 {
        self.last += 1;
        if is_new {
            self.last_update = self.last;
        }
        self.pending_bytes += body.len();
        self.pending.push_back(Pending { seq: self.last, body, delta: Delta::default() });
        self.last
    }

    /// What the newest update brought, now that it has it all.
    pub(super) fn note(&mut self, delta: Delta) {
        if let Some(newest) = self.pending.back_mut() {
            newest.delta.join(delta);
        }
    }

    /// A server edit is answered when `needs` is committed.
    pub(super) fn note_edit(&mut self, needs: u64, edit: Edit) {
        self.edits.push((needs, edit));
    }

    /// Everything up to `through` is on disk. What was never handed out is a mistake of the driver and changes nothing.
    pub(super) fn committed(&mut self, through: u64) -> Committed {
        let through = through.min(self.given_back.map_or(self.last, |from| from - 1));
        let mut news = Committed::default();
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.seq <= through) {
            for (client, clocks) in pending.delta.units() {
                news.vector.set_max(client, clocks.end);
            }
            if !pending.delta.deletes.is_empty() {
                news.deletes.union(&pending.delta.deletes);
            }
            news.bytes += pending.body.len();
        }
        self.pending_bytes -= news.bytes;
        self.committed = self.committed.max(through);
        if !self.edits.is_empty() {
            let committed = self.committed;
            news.edits = self.edits.extract_if(.., |(needs, _)| *needs <= committed).map(|(_, edit)| edit).collect();
        }
        if self.pending.is_empty() && self.pending.capacity() > IDLE_CAPACITY {
            self.pending = VecDeque::new();
        }
        news
    }

    /// The store has nothing from `from` on.
    pub(super) fn give_back(&mut self, from: u64) {
        let from = from.max(self.committed + 1);
        self.given_back = Some(self.given_back.map_or(from, |before| before.min(from)));
    }

    /// What is offered to the store again.
    pub(super) fn retry(&mut self) -> impl Iterator<Item = (u64, Bytes)> {
        let from = self.given_back.take().unwrap_or(u64::MAX);
        let again = self.pending.iter().filter(move |pending| pending.seq >= from);
        again.map(|pending| (pending.seq, pending.body.clone()))
    }

    /// The number whose commit makes a known update durable: 0 if it is that already.
    pub(super) fn needed_for(&self, update: &Update) -> u64 {
        let Some(newest) = self.pending.back() else { return 0 };
        // A long search is not worth its while: everything is certainly enough.
        if self.pending.len().saturating_mul(1 + update.deletes().len() + update.authors().count()) > LONG_SEARCH {
            return newest.seq;
        }
        let mut newest_first = self.pending.iter().rev();
        newest_first.find(|pending| pending.delta.touches(update)).map_or(0, |pending| pending.seq)
    }

    /// What is on disk, of a document that knows `vector` and `deletes`.
    pub(super) fn durable(&self, vector: &StateVector, deletes: &DeleteSet) -> (StateVector, DeleteSet) {
        let mut first_pending = BTreeMap::new();
        let mut pending_deletes = DeleteSet::new();
        for pending in &self.pending {
            for (client, clocks) in pending.delta.units() {
                let first = first_pending.entry(client).or_insert(clocks.start);
                *first = clocks.start.min(*first);
            }
            pending_deletes.union(&pending.delta.deletes);
        }
        let on_disk = |(client, clock)| (client, first_pending.get(&client).copied().unwrap_or(clock));
        (vector.iter().map(on_disk).collect(), deletes.difference(&pending_deletes))
    }

    /// Server edits that will never be committed.
    pub(super) fn take_edits(&mut self) -> impl Iterator<Item = u64> {
        self.edits.drain(..).map(|(_, edit)| edit.request)
    }
}

const LONG_SEARCH: usize = 20_000;

/// Places that an empty queue may keep.
const IDLE_CAPACITY: usize = 64;
