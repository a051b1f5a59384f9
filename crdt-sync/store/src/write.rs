use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};

/// What a log entry's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An update that the server can read.
    Plain,
    /// An update that only participants can read.
    Encrypted,
}

/// One change to what is kept. Every number is below 2^63.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Adds an update to a document's log; a document that is not known is created.
    Append {
        /// The document.
        doc: DocName,
        /// The document's epoch; another one than the stored one is refused.
        epoch: Epoch,
        /// Its place in the document's log: higher than every one before.
        seq: u64,
        /// What the bytes are.
        kind: Kind,
        /// The update.
        body: Bytes,
    },
    /// Puts a compacted state in the place of the present one and of the log up to `through`. What it replaces is kept until a
    /// [`Write::Prune`].
    Snapshot {
        /// The document.
        doc: DocName,
        /// The document's epoch.
        epoch: Epoch,
        /// Higher than [`Stored::generation`](crate::Stored::generation).
        generation: u64,
        /// The newest log entry that the state contains.
        through: u64,
        /// The state as one update.
        body: Bytes,
        /// Its state vector.
        vector: Bytes,
        /// Its delete set.
        deletes: Bytes,
    },
    /// Really erases a document: its log, snapshots of all generations, versions, and the chat of the room of that name. The
    /// name, the epoch and the authors' ids stay. The freed bytes are overwritten at the next quiet moment.
    Erase {
        /// The document.
        doc: DocName,
        /// The new epoch, higher than the present one.
        epoch: Epoch,
        /// Who wrote in the epoch that ends; they join those of earlier epochs.
        former_authors: Vec<u64>,
    },
    /// Keeps a version; one with the same id is replaced.
    PutVersion {
        /// The document.
        doc: DocName,
        /// The document's epoch: a version that was made before an erasure must not bring text back.
        epoch: Epoch,
        /// Chosen by the caller, rising, so that versions are listed newest first.
        id: u64,
        /// What a person called it.
        name: Option<String>,
        /// Milliseconds since 1970.
        created_ms: u64,
        /// Whether nobody asked for it.
        automatic: bool,
        /// Who asked for it.
        author: Option<String>,
        /// The state as one update.
        body: Bytes,
    },
    /// Forgets a version; nothing happens if there is none.
    DeleteVersion {
        /// The document.
        doc: DocName,
        /// Which version.
        id: u64,
    },
    /// Names a version, or takes its name away; nothing happens if there is none.
    RenameVersion {
        /// The document.
        doc: DocName,
        /// Which version.
        id: u64,
        /// The new name.
        name: Option<String>,
    },
    /// Adds a message to a room's chat.
    Chat {
        /// The room.
        room: DocName,
        /// Its place: higher than every one before in the room.
        seq: u64,
        /// Milliseconds since 1970.
        at_ms: u64,
        /// The id of who said it.
        author: String,
        /// The name of who said it.
        name: String,
        /// What was said.
        text: String,
    },
    /// Forgets generations that were replaced before a moment, but no more than a bounded transaction holds: the next one does
    /// the rest, so give one every minute.
    Prune {
        /// Milliseconds since 1970.
        before_ms: u64,
    },
}

/// How many generations one [`Write::Prune`] forgets at most.
pub(crate) const PRUNE_AT_ONCE: u32 = 1024;

/// Bytes after which a [`Write::Prune`] forgets no further generation.
pub(crate) const PRUNE_BYTES: u64 = 16 << 20;

impl Write {
    /// About how many bytes it brings to the disk; a queue counts them.
    #[must_use]
    pub fn cost(&self) -> usize {
        let bytes = match self {
            Self::Append { body, .. } => body.len(),
            Self::Snapshot { body, vector, deletes, .. } => body.len() + vector.len() + deletes.len(),
            Self::Erase { former_authors, .. } => size_of::<u64>() * former_authors.len(),
            Self::PutVersion { body, .. } => body.len(),
            Self::Chat { author, name, text, .. } => author.len() + name.len() + text.len(),
            Self::DeleteVersion { .. } | Self::RenameVersion { .. } | Self::Prune { .. } => 0,
        };
        bytes + size_of::<Self>()
    }
}
