use bytes::Bytes;
use stoa_base_types::FollowerId;

use crate::update::{ClientId, DeleteSet, StateVector, Update};

/// Updates that were taken and wait for others.
#[derive(Debug, Default)]
pub(super) struct Held {
    updates: Vec<HeldUpdate>,
    bytes: usize,
    /// The units of all of them.
    units: DeleteSet,
    /// The deletes of all of them.
    deletes: DeleteSet,
}

/// What waits of an update.
#[derive(Debug)]
pub(super) struct HeldUpdate {
    /// The number under which the log has it.
    pub(super) seq: u64,
    /// Who sent it, and so has it.
    pub(super) senders: Vec<FollowerId>,
    pub(super) update: Update,
    /// It is worth a look when one of these clocks is reached.
    pub(super) missing: StateVector,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, held: HeldUpdate) {
        self.bytes += held.update.byte_len();
        self.note(&held.update);
        self.updates.push(held);
    }

    fn note(&mut self, update: &Update) {
        for (client, clocks) in update.authors() {
            self.units.insert(client, clocks);
        }
        self.deletes.union(update.deletes());
    }

    /// If everything in `update` waits here already: the number of the log behind all that is here. Its sender is noted.
    pub(super) fn find(&mut self, update: &Update, sender: Option<FollowerId>) -> Option<u64> {
        let has_units = |(client, clocks)| self.units.contains_range(client, clocks);
        if self.updates.is_empty() || !update.authors().all(has_units) || !self.deletes.contains_all(update.deletes()) {
            return None;
        }
        let same = self.updates.iter_mut().find(|held| held.update.bytes() == update.bytes());
        if let (Some(held), Some(sender)) = (same, sender)
            && !held.senders.contains(&sender)
        {
            held.senders.push(sender);
        }
        self.updates.iter().map(|held| held.seq).max()
    }

    /// Takes one out that is worth a look now.
    pub(super) fn take_promising(&mut self, known: &StateVector) -> Option<HeldUpdate> {
        let is_promising = |held: &HeldUpdate| held.missing.iter().any(|(client, clock)| known.get(client) >= clock);
        let at = self.updates.iter().position(is_promising)?;
        Some(self.updates.remove(at))
    }

    /// Counts again, after some were taken out.
    pub(super) fn recount(&mut self) {
        self.bytes = self.updates.iter().map(|held| held.update.byte_len()).sum();
        (self.units, self.deletes) = (DeleteSet::new(), DeleteSet::new());
        for held in std::mem::take(&mut self.updates) {
            self.note(&held.update);
            self.updates.push(held);
        }
    }

    /// Gives each a new number in the log.
    pub(super) fn renumber(&mut self, mut number: impl FnMut(&Bytes) -> u64) {
        for held in &mut self.updates {
            held.seq = number(held.update.bytes());
        }
    }

    /// Whose units are here, some more than once.
    pub(super) fn authors(&self) -> impl Iterator<Item = ClientId> {
        self.updates.iter().flat_map(|held| held.update.authors()).map(|(client, _)| client)
    }
}
