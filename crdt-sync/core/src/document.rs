//! One open document.
mod accept;
mod content;
mod delivery;
mod held;
mod log;
mod pace;
mod requests;
mod snapshot;
mod storage;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stoa_base_types::{DocName, Epoch, FollowerId};

use crate::awareness::{Awareness, NOTHING};
use crate::follower::{Follower, Speaker};
use crate::hub::{Attach, Context, Dialect, DocKey, DocTimer, Event, RequestError, Stored, Timer};
use crate::update::{DeleteSet, StateVector, Update};
use crate::wire::{ClientMessage, CloseCode, ServerMessage};
use content::{Content, SnapshotAway};
use delivery::Lists;
use log::Log;
use pace::Pace;
pub(crate) use requests::Request;
use snapshot::Compaction;

/// A document that somebody follows, or did until just now.
#[derive(Debug)]
pub(crate) struct Document {
    key: DocKey,
    name: DocName,
    epoch: Epoch,
    /// Who wrote in earlier epochs, in order.
    former_authors: Vec<u64>,
    phase: Phase,
    content: Content,
    /// Up to which position of the content its followers were sent what they lack.
    handed_out: u64,
    pace: Pace,
    log: Log,
    /// Boxed: most documents have one or two, and a node of the tree has room for eleven.
    followers: BTreeMap<FollowerId, Box<Follower>>,
    lists: Lists,
    awareness: Awareness,
    /// Followers that have updates settled and were not told.
    acks_due: Vec<FollowerId>,
    /// Followers whose updates wait for the disk.
    acks_waiting: BTreeSet<FollowerId>,
    /// What was committed since the last notice.
    durable: (StateVector, DeleteSet),
    compaction: Compaction,
    /// Requests that wait for the disk to be read.
    requests: Vec<Request>,
    /// The store gave something back and has not taken it again.
    is_failing: bool,
    /// The store has not said yet that the last epoch is gone.
    is_erasing: bool,
    /// Nobody follows, nobody comes: to be forgotten as soon as it is clean.
    is_closing: bool,
    is_flush_due: bool,
    is_snapshot_asked: bool,
}

#[derive(Debug)]
enum Phase {
    /// Being read from disk. What was said meanwhile waits.
    Loading(Vec<(FollowerId, ClientMessage)>),
    Open,
    /// To be forgotten.
    Over,
}

impl Document {
    /// Asks the disk.
    pub(crate) fn open(cx: &mut Context<'_>, key: DocKey, name: DocName) -> Self {
        cx.out.event(Event::Load { doc: name.clone() });
        Self {
            key,
            name,
            epoch: Epoch::FIRST,
            former_authors: Vec::new(),
            phase: Phase::Loading(Vec::new()),
            content: Content::default(),
            handed_out: 0,
            pace: Pace::default(),
            log: Log::default(),
            followers: BTreeMap::new(),
            lists: Lists::default(),
            awareness: Awareness::default(),
            acks_due: Vec::new(),
            acks_waiting: BTreeSet::new(),
            durable: (StateVector::new(), DeleteSet::new()),
            compaction: Compaction::default(),
            requests: Vec::new(),
            is_failing: false,
            is_erasing: false,
            is_closing: false,
            is_flush_due: false,
            is_snapshot_asked: false,
        }
    }

