//! Updates of Yjs documents in the format V1, read without a document: what they hold, what they need, how they add up.
//!
//! A document is a set of **structs**, each a run of units of one author, numbered by a clock, and a set of **deletes**.
//! An update carries some of both. Nothing here decodes a value: structs are bytes that are checked once and copied after
//! that. What is accepted here is accepted by Yjs 13 and, unless [`Update::is_portable`] says otherwise, by yrs.
mod content;
mod deletes;
mod error;
mod index;
mod lib0;
mod merge;
mod ranges;
mod read;
mod split;
mod structs;
mod vector;
mod writer;

pub use deletes::DeleteSet;
pub use error::UpdateError;
pub use merge::merge;
pub use split::Split;
pub use structs::{Kind, Struct};
pub use vector::StateVector;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use index::Index;

/// Who wrote a struct: a number below 2^53, drawn anew by each copy of a document.
pub type ClientId = u64;

/// Counts the units that one author wrote.
pub type Clock = u64;

/// Clocks end here, although Yjs counts to 2^53: yrs computes with 32 bits and a sign.
pub const CLOCK_END: Clock = i32::MAX as Clock;

/// One unit of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its author.
    pub client: ClientId,
    /// Its number among the author's units.
    pub clock: Clock,
}

/// A checked update. Cloning copies the index, not the bytes.
#[derive(Clone)]
pub struct Update {
    bytes: Bytes,
    index: Index,
    deletes: DeleteSet,
    is_portable: bool,
}

impl Update {
    /// Checks an update and indexes it.
    ///
    /// Bytes that mean the same as an update of Yjs but that Yjs or yrs would misread (an author's structs in two
    /// places, structs without units, deletes out of order) are written anew; bytes after the update are cut off.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] if it is not an update, or one that Yjs or yrs would fail at.
    pub fn read(bytes: Bytes) -> Result<Self, UpdateError> {
        read::read(bytes)
    }

    /// The update as it travels.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The length of [`Self::bytes`].
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds neither a struct nor a delete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deletes.is_empty() && self.authors().next().is_none()
    }

    /// Whose units it holds: the largest author first, each one's clocks in order, broken where some are left out.
    pub fn authors(&self) -> impl Iterator<Item = (ClientId, Range<Clock>)> {
        self.index.runs(&self.bytes).map(|run| (run.client, run.start()..run.end()))
    }

    /// The deletes.
    #[must_use]
    pub const fn deletes(&self) -> &DeleteSet {
        &self.deletes
    }

    /// The structs, in the order of the bytes; [`Kind::Skip`] stands for what was left out.
    pub fn structs(&self) -> impl Iterator<Item = Struct<'_>> {
        self.index.structs(&self.bytes)
    }

    /// Divides it into what can be integrated where everything below `known` is there, and what must wait.
    #[must_use]
    pub fn split(&self, known: &StateVector) -> Split {
        split::split(self, known)
    }

    /// Whether every struct lies below `vector` and every delete in `deletes`: it brings nothing.
    #[must_use]
    pub fn is_known(&self, vector: &StateVector, deletes: &DeleteSet) -> bool {
        self.index.runs(&self.bytes).all(|run| run.end() <= vector.get(run.client))
            && deletes.contains_all(&self.deletes)
    }

    /// Whether yrs reads it as Yjs does, and writes it so again. Not so: JSON content (written by Yjs before version 13),
    /// XML hooks, bigints, the `meta` of subdocuments, and JSON with half a surrogate pair or a number that is too large.
    /// A document with such an update is merged, never given to yrs.
    #[must_use]
    pub const fn is_portable(&self) -> bool {
        self.is_portable
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.structs()).entry(&self.deletes).finish()
    }
}
