use bytes::Bytes;
use stoa_base_types::FollowerId;

use super::held::{Held, HeldUpdate};
use super::log::Delta;
use super::tail::Tail;
use crate::compaction::Compacted;
use crate::hub::StoredSnapshot;
use crate::update::{ClientId, DeleteSet, StateVector, Update, UpdateError, merge};

/// What a document is, as bytes: a snapshot, what came since, and what waits for others.
#[derive(Debug, Default)]
pub(super) struct Content {
    snapshot: Option<Snapshot>,
    pub(super) tail: Tail,
    pub(super) held: Held,
    /// Everything in snapshot and tail.
    vector: StateVector,
    deletes: DeleteSet,
    /// The whole of it as one update, until something changes.
    whole: Option<Bytes>,
}

#[derive(Debug)]
struct Snapshot {
    generation: u64,
    /// `None` while nobody needs it: the disk has it.
    body: Option<Bytes>,
    byte_len: usize,
    /// Encoded.
    vector: Bytes,
    is_on_disk: bool,
}

/// The snapshot's body must be read from disk first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotAway {
    pub(super) generation: u64,
}

impl Content {
    pub(super) fn with_snapshot(stored: StoredSnapshot) -> Result<Self, UpdateError> {
        let snapshot = Snapshot {
            generation: stored.generation,
            byte_len: stored.body.len(),
            body: Some(stored.body),
            vector: stored.vector,
            is_on_disk: true,
        };
        let vector = StateVector::decode(&snapshot.vector)?;
        let deletes = DeleteSet::decode(&stored.deletes)?;
        Ok(Self { snapshot: Some(snapshot), vector, deletes, ..Self::default() })
    }

    pub(super) const fn vector(&self) -> &StateVector {
        &self.vector
    }

    pub(super) const fn deletes(&self) -> &DeleteSet {
        &self.deletes
    }

    /// Whether an update brings nothing.
    pub(super) fn knows(&self, update: &Update) -> bool {
        update.is_known(&self.vector, &self.deletes)
    }

    /// Adds an update that needs none that is not here, and tells what it brought.
    pub(super) fn add(&mut self, update: &Update) -> Delta {
        let delta = Delta::new(update, &self.vector, &self.deletes);
        for (client, clocks) in delta.units() {
            self.vector.set_max(client, clocks.end);
        }
        if !delta.deletes.is_empty() {
            self.deletes.union(&delta.deletes);
        }
        self.tail.push(update.bytes().clone());
        self.whole = None;
        delta
    }

    /// Adds what can be added of the held updates, one after the other: what, what it brought, and who has it.
    pub(super) fn release_held(&mut self) -> Vec<(Update, Delta, Vec<FollowerId>)> {
        let mut released = Vec::new();
        loop {
            let (count, mut waiting) = (released.len(), Vec::new());
            while let Some(held) = self.held.take_promising(&self.vector) {
                let split = held.update.split(&self.vector);
                if let Some(Ok(ready)) = split.ready.map(Update::read) {
                    let delta = self.add(&ready);
                    released.push((ready, delta, held.senders.clone()));
                }
                if let Some(Ok(rest)) = split.rest.map(Update::read) {
                    waiting.push(HeldUpdate { update: rest, missing: split.missing, ..held });
                }
            }
            waiting.into_iter().for_each(|held| self.held.push(held));
            if released.len() == count {
                break;
            }
        }
        self.held.recount();
        released
    }

    /// Adds an update of the log.
    pub(super) fn restore(&mut self, seq: u64, update: &Update) -> Result<(), UpdateError> {
        if self.knows(update) {
            return Ok(());
        }
        let split = update.split(&self.vector);
        if let Some(ready) = split.ready {
            self.add(&Update::read(ready)?);
        }
        if let Some(rest) = split.rest.map(Update::read).transpose()?
            && self.held.find(&rest, None).is_none()
        {
            self.held.push(HeldUpdate { seq, senders: Vec::new(), update: rest, missing: split.missing });
        }
        self.release_held();
        Ok(())
    }

