mod input;
mod output;
mod outputs;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use stoa_base_types::{ConnectionId, DocName, FollowerId};

use crate::document::{Document, Request};
use crate::limits::Limits;
use crate::wire::{CloseCode, ServerMessage};
pub use input::{Attach, Dialect, Input, Stored, StoredSnapshot};
pub use output::{Event, Recipients, RequestError, Stats, Transmit};
pub(crate) use outputs::{Context, DocKey, DocTimer, Timer};
use outputs::{Outputs, Situation};

/// All documents of one worker.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    situation: Situation,
    names: BTreeMap<DocName, DocKey>,
    documents: HashMap<DocKey, Box<Document>>,
    next_key: u64,
    followers: HashMap<FollowerId, DocKey>,
    /// How many documents each connection follows.
    connections: HashMap<ConnectionId, usize>,
    outputs: Outputs,
    is_drained: bool,
}

impl Hub {
    /// Without documents.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            situation: Situation::default(),
            names: BTreeMap::new(),
            documents: HashMap::new(),
            next_key: 0,
            followers: HashMap::new(),
            connections: HashMap::new(),
            outputs: Outputs::default(),
            is_drained: false,
        }
    }

    /// Takes in one report of the driver.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Message { follower, message } => {
                self.with_follower(follower, now, |document, cx| document.message(cx, follower, message));
            }
            Input::Written { follower, cost } => {
                self.with_follower(follower, now, |document, cx| document.written(cx, follower, cost));
            }
            Input::SetAccess { follower, access } => {
                self.with_follower(follower, now, |document, cx| document.set_access(cx, follower, access));
            }
            Input::Close { follower, code } => {
                self.with_follower(follower, now, |document, cx| document.close(cx, follower, code));
            }
            Input::Detach { follower } => {
                self.with_follower(follower, now, |document, cx| document.detach(cx, follower));
            }
            Input::Attach(attach) => self.attach(attach, now),
            Input::Edit { request, doc, update, expected } => {
                self.request(doc, Request::Edit { request, update, expected }, now);
            }
            Input::Read { request, doc } => self.request(doc, Request::Read { request }, now),
            Input::Erase { request, doc } => self.request(doc, Request::Erase { request }, now),
            Input::StorageFailing { reason } => {
                self.situation.failing = Some(reason.clone());
                self.with_all(now, |document, cx| document.storage_changed(cx, &reason));
            }
            Input::StorageWell => {
                if self.situation.failing.take().is_some() {
                    let reason: Arc<str> = "".into();
                    self.with_all(now, |document, cx| document.storage_changed(cx, &reason));
                }
            }
            Input::Quota { is_full } => self.situation.is_full = is_full,
            Input::Drain => self.drain(now),
            Input::Loaded { .. }
            | Input::SnapshotRead { .. }
            | Input::Committed { .. }
            | Input::CommitFailed { .. }
            | Input::Compacted { .. }
            | Input::SnapshotWritten { .. } => self.handle_answer(input, now),
        }
    }

    /// The store or a worker answers.
    fn handle_answer(&mut self, input: Input, now: Instant) {
        match input {
            Input::Loaded { doc, result } => self.with_name(&doc, now, |document, cx| document.loaded(cx, result)),
            Input::SnapshotRead { doc, generation, result } => {
                self.with_name(&doc, now, |document, cx| document.snapshot_read(cx, generation, result));
            }
            Input::Committed { doc, epoch, through } => {
                self.with_name(&doc, now, |document, cx| document.committed(cx, epoch, through));
            }
            Input::CommitFailed { doc, epoch, from, reason } => {
                self.with_name(&doc, now, |document, cx| document.commit_failed(cx, epoch, from, &reason));
            }
            Input::Compacted { doc, epoch, generation, result } => {
                self.with_name(&doc, now, |document, cx| document.compacted(cx, epoch, generation, result));
            }
            Input::SnapshotWritten { doc, epoch, generation, is_committed } => {
                self.with_name(&doc, now, |document, cx| {
                    document.snapshot_written(cx, epoch, generation, is_committed);
                });
            }
            Input::Attach(_)
            | Input::Message { .. }
            | Input::Written { .. }
            | Input::SetAccess { .. }
            | Input::Close { .. }
            | Input::Detach { .. }
            | Input::StorageFailing { .. }
            | Input::StorageWell
            | Input::Quota { .. }
            | Input::Edit { .. }
            | Input::Read { .. }
            | Input::Erase { .. }
            | Input::Drain => {}
        }
    }

    fn attach(&mut self, attach: Attach, now: Instant) {
        let id = attach.follower;
        self.with_follower(id, now, |document, cx| document.detach(cx, id));
        let count = self.connections.get(&attach.connection).copied().unwrap_or(0);
        let refusal = if self.situation.is_draining {
            Some(CloseCode::Restarting)
        } else if count >= self.limits.connection_documents {
            Some(CloseCode::TooMany)
        } else {
            None
        };
        if let Some(code) = refusal {
            self.outputs.send(&attach.doc, Recipients::one(id), ServerMessage::Closed { code });
            return;
        }
        self.connections.insert(attach.connection, count + 1);
        let key = self.open(&attach.doc, now);
        self.followers.insert(id, key);
        self.with_key(key, now, |document, cx| document.attach(cx, attach));
    }

    /// The open document of a name.
    fn open(&mut self, name: &DocName, now: Instant) -> DocKey {
        if let Some(key) = self.names.get(name) {
            return *key;
        }
        self.next_key += 1;
        let key = DocKey(self.next_key);
        let mut cx = Context { out: &mut self.outputs, limits: &self.limits, situation: &self.situation, now };
        let document = Document::open(&mut cx, key, name.clone());
        self.names.insert(name.clone(), key);
        self.documents.insert(key, Box::new(document));
        key
    }

    fn request(&mut self, doc: DocName, request: Request, now: Instant) {
        if self.situation.is_draining && !self.names.contains_key(&doc) {
            let (request, error) = (request.number(), RequestError::Unavailable);
            return self.outputs.event(Event::RequestFailed { request, error });
        }
        let key = self.open(&doc, now);
        self.with_key(key, now, |document, cx| document.request(cx, request));
    }

    fn drain(&mut self, now: Instant) {
        self.situation.is_draining = true;
        self.with_all(now, Document::drain);
        self.note_drained();
    }

    fn note_drained(&mut self) {
        if self.situation.is_draining && self.names.is_empty() && !std::mem::replace(&mut self.is_drained, true) {
            self.outputs.event(Event::Drained);
        }
    }

    fn with_follower(&mut self, id: FollowerId, now: Instant, act: impl FnOnce(&mut Document, &mut Context<'_>)) {
        if let Some(key) = self.followers.get(&id) {
            self.with_key(*key, now, act);
        }
    }

    fn with_name(&mut self, name: &DocName, now: Instant, act: impl FnOnce(&mut Document, &mut Context<'_>)) {
        if let Some(key) = self.names.get(name) {
            self.with_key(*key, now, act);
        }
    }

    fn with_all(&mut self, now: Instant, act: impl Fn(&mut Document, &mut Context<'_>)) {
        let keys: Vec<_> = self.names.values().copied().collect();
        for key in keys {
            self.with_key(key, now, &act);
        }
    }

    fn with_key(&mut self, key: DocKey, now: Instant, act: impl FnOnce(&mut Document, &mut Context<'_>)) {
        let Some(document) = self.documents.get_mut(&key) else { return };
        let mut cx = Context { out: &mut self.outputs, limits: &self.limits, situation: &self.situation, now };
        act(document, &mut cx);
        let is_over = document.is_over();
        for (id, connection) in self.outputs.departed.drain(..) {
            self.followers.remove(&id);
            if let Some(count) = self.connections.get_mut(&connection) {
                *count -= 1;
                if *count == 0 {
                    self.connections.remove(&connection);
                }
            }
        }
        if is_over && let Some(document) = self.documents.remove(&key) {
            self.names.remove(document.name());
            self.note_drained();
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.outputs.timers.take_due(now) {
            match timer {
                Timer::Document(key, timer) => self.with_key(key, now, |document, cx| document.timeout(cx, timer)),
                Timer::Keepalive(id) => self.with_follower(id, now, |document, cx| document.keep_alive(cx, id)),
            }
        }
    }

    /// The next message to send. `None` ends the turn: what was held back to be said once is among the messages.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.outputs.transmits.is_empty() {
            self.flush();
        }
        self.outputs.transmits.pop_front()
    }

    fn flush(&mut self) {
        for (key, now) in std::mem::take(&mut self.outputs.unflushed) {
            self.with_key(key, now, Document::flush);
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outputs.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due; `None` means nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.outputs.timers.next()
    }

    /// Present numbers, and those since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { documents: self.documents.len(), followers: self.followers.len(), ..self.outputs.stats }
    }
}
