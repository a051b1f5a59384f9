use std::sync::Arc;

use bytes::Bytes;
use stoa_base_types::{Access, ConnectionId, DocName, Epoch, FollowerId};

use crate::compaction::Compacted;
use crate::wire::{ClientMessage, CloseCode};

/// What the driver reports.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody follows a document.
    Attach(Attach),
    /// A follower said something.
    Message {
        /// Who.
        follower: FollowerId,
        /// What.
        message: ClientMessage,
    },
    /// A message for a follower reached the kernel, or was dropped.
    Written {
        /// For whom.
        follower: FollowerId,
        /// The message's [`cost`](crate::wire::ServerMessage::cost); of several messages the sum.
        cost: usize,
    },
    /// A follower's rights changed. Who may no longer read is closed with [`CloseCode::Forbidden`] instead.
    SetAccess {
        /// Whose.
        follower: FollowerId,
        /// What they may do now.
        access: Access,
    },
    /// The driver wants a follower closed; answered by [`ServerMessage::Closed`](crate::wire::ServerMessage::Closed).
    Close {
        /// Whom.
        follower: FollowerId,
        /// Why.
        code: CloseCode,
    },
    /// A follower is gone; nothing more is sent to it.
    Detach {
        /// Who.
        follower: FollowerId,
    },
    /// Answers [`Event::Load`](crate::Event::Load).
    Loaded {
        /// Which document.
        doc: DocName,
        /// What is on disk, `None` if nothing is; or why it cannot be read.
        result: Result<Option<Stored>, Arc<str>>,
    },
    /// Answers [`Event::ReadSnapshot`](crate::Event::ReadSnapshot).
    SnapshotRead {
        /// Of which document.
        doc: DocName,
        /// Which snapshot was asked for.
        generation: u64,
        /// Its body, or why it cannot be read.
        result: Result<Bytes, Arc<str>>,
    },
    /// The store committed everything of a document up to `through`.
    Committed {
        /// Which document.
        doc: DocName,
        /// In which life.
        epoch: Epoch,
        /// The last [`seq`](crate::Event::Append).
        through: u64,
    },
    /// The store did not take what begins at `from`, or gave it back: the hub appends it again. Reported before further
    /// events are polled, so that nothing overtakes what failed.
    CommitFailed {
        /// Which document.
        doc: DocName,
        /// In which life.
        epoch: Epoch,
        /// The first [`seq`](crate::Event::Append) that is not in the store's hands.
        from: u64,
        /// What the store said.
        reason: Arc<str>,
    },
    /// The store cannot commit. It keeps what it has, and tries again.
    StorageFailing {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The store commits again.
    StorageWell,
    /// The disk quota of all documents is used up, or no longer.
    Quota {
        /// Whether it is.
        is_full: bool,
    },
    /// A worker is done with [`Event::Compact`](crate::Event::Compact).
    Compacted {
        /// The job's document.
        doc: DocName,
        /// The job's.
        epoch: Epoch,
        /// The job's.
        generation: u64,
        /// The proven snapshot, or why there is none.
        result: Result<Compacted, Arc<str>>,
    },
    /// Answers [`Event::Snapshot`](crate::Event::Snapshot).
    SnapshotWritten {
        /// Of which document.
        doc: DocName,
        /// Its.
        epoch: Epoch,
        /// Its.
        generation: u64,
        /// Whether it is committed. If not, the old snapshot and the log are as they were.
        is_committed: bool,
    },
    /// The server changes a document; answered by [`Event::Edited`](crate::Event::Edited) when that is committed, or by
    /// [`Event::RequestFailed`](crate::Event::RequestFailed).
    Edit {
        /// For the answer.
        request: u64,
        /// Which.
        doc: DocName,
        /// The change.
        update: Bytes,
        /// The state that it was made for ([`Event::State`](crate::Event::State)); in any other it is refused. An epoch and
        /// 0: only if nothing was ever written. `None`: in any state.
        expected: Option<(Epoch, u64)>,
    },
    /// The server reads a document; answered by [`Event::State`](crate::Event::State) or
    /// [`Event::RequestFailed`](crate::Event::RequestFailed).
    Read {
        /// For the answer.
        request: u64,
        /// Which.
        doc: DocName,
    },
    /// A document is erased; answered by [`Event::Erased`](crate::Event::Erased) or
    /// [`Event::RequestFailed`](crate::Event::RequestFailed).
    Erase {
        /// For the answer.
        request: u64,
        /// Which.
        doc: DocName,
    },
    /// The process is about to end: followers are sent away, nobody is attached, and when everything is committed there
    /// is [`Event::Drained`](crate::Event::Drained).
    Drain,
}

/// Somebody who follows a document from now on.
#[derive(Debug, Clone)]
pub struct Attach {
    /// Their number; a new one for each `open`.
    pub follower: FollowerId,
    /// Which document.
    pub doc: DocName,
    /// What they speak.
    pub dialect: Dialect,
    /// What they may do.
    pub access: Access,
    /// The socket, for limits.
    pub connection: ConnectionId,
    /// Who they are, where that is known: their newest socket may speak for the client ids of an older one.
    pub identity: Option<Arc<str>>,
}

/// What a follower speaks, and so what it is told beside the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Acknowledgements by number, notices of what is durable, epochs.
    Native,
    /// Neither; something every 15 seconds, or the client reconnects.
    Plain,
    /// One `SyncStatus` for each update.
    Hocuspocus,
}

/// A document as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its newest snapshot.
    pub snapshot: Option<StoredSnapshot>,
    /// What came after that: its number and the update, in the order of the log.
    pub tail: Vec<(u64, Bytes)>,
    /// Who wrote in earlier epochs.
    pub former_authors: Vec<u64>,
}

/// A snapshot as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Grows by one with each.
    pub generation: u64,
    /// Everything up to this number of the log is in it.
    pub through: u64,
    /// An update.
    pub body: Bytes,
    /// Its state vector, encoded.
    pub vector: Bytes,
    /// Its deletes, encoded.
    pub deletes: Bytes,
}