    pub(crate) const fn name(&self) -> &DocName {
        &self.name
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The disk has answered.
    pub(crate) fn loaded(&mut self, cx: &mut Context<'_>, result: Result<Option<Stored>, Arc<str>>) {
        if !matches!(self.phase, Phase::Loading(_)) {
            return;
        }
        let read = result.and_then(|stored| stored.map_or(Ok(()), |stored| self.restore(stored).map_err(Into::into)));
        if let Err(reason) = read {
            return self.fail(cx, &reason);
        }
        let Phase::Loading(waiting) = std::mem::replace(&mut self.phase, Phase::Open) else { return };
        cx.out.stats.held_updates += self.content.held.len();
        self.handed_out = self.content.tail.position();
        self.note_forgettable(cx);
        self.note_tail(cx);
        let followers: Vec<_> = self.followers.keys().copied().collect();
        for follower in followers {
            self.welcome(cx, follower);
        }
        for (follower, message) in waiting {
            self.message(cx, follower, message);
        }
        for request in std::mem::take(&mut self.requests) {
            self.request(cx, request);
        }
        self.linger(cx);
    }

    fn restore(&mut self, stored: Stored) -> Result<(), String> {
        self.epoch = stored.epoch;
        self.former_authors = stored.former_authors;
        self.former_authors.sort_unstable();
        let through = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        if let Some(snapshot) = stored.snapshot {
            self.content = Content::with_snapshot(snapshot).map_err(|error| format!("the snapshot: {error}"))?;
        }
        let last = stored.tail.iter().map(|(seq, _)| *seq).fold(through, u64::max);
        self.log = Log::loaded(last);
        for (seq, body) in stored.tail {
            let update = Update::read(body).map_err(|error| format!("update {seq} of the log: {error}"))?;
            self.content.restore(seq, &update).map_err(|error| format!("update {seq} of the log: {error}"))?;
        }
        Ok(())
    }

    /// The document cannot be read: everybody comes again later.
    fn fail(&mut self, cx: &mut Context<'_>, reason: &str) {
        cx.out.event(Event::Fault { doc: self.name.clone(), message: format!("cannot be read: {reason}") });
        self.close_all(cx, CloseCode::Unavailable);
        for request in std::mem::take(&mut self.requests) {
            cx.out.event(Event::RequestFailed { request: request.number(), error: RequestError::Unavailable });
        }
        self.end(cx);
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        for timer in DocTimer::ALL {
            cx.out.timers.clear(Timer::Document(self.key, timer));
        }
        cx.out.stats.held_updates -= if self.is_open() { self.content.held.len() } else { 0 };
        cx.out.event(Event::Idle { doc: self.name.clone() });
        self.phase = Phase::Over;
    }

    const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Somebody follows.
    pub(crate) fn attach(&mut self, cx: &mut Context<'_>, attach: Attach) {
        let (id, dialect) = (attach.follower, attach.dialect);
        let is_full = self.followers.len() >= cx.limits.followers;
        self.followers.insert(id, Box::new(Follower::new(attach, cx.now)));
        if is_full {
            return self.close(cx, id, CloseCode::TooMany);
        }
        self.lists.clear();
        self.is_closing = false;
        cx.out.timers.clear(Timer::Document(self.key, DocTimer::Linger));
        if dialect == Dialect::Plain {
            cx.out.timers.set(Timer::Keepalive(id), cx.now + cx.limits.keepalive);
        }
        if self.is_open() {
            self.welcome(cx, id);
        }
    }

    /// A follower said something.
    pub(crate) fn message(&mut self, cx: &mut Context<'_>, id: FollowerId, message: ClientMessage) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        if message == ClientMessage::Close {
            return self.detach(cx, id);
        }
        if let Phase::Loading(waiting) = &mut self.phase {
            let (messages, bytes) = &mut follower.waiting;
            *messages += 1;
            *bytes += message_bytes(&message);
            if *messages > cx.limits.waiting_messages || *bytes > cx.limits.waiting_bytes {
                return self.close(cx, id, CloseCode::Unavailable);
            }
            waiting.push((id, message));
            return;
        }
        match message {
            ClientMessage::Step1(vector) => self.step_1(cx, id, &vector),
            ClientMessage::Step2(update) => {
                follower.is_asked_for_gap = false;
                self.update(cx, id, update, true);
            }
            ClientMessage::Update(update) => self.update(cx, id, update, false),
            ClientMessage::TooLarge => self.oversized(cx, id),
            ClientMessage::Awareness(update) => self.hear(cx, id, &update),
            ClientMessage::QueryAwareness => self.tell_awareness(cx, id),
            ClientMessage::Open { .. } => self.close(cx, id, CloseCode::Malformed),
            ClientMessage::Close => {}
        }
    }

    fn hear(&mut self, cx: &mut Context<'_>, id: FollowerId, update: &bytes::Bytes) {
        let Some(follower) = self.followers.get(&id) else { return };
        let most_ids = match follower.dialect {
            Dialect::Plain => cx.limits.awareness_ids_plain,
            Dialect::Native | Dialect::Hocuspocus => cx.limits.awareness_ids,
        };
        let speaker = Speaker { follower: id, identity: follower.identity.clone(), most_ids };
        let (is_slow, is_to_be_asked) = (follower.is_slow, follower.dialect == Dialect::Hocuspocus);
        match self.awareness.hear(&speaker, update, cx.now, cx.limits) {
            Ok(heard) => {
                cx.out.stats.awareness_ignored += heard.ignored;
                if let Some(correction) = heard.correction.filter(|_| !is_slow) {
                    self.send(cx, id, ServerMessage::Awareness(correction));
                    if is_to_be_asked {
                        self.send(cx, id, ServerMessage::QueryAwareness);
                    }
                }
                self.note_awareness(cx);
                self.want_flush(cx);
            }
            Err(error) => self.close(cx, id, error.close_code()),
        }
    }

    /// Answers the question who is there, even if nobody is: the asker may want to know whether the server is.
    fn tell_awareness(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        if self.followers.get(&id).is_some_and(|follower| !follower.is_slow) {
            let all = self.awareness.all();
            self.send(cx, id, ServerMessage::Awareness(all));
        }
    }

