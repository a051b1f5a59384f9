use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use stoa_base_types::{ConnectionId, Deadlines, DocName, FollowerId};

use super::output::{Event, Recipients, Stats, Transmit};
use crate::limits::Limits;
use crate::wire::ServerMessage;

/// A document among the open ones; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DocKey(pub(crate) u64);

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Document(DocKey, DocTimer),
    /// A y-websocket client was told nothing for a while.
    Keepalive(FollowerId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DocTimer {
    /// The oldest update since the snapshot is old enough, or a failed compaction long enough ago.
    Compact,
    /// Nobody followed for a while.
    Linger,
    /// What the store gave back is offered again.
    Retry,
    /// Client ids may be silent for too long.
    Awareness,
    /// The snapshot's bytes may not have been needed for a while.
    Forget,
    /// Followers are many, and were written to a moment ago.
    Rest,
}

impl DocTimer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Compact, Self::Linger, Self::Retry, Self::Awareness, Self::Forget, Self::Rest];
}

/// Everything that leaves the hub, and what all documents write to.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: Stats,
    pub(crate) timers: Deadlines<Timer>,
    /// Documents that have something to say at the end of the turn, and when it began.
    pub(crate) unflushed: Vec<(DocKey, Instant)>,
    /// Followers that are no more.
    pub(crate) departed: Vec<(FollowerId, ConnectionId)>,
}

impl Outputs {
    pub(crate) fn send(&mut self, doc: &DocName, to: Recipients, message: ServerMessage) {
        self.transmits.push_back(Transmit { doc: doc.clone(), to, message });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }
}

/// How things are for all documents.
#[derive(Debug, Default)]
pub(crate) struct Situation {
    /// Why the store cannot commit.
    pub(crate) failing: Option<Arc<str>>,
    /// The disk quota is used up.
    pub(crate) is_full: bool,
    /// The process is about to end.
    pub(crate) is_draining: bool,
}

/// What a document needs to do anything.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) out: &'a mut Outputs,
    pub(crate) limits: &'a Limits,
    pub(crate) situation: &'a Situation,
    pub(crate) now: Instant,
}
