//! A client's copy of a document, without an engine: the updates it has, and which of them fit together.
use bytes::Bytes;
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update, merge};

use crate::support::{typed, typed_after};

/// Numbers from a seed (splitmix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// A copy of a document.
#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) vector: StateVector,
    pub(crate) deletes: DeleteSet,
    /// What fits together, in order.
    pub(crate) parts: Vec<Update>,
    /// What came too early.
    pub(crate) pending: Vec<Update>,
}

impl Replica {
    pub(crate) fn apply(&mut self, bytes: &Bytes) {
        self.pending.push(Update::read(bytes.clone()).expect("the hub sends updates"));
        let mut is_moving = true;
        while std::mem::take(&mut is_moving) {
            for update in std::mem::take(&mut self.pending) {
                let split = update.split(&self.vector);
                if let Some(ready) = split.ready {
                    is_moving |= self.add(Update::read(ready).expect("a half is an update"));
                }
                self.pending.extend(split.rest.map(|rest| Update::read(rest).expect("a half is an update")));
            }
        }
    }

    fn add(&mut self, update: Update) -> bool {
        if update.is_known(&self.vector, &self.deletes) {
            return false;
        }
        update.authors().for_each(|(client, clocks)| self.vector.set_max(client, clocks.end));
        self.deletes.union(update.deletes());
        self.parts.push(update);
        true
    }

    /// A random edit by `author`, applied.
    pub(crate) fn edit(&mut self, author: u64, rng: &mut Rng) -> Bytes {
        let edit = if !self.vector.is_empty() && rng.one_in(4) { self.delete(rng) } else { self.insert(author, rng) };
        self.apply(&edit);
        edit
    }

    fn insert(&self, author: u64, rng: &mut Rng) -> Bytes {
        let clock = self.vector.get(author);
        let text = &"abcdef"[..1 + rng.below(5) as usize];
        match self.any_unit(rng) {
            Some(origin) if rng.one_in(2) => typed_after(author, clock, Some(origin), text),
            _ => typed(author, clock, text),
        }
    }

    fn delete(&self, rng: &mut Rng) -> Bytes {
        let mut deletes = DeleteSet::new();
        for _ in 0..1 + rng.below(3) {
            let (client, clock) = self.any_unit(rng).expect("there is a unit");
            let end = self.vector.get(client).min(clock + 1 + rng.below(3));
            deletes.insert(client, clock..end);
        }
        [&[0][..], &deletes.encode()].concat().into()
    }

    fn any_unit(&self, rng: &mut Rng) -> Option<(u64, u64)> {
        let (client, end) = self.vector.iter().nth(rng.below(self.vector.len() as u64) as usize)?;
        Some((client, rng.below(end)))
    }

    /// What someone lacks who has `vector`. As Yjs does, with what came too early.
    pub(crate) fn lacking(&self, vector: &StateVector) -> Bytes {
        let parts: Vec<_> = self.parts.iter().chain(&self.pending).collect();
        let mut deletes = DeleteSet::new();
        parts.iter().for_each(|part| deletes.union(part.deletes()));
        merge(&parts, vector, &deletes).into()
    }
}

/// Units and deletes, as two sets of ranges; gaps are allowed.
#[derive(Default, Clone)]
pub(crate) struct Amount {
    pub(crate) units: DeleteSet,
    pub(crate) deletes: DeleteSet,
}

impl Amount {
    pub(crate) fn add(&mut self, bytes: &Bytes) {
        let update = Update::read(bytes.clone()).expect("the hub stores updates");
        update.authors().for_each(|(client, clocks)| self.units.insert(client, clocks));
        self.deletes.union(update.deletes());
    }

    pub(crate) fn contains(&self, bytes: &Bytes) -> bool {
        let mut other = Self::default();
        other.add(bytes);
        self.units.contains_all(&other.units) && self.deletes.contains_all(&other.deletes)
    }

    pub(crate) fn contains_state(&self, vector: &StateVector, deletes: &DeleteSet) -> bool {
        vector.iter().all(|(client, end)| self.units.contains_range(client, 0..end))
            && self.deletes.contains_all(deletes)
    }
}
