use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use stoa_base_types::{Access, ConnectionId, FollowerId};

use crate::hub::{Attach, Dialect};
use crate::update::StateVector;

/// One follower of one document.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) dialect: Dialect,
    pub(crate) access: Access,
    pub(crate) connection: ConnectionId,
    pub(crate) identity: Option<Arc<str>>,
    /// Its first step 1 was answered: it gets updates.
    pub(crate) is_synced: bool,
    /// Nothing more is queued for it until it has read everything.
    pub(crate) is_slow: bool,
    /// The vector of a step 1 that is yet to be answered.
    pub(crate) asked: Option<StateVector>,
    /// What it waits for is in the snapshot, which is being read from disk.
    pub(crate) awaits_snapshot: bool,
    /// It was asked for what is missing before its updates, and has not answered.
    pub(crate) is_asked_for_gap: bool,
    /// Something of it was refused that it shall send again when there is room.
    pub(crate) owes_refused: bool,
    pub(crate) questions: Questions,
    /// When it was last sent something.
    pub(crate) sent_at: Instant,
    /// Messages and their bytes that came before the document was read.
    pub(crate) waiting: (usize, usize),
    pub(crate) acks: Acks,
    pub(crate) queue: Queue,
}

impl Follower {
    pub(crate) fn new(attach: Attach, now: Instant) -> Self {
        Self {
            dialect: attach.dialect,
            access: attach.access,
            connection: attach.connection,
            identity: attach.identity,
            is_synced: false,
            is_slow: false,
            asked: None,
            awaits_snapshot: false,
            is_asked_for_gap: false,
            owes_refused: false,
            questions: Questions::default(),
            sent_at: now,
            waiting: (0, 0),
            acks: Acks::default(),
            queue: Queue::default(),
        }
    }

    pub(crate) fn is_in(&self, audience: Audience) -> bool {
        match audience {
            Audience::Updates => self.is_synced && !self.is_slow,
            Audience::Awareness => !self.is_slow,
            Audience::Notices => self.is_native() && !self.is_slow,
            Audience::Native => self.is_native(),
        }
    }

    pub(crate) fn is_native(&self) -> bool {
        self.dialect == Dialect::Native
    }
}

/// Those of a document's followers that a kind of message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Updates,
    Awareness,
    /// Of what is durable.
    Notices,
    /// Slow ones, too.
    Native,
}

/// Which of a follower's updates are settled. They settle in any order and are acknowledged in their own.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// Updates that came.
    pub(crate) received: u64,
    /// Updates that are settled, with all before them.
    settled: u64,
    /// Of those, what the follower was told.
    told: u64,
    /// How many updates wait for which number of the log, in the order of their coming. Numbers only grow.
    waiting: VecDeque<(u64, u64)>,
}

impl Acks {
    /// An update is settled when the log is committed up to `seq`.
    pub(crate) fn settle_at(&mut self, seq: u64, committed: u64) {
        let seq = self.waiting.back().map_or(seq, |(last, _)| seq.max(*last));
        if seq <= committed {
            self.settled += 1;
            return;
        }
        match self.waiting.back_mut() {
            Some((last, count)) if *last == seq => *count += 1,
            _ => self.waiting.push_back((seq, 1)),
        }
    }

    /// The log is committed up to `through`.
    pub(crate) fn committed(&mut self, through: u64) {
        while let Some((_, count)) = self.waiting.pop_front_if(|(seq, _)| *seq <= through) {
            self.settled += count;
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    /// The follower has begun to count anew: what came until now is not told.
    pub(crate) fn start_over(&mut self) {
        self.told = self.settled;
        if let Some((last, _)) = self.waiting.pop_back() {
            self.waiting = VecDeque::from([(last, 0)]);
        }
    }

    /// Whether there is something to tell.
    pub(crate) const fn is_due(&self) -> bool {
        self.told < self.settled
    }

    /// Whether something waits for the disk.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many are settled, and how many of them are news.
    pub(crate) const fn take(&mut self) -> (u64, u64) {
        let news = self.settled - self.told;
        self.told = self.settled;
        (self.settled, news)
    }
}

/// The step 1 messages that a Hocuspocus provider has not answered. It counts its answer to the one that follows its own
/// step 1 among its changes, and no other: if that were acknowledged, it would take a later change for saved.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    is_counted: VecDeque<bool>,
}

impl Questions {
    /// A question is sent.
    pub(crate) fn asked(&mut self, is_counted: bool) {
        if self.is_counted.len() < MOST_QUESTIONS {
            self.is_counted.push_back(is_counted);
        }
    }

    /// An answer came: whether it counts.
    pub(crate) fn answered(&mut self) -> bool {
        self.is_counted.pop_front().unwrap_or(true)
    }
}

/// Nobody who answers leaves so many unanswered.
const MOST_QUESTIONS: usize = 64;

/// What was handed out for a follower and not yet written.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    queued: u64,
    written: u64,
    /// Everything before this position of the document was written, or the follower had it before.
    floor: u64,
    /// When so much is written, everything before this position is.
    mark: Option<(u64, u64)>,
    /// What was queued since the follower is slow.
    slow_bytes: u64,
}

impl Queue {
    /// A message was handed out; everything before `position` went before it, or with it.
    pub(crate) fn push(&mut self, cost: u64, position: u64, is_slow: bool) {
        self.queued += cost;
        if is_slow {
            self.slow_bytes += cost;
        }
        self.mark.get_or_insert((self.queued, position));
    }

    /// Messages were written. Ones that were never handed out are a mistake of the driver and change nothing.
    pub(crate) fn written(&mut self, cost: u64, is_slow: bool) {
        self.written = self.queued.min(self.written + cost);
        // What a slow follower drops counts as written and is not.
        if !is_slow
            && let Some((queued, position)) = self.mark
            && queued <= self.written
        {
            self.floor = position;
            self.mark = None;
        }
    }

    pub(crate) const fn in_flight(&self) -> u64 {
        self.queued - self.written
    }

    pub(crate) const fn slow_bytes(&self) -> u64 {
        self.slow_bytes
    }

    pub(crate) const fn floor(&self) -> u64 {
        self.floor
    }

    /// The follower is told the document's state anew, up to `position`; what is dropped from now on may be sent again.
    pub(crate) const fn start_at(&mut self, position: u64) {
        self.floor = position;
        self.mark = None;
        self.slow_bytes = 0;
    }

    /// The follower is about to be sent what it missed.
    pub(crate) const fn resume(&mut self) {
        self.mark = None;
        self.slow_bytes = 0;
    }
}

/// Who speaks, as far as awareness is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) follower: FollowerId,
    pub(crate) identity: Option<Arc<str>>,
    pub(crate) most_ids: usize,
}
