use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch, FollowerId};

use crate::compaction::CompactJob;
use crate::wire::ServerMessage;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// About which document.
    pub doc: DocName,
    /// To whom.
    pub to: Recipients,
    /// What.
    pub message: ServerMessage,
}

/// To whom a message goes. Cheap to make, however many they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients(Audience);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Audience {
    One(FollowerId),
    Many { list: Arc<[FollowerId]>, except: Option<FollowerId> },
}

impl Recipients {
    pub(crate) const fn one(follower: FollowerId) -> Self {
        Self(Audience::One(follower))
    }

    pub(crate) const fn many(list: Arc<[FollowerId]>, except: Option<FollowerId>) -> Self {
        Self(Audience::Many { list, except })
    }

    /// Each of them, once.
    pub fn iter(&self) -> impl Iterator<Item = FollowerId> {
        let (list, except) = match &self.0 {
            Audience::One(follower) => (std::slice::from_ref(follower), None),
            Audience::Many { list, except } => (&**list, *except),
        };
        list.iter().copied().filter(move |follower| Some(*follower) != except)
    }
}

/// What is asked of the store, the workers and the driver.
#[derive(Debug, Clone)]
pub enum Event {
    /// Read a document from disk; answered by [`Input::Loaded`](crate::Input::Loaded).
    Load {
        /// Which.
        doc: DocName,
    },
    /// Read the body of the newest snapshot again; answered by [`Input::SnapshotRead`](crate::Input::SnapshotRead).
    ReadSnapshot {
        /// Of which document.
        doc: DocName,
        /// Which it is.
        generation: u64,
    },
    /// Commit an update, after all events before this one; answered by [`Input::Committed`](crate::Input::Committed) or
    /// [`Input::CommitFailed`](crate::Input::CommitFailed).
    Append {
        /// Of which document.
        doc: DocName,
        /// In which life.
        epoch: Epoch,
        /// Its number, from 1 in each life. What was given back comes again under its old number.
        seq: u64,
        /// The update.
        body: Bytes,
        /// Whether a follower will be told when it is on disk. Y-websocket's clients are not.
        is_awaited: bool,
    },
    /// Make a snapshot, in a worker; answered by [`Input::Compacted`](crate::Input::Compacted).
    Compact(CompactJob),
    /// Commit a snapshot, after all events before this one; what is in the log up to `through` goes, in the same transaction.
    /// Answered by [`Input::SnapshotWritten`](crate::Input::SnapshotWritten).
    Snapshot {
        /// Of which document.
        doc: DocName,
        /// In which life.
        epoch: Epoch,
        /// Grows by one with each.
        generation: u64,
        /// Everything up to this number of the log is in it, or in the log again under a higher number.
        through: u64,
        /// An update.
        body: Bytes,
        /// Its state vector, encoded.
        vector: Bytes,
        /// Its deletes, encoded.
        deletes: Bytes,
    },
    /// Drop what waits for a slow follower and [may be dropped](crate::wire::ServerMessage::is_droppable). It counts as
    /// [`Input::Written`](crate::Input::Written). When everything was written, the follower is sent what it missed.
    DropQueue {
        /// Whose.
        follower: FollowerId,
    },
    /// Erase a document, after all events before this one. The hub goes on with an empty one at once, so the store must not
    /// give this up. When it is done, [`Input::Committed`](crate::Input::Committed) says so with the new epoch, through 0.
    Erased {
        /// Of the request.
        request: u64,
        /// Which.
        doc: DocName,
        /// In which life it is now.
        epoch: Epoch,
        /// All who wrote in earlier ones.
        former_authors: Vec<u64>,
    },
    /// An edit is committed.
    Edited {
        /// Of the request.
        request: u64,
        /// In which life of the document.
        epoch: Epoch,
        /// The edit's number; of one that brought nothing, the newest at that time. An edit that expects it is refused if
        /// anything else came after this one.
        seq: u64,
    },
    /// What a document is.
    State {
        /// Of the request.
        request: u64,
        /// In which life.
        epoch: Epoch,
        /// The number of the last update that was accepted; see `expected` of [`Input::Edit`](crate::Input::Edit).
        seq: u64,
        /// Updates that make it up, in an order in which none needs a later one.
        parts: Vec<Bytes>,
    },
    /// A request was not fulfilled, and changed nothing.
    RequestFailed {
        /// Which.
        request: u64,
        /// Why.
        error: RequestError,
    },
    /// A document is closed and clean; the hub has forgotten it.
    Idle {
        /// Which.
        doc: DocName,
    },
    /// After [`Input::Drain`](crate::Input::Drain): everything is committed.
    Drained,
    /// Something is wrong with a document; for the log.
    Fault {
        /// Which.
        doc: DocName,
        /// What.
        message: String,
    },
}

/// Why a request was not fulfilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// The document is no longer what the edit was made for.
    Changed,
    /// Not an update, or one that needs others that are not there.
    Malformed,
    /// The edit is too large, or the document would be.
    TooLarge,
    /// The disk quota is used up.
    Quota,
    /// The disk refuses.
    StorageFailing,
    /// The document cannot be read from disk, or the process is about to end.
    Unavailable,
    /// The document was erased meanwhile.
    Gone,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "the document has changed",
            Self::Malformed => "not a complete update of a Yjs document",
            Self::TooLarge => "too large",
            Self::Quota => "the space for documents is used up",
            Self::StorageFailing => "the disk refuses",
            Self::Unavailable => "the document is unavailable at the moment",
            Self::Gone => "the document was erased",
        })
    }
}

impl std::error::Error for RequestError {}

/// What a hub has and what it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open documents.
    pub documents: usize,
    /// Followers.
    pub followers: usize,
    /// Bytes that are accepted and not committed.
    pub dirty_bytes: usize,
    /// Updates that wait for others.
    pub held_updates: usize,
    /// Updates taken, since the start.
    pub updates: u64,
    /// Updates that brought nothing.
    pub duplicates: u64,
    /// Updates that were not taken.
    pub refused: u64,
    /// Messages handed out, counted once for each recipient.
    pub delivered: u64,
    /// How often a follower was too slow.
    pub slow_followers: u64,
    /// Awareness states that were not taken: foreign, too large, too many, not JSON.
    pub awareness_ignored: u64,
    /// Snapshots made.
    pub compactions: u64,
    /// Compactions that failed, or whose result did not hold what it had to.
    pub compactions_failed: u64,
}