    /// A follower is gone.
    pub(crate) fn detach(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.remove(&id) else { return };
        cx.out.timers.clear(Timer::Keepalive(id));
        cx.out.departed.push((id, follower.connection));
        self.lists.clear();
        self.acks_waiting.remove(&id);
        self.awareness.leave(id, cx.now, cx.limits);
        if self.is_open() {
            self.note_awareness(cx);
            self.want_flush(cx);
            self.linger(cx);
        }
    }

    /// Stops serving a follower, with a word.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, id: FollowerId, code: CloseCode) {
        if self.followers.contains_key(&id) {
            cx.out.send(&self.name, crate::hub::Recipients::one(id), ServerMessage::Closed { code });
            cx.out.stats.delivered += 1;
            self.detach(cx, id);
        }
    }

    /// Stops serving everybody.
    pub(crate) fn close_all(&mut self, cx: &mut Context<'_>, code: CloseCode) {
        let followers: Vec<_> = self.followers.keys().copied().collect();
        for follower in followers {
            self.close(cx, follower, code);
        }
    }

    /// The process is about to end.
    pub(crate) fn drain(&mut self, cx: &mut Context<'_>) {
        self.hand_out(cx);
        self.close_all(cx, CloseCode::Restarting);
        self.linger(cx);
    }

    /// A deadline has come.
    pub(crate) fn timeout(&mut self, cx: &mut Context<'_>, timer: DocTimer) {
        match timer {
            DocTimer::Compact => self.consider_compaction(cx),
            DocTimer::Linger => {
                self.is_closing = true;
                self.try_close(cx);
            }
            DocTimer::Retry => self.retry(cx),
            DocTimer::Awareness => {
                self.awareness.expire(cx.now, cx.limits);
                self.note_awareness(cx);
                self.want_flush(cx);
            }
            DocTimer::Forget => self.forget(cx),
            DocTimer::Rest => self.end_rest(cx),
        }
    }

    /// A y-websocket client reconnects when it hears nothing for 30 seconds.
    pub(crate) fn keep_alive(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get(&id) else { return };
        let mut due = follower.sent_at + cx.limits.keepalive;
        if due <= cx.now {
            due = cx.now + cx.limits.keepalive;
            if !follower.is_slow {
                self.send(cx, id, ServerMessage::Awareness(NOTHING));
            }
        }
        cx.out.timers.set(Timer::Keepalive(id), due);
    }

    /// Sees to it that states do not outlive their clients.
    fn note_awareness(&self, cx: &mut Context<'_>) {
        let timer = Timer::Document(self.key, DocTimer::Awareness);
        if self.awareness.is_idle() {
            cx.out.timers.clear(timer);
        } else if cx.out.timers.at(timer).is_none() {
            // A tenth of the expiry, as y-protocols has it, is precise enough.
            cx.out.timers.set(timer, cx.now + cx.limits.awareness_expiry / 10);
        }
    }

    /// If nobody follows, the document stays open for a while: pages are reloaded.
    fn linger(&mut self, cx: &mut Context<'_>) {
        if !self.followers.is_empty() || !self.is_open() {
            return;
        }
        if cx.situation.is_draining {
            self.is_closing = true;
            return self.try_close(cx);
        }
        let timer = Timer::Document(self.key, DocTimer::Linger);
        if cx.out.timers.at(timer).is_none() && !self.is_closing {
            cx.out.timers.set(timer, cx.now + cx.limits.linger);
        }
    }

    fn try_close(&mut self, cx: &mut Context<'_>) {
        let is_clean = self.log.is_clean() && !self.is_erasing;
        let is_busy = !self.followers.is_empty() || !self.requests.is_empty() || !is_clean;
        if !self.is_closing || !self.is_open() || is_busy {
            return;
        }
        self.compact_before_closing(cx);
        if !self.compaction.is_busy() && !self.is_snapshot_asked {
            self.end(cx);
        }
    }

    /// At the end of a turn [`Self::flush`] is called.
    fn want_flush(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_flush_due, true) {
            cx.out.unflushed.push((self.key, cx.now));
        }
    }

    /// The snapshot's body is needed and must be read again.
    fn ask_snapshot(&mut self, cx: &mut Context<'_>, away: SnapshotAway) {
        if !std::mem::replace(&mut self.is_snapshot_asked, true) {
            cx.out.event(Event::ReadSnapshot { doc: self.name.clone(), generation: away.generation });
        }
    }
}

fn message_bytes(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Step1(bytes)
        | ClientMessage::Step2(bytes)
        | ClientMessage::Update(bytes)
        | ClientMessage::Awareness(bytes) => bytes.len(),
        ClientMessage::Open { .. } | ClientMessage::TooLarge | ClientMessage::QueryAwareness | ClientMessage::Close => {
            0
        }
    }
}
