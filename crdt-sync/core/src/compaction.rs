use std::fmt;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};

use crate::update::{DeleteSet, Kind, StateVector, Update, UpdateError, merge};

/// A snapshot to be made: a worker applies the parts to a new document in an engine, or merges them, and proves the result.
#[derive(Debug, Clone)]
pub struct CompactJob {
    doc: DocName,
    epoch: Epoch,
    generation: u64,
    parts: Vec<Bytes>,
}

impl CompactJob {
    pub(crate) const fn new(doc: DocName, epoch: Epoch, generation: u64, parts: Vec<Bytes>) -> Self {
        Self { doc, epoch, generation, parts }
    }

    /// Of which document.
    #[must_use]
    pub const fn doc(&self) -> &DocName {
        &self.doc
    }

    /// In which of its lives.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Of the snapshot to be made.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The updates that go into it: the old snapshot first, none needs a later one.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All parts as one update. It grows with every character that was ever deleted, but needs no engine.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] if a part is damaged.
    pub fn merged(&self) -> Result<Bytes, UpdateError> {
        let parts = self.read_parts()?;
        let deletes = all_deletes(&parts);
        Ok(merge(&parts.iter().collect::<Vec<_>>(), &StateVector::new(), &deletes).into())
    }

    /// Proves that `body` holds everything that the parts hold: all their units and all their deletes, nothing of it emptied
    /// that was not deleted, and no gaps.
    ///
    /// # Errors
    ///
    /// [`Unproven`] if it does not.
    pub fn prove(&self, body: Bytes) -> Result<Compacted, Unproven> {
        let parts = self.read_parts().map_err(Unproven::Unreadable)?;
        let new = Update::read(body).map_err(Unproven::Unreadable)?;
        let mut vector = StateVector::new();
        for (client, clocks) in new.authors() {
            if clocks.start != vector.get(client) {
                return Err(Unproven::Gap);
            }
            vector.set_max(client, clocks.end);
        }
        if new.split(&StateVector::new()).rest.is_some() {
            return Err(Unproven::Gap);
        }
        let lost = parts.iter().flat_map(Update::authors).any(|(client, clocks)| vector.get(client) < clocks.end);
        if lost {
            return Err(Unproven::UnitsLost);
        }
        if !new.deletes().contains_all(&all_deletes(&parts)) {
            return Err(Unproven::DeletesLost);
        }
        let is_emptied = |kind| matches!(kind, Kind::Gc | Kind::Deleted);
        let mut emptied = new.structs().filter(|part| is_emptied(part.kind));
        if !emptied.all(|part| new.deletes().contains_range(part.client, part.clock..part.end())) {
            return Err(Unproven::ContentLost);
        }
        let (encoded_vector, encoded_deletes) = (vector.encode().into(), new.deletes().encode().into());
        let deletes = new.deletes().clone();
        Ok(Compacted { body: new.bytes().clone(), deletes, encoded_vector, encoded_deletes })
    }

    fn read_parts(&self) -> Result<Vec<Update>, UpdateError> {
        self.parts.iter().cloned().map(Update::read).collect()
    }
}

fn all_deletes(parts: &[Update]) -> DeleteSet {
    let mut deletes = DeleteSet::new();
    for part in parts {
        deletes.union(part.deletes());
    }
    deletes
}

/// A snapshot that was proven to hold what it replaces.
#[derive(Debug, Clone)]
pub struct Compacted {
    pub(crate) body: Bytes,
    pub(crate) deletes: DeleteSet,
    pub(crate) encoded_vector: Bytes,
    pub(crate) encoded_deletes: Bytes,
}

impl Compacted {
    /// The length of its body.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.body.len()
    }
}

/// Why a snapshot may not replace what it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// A part or the snapshot is not an update.
    Unreadable(UpdateError),
    /// Units are missing in the middle.
    Gap,
    /// Units are missing at the end.
    UnitsLost,
    /// Deletes are missing.
    DeletesLost,
    /// Units that nobody deleted have lost their content.
    ContentLost,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "an update cannot be read: {error}"),
            Self::Gap => f.write_str("the snapshot has gaps"),
            Self::UnitsLost => f.write_str("the snapshot lacks units of what it replaces"),
            Self::DeletesLost => f.write_str("the snapshot lacks deletes of what it replaces"),
            Self::ContentLost => f.write_str("the snapshot lacks content that nobody deleted"),
        }
    }
}

impl std::error::Error for Unproven {}

/// When a snapshot is worth its writing.
pub(crate) mod policy {
    use crate::limits::Limits;

    /// What came since a snapshot.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Size {
        pub(crate) snapshot_bytes: usize,
        pub(crate) updates: usize,
        pub(crate) bytes: usize,
    }

    /// Whether there is enough of it, whatever its age.
    pub(crate) const fn is_due(size: Size, limits: &Limits) -> bool {
        let is_much = size.updates >= limits.compact_updates || size.bytes >= limits.compact_bytes;
        is_much && is_worthwhile(size, limits)
    }

    /// Whether a new snapshot is in proportion to what it saves.
    pub(crate) const fn is_worthwhile(size: Size, limits: &Limits) -> bool {
        size.updates > 0
            && (size.snapshot_bytes <= SMALL
                || size.bytes.saturating_mul(limits.compact_share) >= size.snapshot_bytes
                || size.updates >= limits.compact_updates.saturating_mul(16)
                || size.bytes >= limits.compact_bytes.saturating_mul(16))
    }

    /// A snapshot of so many bytes is cheap to write.
    const SMALL: usize = 64 << 10;
}
