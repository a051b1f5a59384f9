//! A driver without sockets, disk or workers: what the hub says is kept, and answered when a test says so.
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_base_types::{Access, ConnectionId, DocName, Epoch, FollowerId};
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Attach, CompactJob, Dialect, Event, Hub, Input, Limits, Stored};

pub(crate) const ADA: FollowerId = FollowerId(1);
pub(crate) const BOB: FollowerId = FollowerId(2);
pub(crate) const CAROL: FollowerId = FollowerId(3);
/// Keeps a document open, and never asks for it.
pub(crate) const WATCHER: FollowerId = FollowerId(99);

pub(crate) fn doc() -> DocName {
    DocName::new("agora").unwrap()
}

pub(crate) fn attach(follower: FollowerId, dialect: Dialect) -> Attach {
    let connection = ConnectionId(follower.0);
    Attach { follower, doc: doc(), dialect, access: Access::Write, connection, identity: None }
}

/// One hub, its clock, and everything it ever said.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Instant,
    /// What each follower was sent and has not looked at.
    pub(crate) inboxes: BTreeMap<FollowerId, Vec<ServerMessage>>,
    pub(crate) events: Vec<Event>,
    /// Whether messages count as written at once.
    pub(crate) writes: bool,
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        let (hub, now) = (Hub::new(limits), Instant::now());
        Self { hub, now, inboxes: BTreeMap::new(), events: Vec::new(), writes: true }
    }

    /// With a document that is new, and open because somebody else follows it.
    pub(crate) fn open() -> Self {
        Self::open_with(Limits::default(), None)
    }

    pub(crate) fn open_with(limits: Limits, stored: Option<Stored>) -> Self {
        let mut world = Self::new(limits);
        world.attach(attach(WATCHER, Dialect::Plain));
        world.load(stored);
        world.take_events();
        world
    }

    pub(crate) fn load(&mut self, stored: Option<Stored>) {
        self.input(Input::Loaded { doc: doc(), result: Ok(stored) });
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.hub.handle_input(input, self.now);
        self.poll();
    }

    /// Several inputs in one turn.
    pub(crate) fn inputs(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.hub.handle_input(input, self.now);
        }
        self.poll();
    }

    pub(crate) fn poll(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(transmit) = self.hub.poll_transmit() {
                is_quiet = false;
                for follower in transmit.to.iter() {
                    let cost = transmit.message.cost();
                    self.inboxes.entry(follower).or_default().push(transmit.message.clone());
                    if self.writes {
                        self.hub.handle_input(Input::Written { follower, cost }, self.now);
                    }
                }
            }
            while let Some(event) = self.hub.poll_event() {
                is_quiet = false;
                self.events.push(event);
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.hub.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now || self.hub.poll_timeout() != Some(self.now), "a deadline that never goes");
            self.now = at.max(self.now);
            self.hub.handle_timeout(self.now);
            assert!(self.hub.poll_timeout().is_none_or(|next| next > self.now), "the next deadline is later");
            self.poll();
        }
        self.now = end;
    }

    pub(crate) fn attach(&mut self, attach: Attach) {
        self.input(Input::Attach(attach));
    }

    /// Attaches a follower who has nothing, and forgets what it is told.
    pub(crate) fn join(&mut self, follower: FollowerId, dialect: Dialect) {
        self.join_as(attach(follower, dialect));
    }

    pub(crate) fn join_as(&mut self, attach: Attach) {
        let follower = attach.follower;
        self.attach(attach);
        self.say(follower, step_1(&StateVector::new()));
        self.take(follower);
    }

    pub(crate) fn say(&mut self, follower: FollowerId, message: ClientMessage) {
        self.input(Input::Message { follower, message });
    }

    pub(crate) fn update(&mut self, follower: FollowerId, update: &Bytes) {
        self.say(follower, ClientMessage::Update(update.clone()));
    }

    /// What a follower was sent since the last look.
    pub(crate) fn take(&mut self, follower: FollowerId) -> Vec<ServerMessage> {
        self.inboxes.remove(&follower).unwrap_or_default()
    }

    /// The updates among it.
    pub(crate) fn take_updates(&mut self, follower: FollowerId) -> Vec<Bytes> {
        let update = |message| match message {
            ServerMessage::Update(bytes) => Some(bytes),
            _ => None,
        };
        self.take(follower).into_iter().filter_map(update).collect()
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was appended since the last look at the events.
    pub(crate) fn take_appended(&mut self) -> Vec<(u64, Bytes)> {
        let appended = |event| match event {
            Event::Append { seq, body, .. } => Some((seq, body)),
            _ => None,
        };
        self.take_events().into_iter().filter_map(appended).collect()
    }

    pub(crate) fn take_job(&mut self) -> Option<CompactJob> {
        let at = self.events.iter().position(|event| matches!(event, Event::Compact(_)))?;
        match self.events.remove(at) {
            Event::Compact(job) => Some(job),
            _ => None,
        }
    }

    pub(crate) fn commit(&mut self, through: u64) {
        self.input(Input::Committed { doc: doc(), epoch: Epoch::FIRST, through });
    }

    pub(crate) fn fail_commit(&mut self, from: u64) {
        self.input(Input::CommitFailed { doc: doc(), epoch: Epoch::FIRST, from, reason: "no space".into() });
    }

    /// The document's units and deletes.
    pub(crate) fn state(&mut self) -> (StateVector, DeleteSet) {
        self.input(Input::Read { request: u64::MAX, doc: doc() });
        let Some(Event::State { parts, .. }) = self.events.pop() else { panic!("expected the state") };
        content(&parts)
    }
}

