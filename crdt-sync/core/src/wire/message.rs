use std::sync::Arc;

use bytes::Bytes;
use stoa_base_types::{Access, Epoch};

/// What a follower says about a document, in any dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// Follows the document. The driver attaches a follower for it; to the hub itself it is a mistake.
    Open {
        /// Of the copy that the client has; `None`: it has none.
        epoch: Option<Epoch>,
    },
    /// Asks for what the client lacks, and tells the state vector of what it has.
    Step1(Bytes),
    /// What the server lacks.
    Step2(Bytes),
    /// An update.
    Update(Bytes),
    /// An update or step 2 so large that its bytes were not kept.
    TooLarge,
    /// Cursors and names.
    Awareness(Bytes),
    /// Asks for the cursors and names of all.
    QueryAwareness,
    /// Stops following.
    Close,
}

/// What the server tells a follower about a document, in any dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// The state vector of what the server has; asks for what it lacks.
    Step1(Bytes),
    /// What the follower asked for, with the complete delete set.
    Step2(Bytes),
    /// An update.
    Update(Bytes),
    /// Cursors and names.
    Awareness(Bytes),
    /// Hocuspocus: asks whom the follower speaks for. Its provider raises the clock of a state that was removed while it was
    /// away, and keeps that to itself until it is asked.
    QueryAwareness,
    /// Native: answers `open`.
    Opened {
        /// The document's.
        epoch: Epoch,
        /// What the follower may do.
        access: Access,
        /// How the disk is.
        storage: Storage,
    },
    /// Native: so many of the follower's updates are settled.
    Ack {
        /// Since it was attached.
        count: u64,
    },
    /// Hocuspocus: one update is settled. Comes once for each.
    SyncStatus {
        /// False if it was refused.
        is_saved: bool,
    },
    /// Native: what was committed.
    Durable {
        /// A state vector: the entries that moved.
        vector: Bytes,
        /// The deletes that came.
        deletes: Bytes,
    },
    /// Native: the disk changed its mind.
    Storage {
        /// How it is now.
        storage: Storage,
        /// What it said.
        reason: Arc<str>,
    },
    /// An update was not taken.
    Refused {
        /// Counted as for [`Self::Ack`], from 1.
        number: u64,
        /// Why.
        code: RefuseCode,
    },
    /// The server stops serving the follower. Nothing follows, and the hub has forgotten it. In the y-websocket dialect
    /// the driver closes the socket.
    Closed {
        /// Why.
        code: CloseCode,
    },
    /// Rights changed.
    Access(Access),
}

impl ServerMessage {
    /// What it counts for in a follower's queue. The driver hands this number back when the message was written.
    #[must_use]
    pub fn cost(&self) -> usize {
        MESSAGE_COST
            + match self {
                Self::Step1(bytes) | Self::Step2(bytes) | Self::Update(bytes) | Self::Awareness(bytes) => bytes.len(),
                Self::Durable { vector, deletes } => vector.len() + deletes.len(),
                Self::Storage { reason, .. } => reason.len(),
                Self::QueryAwareness
                | Self::Opened { .. }
                | Self::Ack { .. }
                | Self::SyncStatus { .. }
                | Self::Refused { .. }
                | Self::Closed { .. }
                | Self::Access(_) => 0,
            }
    }

    /// Whether a queue that is too long may be relieved of it: its content is sent anew when the queue is empty.
    #[must_use]
    pub const fn is_droppable(&self) -> bool {
        match self {
            Self::Update(_) | Self::Awareness(_) | Self::Durable { .. } => true,
            Self::Step1(_)
            | Self::Step2(_)
            | Self::QueryAwareness
            | Self::Opened { .. }
            | Self::Ack { .. }
            | Self::SyncStatus { .. }
            | Self::Storage { .. }
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::Access(_) => false,
        }
    }
}

/// What a message costs beside its bytes: name, framing, a place in a queue.
const MESSAGE_COST: usize = 64;

/// How the disk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// It takes what it is given.
    #[default]
    Well,
    /// It refuses: documents are read-only, writing is retried.
    Failing,
}

impl Storage {
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Well => 0,
            Self::Failing => 1,
        }
    }
}

/// Why an update was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefuseCode {
    /// The follower may not write.
    ReadOnly,
    /// The update is too large, or the document would be.
    TooLarge,
    /// Not an update.
    Malformed,
    /// It depends on others that have not come, and too many such wait already.
    TooManyHeld,
    /// The disk quota of all documents is used up.
    Quota,
}

impl RefuseCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::ReadOnly => 1,
            Self::TooLarge => 2,
            Self::Malformed => 3,
            Self::TooManyHeld => 4,
            Self::Quota => 5,
        }
    }

    /// In words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::ReadOnly => "you may read this document, not change it",
            Self::TooLarge => "the change is too large, or the document would be",
            Self::Malformed => "that is not an update of a Yjs document",
            Self::TooManyHeld => "too many changes wait for others that have not come",
            Self::Quota => "the space for documents on this server is used up",
        }
    }
}

/// Why the server stops serving a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// The document was erased; open it again with an empty copy.
    Gone,
    /// The follower may not read it.
    Forbidden,
    /// Too many followers of the document, or documents of one connection.
    TooMany,
    /// The client broke the protocol.
    Malformed,
    /// The document cannot be served at the moment; the client comes again and sends what was not acknowledged.
    Unavailable,
    /// The server restarts.
    Restarting,
    /// The name is none.
    BadName,
}

impl CloseCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Gone => 1,
            Self::Forbidden => 2,
            Self::TooMany => 3,
            Self::Malformed => 4,
            Self::Unavailable => 5,
            Self::Restarting => 6,
            Self::BadName => 7,
        }
    }

    /// The close code of a WebSocket that carries this document alone. y-websocket takes 4400 to 4499 for permanent.
    #[must_use]
    pub const fn socket_code(self) -> u16 {
        match self {
            Self::Gone => 4410,
            Self::Forbidden => 4403,
            Self::TooMany => 1013,
            Self::Malformed => 4400,
            Self::Unavailable => 1011,
            Self::Restarting => 1012,
            Self::BadName => 4404,
        }
    }

    /// In words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Gone => "the document was erased",
            Self::Forbidden => "you may not read this document",
            Self::TooMany => "too many followers",
            Self::Malformed => "malformed message",
            Self::Unavailable => "the document is unavailable at the moment",
            Self::Restarting => "the server restarts",
            Self::BadName => "a document's name has 1 to 256 bytes and no control characters",
        }
    }
}

/// The number of rights on the wire.
pub(crate) const fn access_number(access: Access) -> u64 {
    match access {
        Access::Read => 1,
        Access::Write => 2,
    }
}