    /// What somebody lacks who has `known`, and all deletes.
    pub(super) fn lacking(&mut self, known: &StateVector) -> Result<Bytes, SnapshotAway> {
        if known.is_empty()
            && let Some(whole) = &self.whole
        {
            return Ok(whole.clone());
        }
        let mut parts = Vec::new();
        if let Some(snapshot) = &self.snapshot
            && !covers(known, &snapshot.vector)
        {
            parts.push(snapshot.body.clone().ok_or(SnapshotAway { generation: snapshot.generation })?);
        }
        parts.extend(self.tail.bodies().cloned());
        let lacking = match &*parts {
            [only] if known.is_empty() => only.clone(),
            _ => self.merge_above(&parts, known),
        };
        if known.is_empty() {
            self.whole = Some(lacking.clone());
        }
        Ok(lacking)
    }

    fn merge_above(&self, parts: &[Bytes], known: &StateVector) -> Bytes {
        // All of these were read before, when they came; damage would be ours.
        let parts: Vec<Update> = parts.iter().filter_map(|part| Update::read(part.clone()).ok()).collect();
        merge(&parts.iter().collect::<Vec<_>>(), known, &self.deletes).into()
    }

    /// What came at a position and later, as one update: `None` if nothing did.
    pub(super) fn since(&mut self, position: u64) -> Result<Option<Bytes>, SnapshotAway> {
        if position >= self.tail.position() {
            return Ok(None);
        }
        if let Some(missed) = self.tail.since(position).and_then(super::tail::merged) {
            return Ok(Some(missed));
        }
        self.lacking(&StateVector::new()).map(Some)
    }

    /// Snapshot and tail, in an order in which none needs a later one.
    pub(super) fn parts(&self) -> Result<Vec<Bytes>, SnapshotAway> {
        let mut parts = Vec::new();
        if let Some(snapshot) = &self.snapshot {
            parts.push(snapshot.body.clone().ok_or(SnapshotAway { generation: snapshot.generation })?);
        }
        parts.extend(self.tail.bodies().cloned());
        Ok(parts)
    }

    pub(super) fn snapshot_bytes(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.byte_len)
    }

    pub(super) fn byte_len(&self) -> usize {
        self.snapshot_bytes() + self.tail.bytes() + self.held.bytes()
    }

    /// Of the newest snapshot; 0 if there is none.
    pub(super) fn generation(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.generation)
    }

    /// A new snapshot takes the place of the old one and of the tail up to the barrier.
    pub(super) fn replace_snapshot(&mut self, generation: u64, compacted: &Compacted) {
        self.snapshot = Some(Snapshot {
            generation,
            body: Some(compacted.body.clone()),
            byte_len: compacted.body.len(),
            vector: compacted.encoded_vector.clone(),
            is_on_disk: false,
        });
        // An engine also deletes what stands in something deleted.
        self.deletes.union(&compacted.deletes);
        self.tail.drop_snapshotted();
        self.whole = None;
    }

    pub(super) fn snapshot_written(&mut self, generation: u64) {
        if let Some(snapshot) = &mut self.snapshot
            && snapshot.generation == generation
        {
            snapshot.is_on_disk = true;
        }
    }

    /// The snapshot's body was read again.
    pub(super) fn snapshot_read(&mut self, generation: u64, body: Bytes) {
        if let Some(snapshot) = &mut self.snapshot
            && snapshot.generation == generation
        {
            snapshot.body.get_or_insert(body);
        }
    }

    /// Lets go of what can be had again: the snapshot's body, if the disk has it, and the whole.
    pub(super) fn forget(&mut self) {
        self.whole = None;
        if let Some(snapshot) = &mut self.snapshot
            && snapshot.is_on_disk
        {
            snapshot.body = None;
        }
    }

    /// Whether [`Self::forget`] would let go of something.
    pub(super) fn has_forgettable(&self) -> bool {
        self.whole.is_some()
            || self.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_on_disk && snapshot.body.is_some())
    }

    /// All who wrote.
    pub(super) fn authors(&self) -> impl Iterator<Item = ClientId> {
        self.vector.iter().map(|(client, _)| client).chain(self.held.authors())
    }
}

/// Whether `known` has everything below an encoded vector. One that cannot be read counts as not covered.
fn covers(known: &StateVector, encoded: &[u8]) -> bool {
    StateVector::decode(encoded).is_ok_and(|vector| known.covers(&vector))
}