/// The units and deletes of updates that have no gaps.
pub(crate) fn content(parts: &[Bytes]) -> (StateVector, DeleteSet) {
    let (mut vector, mut deletes) = (StateVector::new(), DeleteSet::new());
    for part in parts {
        let update = Update::read(part.clone()).unwrap();
        update.authors().for_each(|(client, clocks)| vector.set_max(client, clocks.end));
        deletes.union(update.deletes());
    }
    (vector, deletes)
}

pub(crate) fn step_1(vector: &StateVector) -> ClientMessage {
    ClientMessage::Step1(vector.encode().into())
}

/// The text `text` of one author, behind what the author wrote before.
pub(crate) fn typed(client: u64, clock: u64, text: &str) -> Bytes {
    let origin = clock.checked_sub(1).map(|before| (client, before));
    typed_after(client, clock, origin, text)
}

/// The same, behind any character.
pub(crate) fn typed_after(client: u64, clock: u64, origin: Option<(u64, u64)>, text: &str) -> Bytes {
    let mut out = vec![1, 1];
    put(&mut out, client);
    put(&mut out, clock);
    match origin {
        Some((client, clock)) => {
            out.push(0x84);
            put(&mut out, client);
            put(&mut out, clock);
        }
        None => out.extend_from_slice(&[4, 1, 4, b'n', b'o', b't', b'e']),
    }
    put(&mut out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    out.into()
}

/// A deletion.
pub(crate) fn deleted(client: u64, clock: u64, len: u64) -> Bytes {
    let mut out = vec![0];
    let mut deletes = DeleteSet::new();
    deletes.insert(client, clock..clock + len);
    out.extend_from_slice(&deletes.encode());
    out.into()
}

pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// An awareness update.
pub(crate) fn states(entries: &[(u64, u64, &str)]) -> ClientMessage {
    let mut out = Vec::new();
    put(&mut out, entries.len() as u64);
    for (client, clock, state) in entries {
        put(&mut out, *client);
        put(&mut out, *clock);
        put(&mut out, state.len() as u64);
        out.extend_from_slice(state.as_bytes());
    }
    ClientMessage::Awareness(out.into())
}

/// The same, as the server sends it.
pub(crate) fn told(entries: &[(u64, u64, &str)]) -> ServerMessage {
    match states(entries) {
        ClientMessage::Awareness(update) => ServerMessage::Awareness(update),
        _ => unreachable!(),
    }
}

pub(crate) fn ack(count: u64) -> ServerMessage {
    ServerMessage::Ack { count }
}

pub(crate) fn closed(code: CloseCode) -> ServerMessage {
    ServerMessage::Closed { code }
}

/// The vector that a step 1 of the server carries.
pub(crate) fn asked(messages: &[ServerMessage]) -> Option<StateVector> {
    messages.iter().find_map(|message| match message {
        ServerMessage::Step1(vector) => Some(StateVector::decode(vector).unwrap()),
        _ => None,
    })
}

/// What a step 2 of the server carries.
pub(crate) fn answered(messages: &[ServerMessage]) -> Option<Update> {
    messages.iter().find_map(|message| match message {
        ServerMessage::Step2(update) => Some(Update::read(update.clone()).unwrap()),
        _ => None,
    })
}
