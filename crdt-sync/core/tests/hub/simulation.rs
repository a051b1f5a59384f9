//! Clients, a disk and a worker that are slow, fail and forget, at random; and what holds nevertheless.
//!
//! At every moment: nothing is acknowledged and nothing is called durable that is not on disk. When all is quiet: all
//! copies are one, and hold everything that anybody wrote. `STOA_SWEEP` says how many scenarios, `STOA_SEED` which is the first.
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_base_types::{Access, ConnectionId, Epoch, FollowerId};
use stoa_crdt_sync_core::update::{DeleteSet, StateVector};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Attach, CompactJob, Dialect, Event, Hub, Input, Limits, Stored, StoredSnapshot};

use crate::replica::{Amount, Replica, Rng};
use crate::support::{content, doc};

/// Somebody with a copy, a socket from time to time, and friends.
struct Client {
    author: u64,
    dialect: Dialect,
    replica: Replica,
    epoch: Option<Epoch>,
    socket: Option<Socket>,
}

/// One connection. What is on the wire when it breaks is lost.
struct Socket {
    follower: FollowerId,
    is_open: bool,
    to_server: VecDeque<ClientMessage>,
    to_client: VecDeque<ServerMessage>,
    /// Updates that were sent, and how many are acknowledged.
    sent: Vec<Bytes>,
    acked: usize,
    refused: Vec<u64>,
    /// What Hocuspocus's provider counts.
    unsynced: u64,
}

/// A disk with a queue in front of it.
#[derive(Default)]
struct Disk {
    queue: VecDeque<Event>,
    stored: Option<Stored>,
    /// All that was ever committed, by epoch.
    amounts: BTreeMap<Epoch, Amount>,
    is_failing: bool,
}

struct Simulation {
    rng: Rng,
    limits: Limits,
    hub: Hub,
    now: Instant,
    clients: Vec<Client>,
    disk: Disk,
    job: Option<CompactJob>,
    next_follower: u64,
    next_author: u64,
    erases: bool,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let limits = Limits {
            queue_bytes: if rng.one_in(2) { 400 } else { 1 << 20 },
            compact_updates: 4 + rng.below(30) as usize,
            held_updates: if rng.one_in(3) { 2 } else { 1_000 },
            dirty_bytes: if rng.one_in(3) { 300 } else { 1 << 20 },
            unpaced_followers: if rng.one_in(2) { 0 } else { 2 },
            pause_each: Duration::from_millis(rng.below(100)),
            pause_most: Duration::from_millis(200),
            ..Limits::default()
        };
        let dialects = [Dialect::Native, Dialect::Native, Dialect::Plain, Dialect::Hocuspocus];
        let clients = (0..2 + rng.below(3)).map(|index| Client {
            author: 10 + index,
            dialect: dialects[rng.below(4) as usize],
            replica: Replica::default(),
            epoch: None,
            socket: None,
        });
        let clients = clients.collect();
        let (hub, now, erases) = (Hub::new(limits), Instant::now(), rng.one_in(5));
        let disk = Disk::default();
        Self { rng, limits, hub, now, clients, disk, job: None, next_follower: 1, next_author: 100, erases }
    }

    fn input(&mut self, input: Input) {
        self.hub.handle_input(input, self.now);
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(transmit) = self.hub.poll_transmit() {
                is_quiet = false;
                for follower in transmit.to.iter() {
                    if let Some(socket) = self.clients.iter_mut().find_map(|client| client.socket_of(follower)) {
                        socket.to_client.push_back(transmit.message.clone());
                    }
                }
            }
            while let Some(event) = self.hub.poll_event() {
                is_quiet = false;
                self.event(event);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Append { .. } | Event::Snapshot { .. } | Event::Erased { .. } => self.disk.queue.push_back(event),
            Event::Compact(job) => assert!(self.job.replace(job).is_none(), "one job at a time"),
            Event::Load { doc } => {
                let result = Ok(self.disk.stored.clone());
                self.hub.handle_input(Input::Loaded { doc, result }, self.now);
            }
            Event::ReadSnapshot { doc, generation } => {
                let snapshot = self.disk.stored.as_ref().and_then(|stored| stored.snapshot.as_ref());
                let body =
                    snapshot.filter(|snapshot| snapshot.generation == generation).expect("it is on disk").body.clone();
                self.hub.handle_input(Input::SnapshotRead { doc, generation, result: Ok(body) }, self.now);
            }
            Event::DropQueue { follower } => self.drop_queue(follower),
            Event::Edited { .. } | Event::State { .. } | Event::RequestFailed { .. } => panic!("nobody asked"),
            Event::Idle { .. } | Event::Drained | Event::Fault { .. } => {}
        }
    }

    fn drop_queue(&mut self, follower: FollowerId) {
        let Some(socket) = self.clients.iter_mut().find_map(|client| client.socket_of(follower)) else { return };
        let (dropped, kept): (VecDeque<_>, _) = socket.to_client.drain(..).partition(ServerMessage::is_droppable);
        socket.to_client = kept;
        let cost = dropped.iter().map(ServerMessage::cost).sum();
        self.hub.handle_input(Input::Written { follower, cost }, self.now);
    }

    fn step(&mut self) {
        let client = self.rng.below(self.clients.len() as u64) as usize;
        match self.rng.below(100) {
            0..20 => self.edit(client),
            20..45 => self.client_sends(client),
            45..65 => self.client_reads(client),
            65..73 => self.connect(client),
            73..75 => self.disconnect(client),
            75..80 => self.gossip(client),
            80..89 => self.commit(),
            89..91 => self.disk_fails(),
            91..94 => self.work(),
            94..97 => self.pass(),
            97 => self.ask_again(client),
            98 => self.crash(),
            _ => self.erase(),
        }
    }

    fn edit(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let edit = client.replica.edit(client.author, &mut self.rng);
        client.send_update(edit);
    }

    fn client_sends(&mut self, client: usize) {
        let Some(socket) = &mut self.clients[client].socket else { return };
        let (follower, message) = (socket.follower, socket.to_server.pop_front());
        if let Some(message) = message {
            self.input(Input::Message { follower, message });
        }
    }

    fn client_reads(&mut self, client: usize) {
        let Some(socket) = &mut self.clients[client].socket else { return };
        let Some(message) = socket.to_client.pop_front() else { return };
        let (follower, cost) = (socket.follower, message.cost());
        self.input(Input::Written { follower, cost });
        if self.clients[client].read(message, &self.disk, &mut self.next_author) {
            self.clients[client].socket = None;
        }
    }

    fn connect(&mut self, client: usize) {
        if self.clients[client].socket.is_some() {
            return;
        }
        self.next_follower += 1;
        let follower = FollowerId(self.next_follower);
        let dialect = self.clients[client].dialect;
        self.clients[client].connect(follower);
        let (access, connection) = (Access::Write, ConnectionId(follower.0));
        self.input(Input::Attach(Attach { follower, doc: doc(), dialect, access, connection, identity: None }));
    }

    fn disconnect(&mut self, client: usize) {
        if let Some(socket) = self.clients[client].socket.take() {
            self.input(Input::Detach { follower: socket.follower });
        }
    }

    /// Somebody tells a friend one of their updates; the friend may pass it on to the server.
    fn gossip(&mut self, client: usize) {
        let from = &self.clients[self.rng.below(self.clients.len() as u64) as usize];
        if from.epoch.is_none() || from.epoch != self.clients[client].epoch || from.replica.parts.is_empty() {
            return;
        }
        let part = self.rng.below(from.replica.parts.len() as u64) as usize;
        let update = from.replica.parts[part].bytes().clone();
        self.clients[client].replica.apply(&update);
        if self.rng.one_in(2) {
            self.clients[client].send_update(update);
        }
    }

    fn ask_again(&mut self, client: usize) {
        let client = &mut self.clients[client];
        // A Hocuspocus provider begins to count anew, and is then told of what is on its way: that is its own affair.
        if client.dialect == Dialect::Hocuspocus {
            return;
        }
        let vector = client.replica.vector.encode().into();
        if let Some(socket) = client.socket.as_mut().filter(|socket| socket.is_open) {
            socket.to_server.push_back(ClientMessage::Step1(vector));
        }
    }

    /// The disk takes some of what waits for it, in one transaction.
    fn commit(&mut self) {
        if self.disk.is_failing {
            return;
        }
        for _ in 0..=self.rng.below(6) {
            let Some(event) = self.disk.queue.pop_front() else { break };
            let answer = self.disk.take(event);
            self.hub.handle_input(answer, self.now);
        }
        self.poll();
    }

    fn disk_fails(&mut self) {
        if self.disk.is_failing {
            self.disk.is_failing = false;
            return self.input(Input::StorageWell);
        }
        if self.rng.one_in(2) {
            self.disk.is_failing = true;
            self.input(Input::StorageFailing { reason: "no space".into() });
        }
        // The store's queue is full: it gives back what came last.
        if self.rng.one_in(2) {
            let keeps = self.rng.below(self.disk.queue.len() as u64 + 1) as usize;
            if self.disk.queue.iter().skip(keeps).all(|event| matches!(event, Event::Append { .. })) {
                let given_back = self.disk.queue.split_off(keeps);
                if let Some(Event::Append { doc, epoch, seq: from, .. }) = given_back.front().cloned() {
                    self.input(Input::CommitFailed { doc, epoch, from, reason: "full".into() });
                }
            }
        }
    }

    fn work(&mut self) {
        let Some(job) = self.job.take() else { return };
        let (doc, epoch, generation) = (job.doc().clone(), job.epoch(), job.generation());
        let result = match self.rng.below(4) {
            0 => Err("out of memory".into()),
            1 => Ok(job.prove(engine(job.parts())).expect("the engine loses nothing")),
            _ => Ok(job.prove(job.merged().expect("the parts are sound")).expect("a merge loses nothing")),
        };
        self.input(Input::Compacted { doc, epoch, generation, result });
    }

    fn pass(&mut self) {
        let most = if self.rng.one_in(4) { 200_000 } else { 3_000 };
        let end = self.now + Duration::from_millis(self.rng.below(most));
        self.pass_until(end);
    }

    fn pass_until(&mut self, end: Instant) {
        while let Some(at) = self.hub.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.hub.handle_timeout(self.now);
            self.poll();
        }
        self.now = end;
    }

    /// The process dies. What was not committed is gone.
    fn crash(&mut self) {
        self.hub = Hub::new(self.limits);
        self.disk.queue.clear();
        self.disk.is_failing = false;
        self.job = None;
        self.clients.iter_mut().for_each(|client| client.socket = None);
    }

    fn erase(&mut self) {
        // An erasure counts when it is on disk; one that a crash undoes would be one that nobody was told of.
        if self.erases && !self.disk.is_failing {
            self.job = None;
            self.input(Input::Erase { request: 0, doc: doc() });
            while let Some(event) = self.disk.queue.pop_front() {
                let answer = self.disk.take(event);
                self.input(answer);
            }
        }
    }

    /// Everything works, and everybody is there, until nothing moves.
    fn calm_down(&mut self) {
        self.disk.is_failing = false;
        self.input(Input::StorageWell);
        for _ in 0..200 {
            for client in 0..self.clients.len() {
                self.connect(client);
                for turn in 0.. {
                    if self.clients[client].socket.as_ref().is_none_or(Socket::is_quiet) {
                        break;
                    }
                    self.client_sends(client);
                    self.client_reads(client);
                    assert!(turn < 10_000, "they never stop talking");
                }
            }
            self.commit();
            self.work();
            self.pass_until(self.now + Duration::from_millis(300));
            let are_quiet = |client: &Client| client.socket.as_ref().is_some_and(Socket::is_quiet);
            let is_clean = self.disk.queue.is_empty() && self.hub.stats().dirty_bytes == 0;
            if is_clean && self.clients.iter().all(are_quiet) {
                return;
            }
        }
        panic!("it never ends");
    }

    fn check(&mut self) {
        self.hub.handle_input(Input::Read { request: 0, doc: doc() }, self.now);
        while let Some(event) = self.hub.poll_event() {
            match event {
                Event::State { parts, .. } => return self.check_state(&parts),
                other => self.event(other),
            }
        }
        panic!("expected the state");
    }

    fn check_state(&self, parts: &[Bytes]) {
        let (vector, deletes) = content(parts);
        assert_eq!(self.hub.stats().held_updates, 0, "nothing is missing");
        for client in &self.clients {
            assert!(client.replica.pending.is_empty(), "{} lacks something", client.author);
            assert_eq!(client.replica.vector, vector, "{}", client.author);
            assert_eq!(client.replica.deletes, deletes, "{}", client.author);
            let socket = client.socket.as_ref().expect("it is connected");
            if client.dialect == Dialect::Native {
                assert_eq!(socket.acked, socket.sent.len(), "everything is settled");
            }
        }
        let mut hub = Hub::new(self.limits);
        hub.handle_input(Input::Read { request: 0, doc: doc() }, self.now);
        hub.handle_input(Input::Loaded { doc: doc(), result: Ok(self.disk.stored.clone()) }, self.now);
        let Some(Event::State { parts: stored, .. }) = std::iter::from_fn(|| hub.poll_event()).last() else {
            panic!("expected the state on disk");
        };
        assert_eq!(content(&stored), (vector, deletes), "the disk has it all");
        let whole: Vec<_> = self.clients[0].replica.parts.iter().map(|part| part.bytes().clone()).collect();
        assert_eq!(text(parts), text(&whole), "to an engine, too");
        assert_eq!(text(&stored), text(&whole));
    }
}

impl Client {
    fn socket_of(&mut self, follower: FollowerId) -> Option<&mut Socket> {
        self.socket.as_mut().filter(|socket| socket.follower == follower)
    }

    fn connect(&mut self, follower: FollowerId) {
        let is_open = self.dialect != Dialect::Native;
        let (to_server, to_client) = (VecDeque::new(), VecDeque::new());
        let sent = vec![];
        let socket = Socket { follower, is_open, to_server, to_client, sent, acked: 0, refused: vec![], unsynced: 1 };
        self.socket = Some(socket);
        if is_open {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let vector = self.replica.vector.encode().into();
        if let Some(socket) = &mut self.socket {
            socket.is_open = true;
            socket.to_server.push_back(ClientMessage::Step1(vector));
        }
    }

    fn send_update(&mut self, update: Bytes) {
        if let Some(socket) = self.socket.as_mut().filter(|socket| socket.is_open) {
            socket.sent.push(update.clone());
            socket.unsynced += 1;
            socket.to_server.push_back(ClientMessage::Update(update));
        }
    }

    /// The document is another one: an empty copy, and a new name to write under.
    fn begin_anew(&mut self, epoch: Option<Epoch>, next_author: &mut u64) {
        *next_author += 1;
        (self.author, self.replica, self.epoch) = (*next_author, Replica::default(), epoch);
    }

    /// Whether the socket is closed now.
    fn read(&mut self, message: ServerMessage, disk: &Disk, next_author: &mut u64) -> bool {
        let Some(socket) = &mut self.socket else { return true };
        let epoch = self.epoch.unwrap_or(Epoch::FIRST);
        match message {
            ServerMessage::Opened { epoch, .. } => {
                if self.epoch.is_some_and(|before| before != epoch) {
                    self.begin_anew(Some(epoch), next_author);
                }
                self.epoch = Some(epoch);
                self.ask();
            }
            ServerMessage::Step1(vector) => {
                let update = self.replica.lacking(&StateVector::decode(&vector).expect("a vector"));
                if self.dialect == Dialect::Native {
                    socket.sent.push(update.clone());
                }
                socket.to_server.push_back(ClientMessage::Step2(update));
            }
            ServerMessage::Step2(update) | ServerMessage::Update(update) => self.replica.apply(&update),
            ServerMessage::Ack { count } => {
                let news = socket.acked..count as usize;
                assert!(news.start < news.end && news.end <= socket.sent.len(), "an ack of nothing");
                for number in news.filter(|number| !socket.refused.contains(&(*number as u64 + 1))) {
                    assert!(
                        disk.has(epoch, &socket.sent[number]),
                        "update {number} was acknowledged and is not on disk"
                    );
                }
                socket.acked = count as usize;
            }
            ServerMessage::SyncStatus { is_saved } => {
                socket.unsynced = socket.unsynced.saturating_sub(u64::from(is_saved));
                if socket.unsynced == 0 {
                    let is_saved = |update| disk.amounts.keys().any(|epoch| disk.has(*epoch, update));
                    assert!(socket.sent.iter().all(is_saved), "the provider shows a change as saved that is not");
                }
            }
            ServerMessage::Durable { vector, deletes } => {
                let (vector, deletes) = (StateVector::decode(&vector).unwrap(), DeleteSet::decode(&deletes).unwrap());
                let amount = disk.amounts.get(&epoch).cloned().unwrap_or_default();
                assert!(amount.contains_state(&vector, &deletes), "it is not durable");
            }
            ServerMessage::Refused { number, .. } => socket.refused.push(number),
            ServerMessage::Closed { code } => {
                if code == CloseCode::Gone {
                    self.begin_anew(None, next_author);
                }
                return true;
            }
            ServerMessage::Awareness(_)
            | ServerMessage::QueryAwareness
            | ServerMessage::Storage { .. }
            | ServerMessage::Access(_) => {}
        }
        false
    }
}

impl Socket {
    fn is_quiet(&self) -> bool {
        self.to_server.is_empty() && self.to_client.is_empty()
    }
}

impl Disk {
    fn has(&self, epoch: Epoch, update: &Bytes) -> bool {
        self.amounts.get(&epoch).is_some_and(|amount| amount.contains(update)) || update[..] == [0, 0]
    }

    fn take(&mut self, event: Event) -> Input {
        let empty = Stored { epoch: Epoch::FIRST, snapshot: None, tail: vec![], former_authors: vec![] };
        let stored = self.stored.get_or_insert(empty);
        match event {
            Event::Append { doc, epoch, seq, body, .. } => {
                assert_eq!(epoch, stored.epoch);
                self.amounts.entry(epoch).or_default().add(&body);
                stored.tail.push((seq, body));
                Input::Committed { doc, epoch, through: seq }
            }
            Event::Snapshot { doc, epoch, generation, through, body, vector, deletes } => {
                assert_eq!(epoch, stored.epoch);
                stored.tail.retain(|(seq, _)| *seq > through);
                stored.snapshot = Some(StoredSnapshot { generation, through, body, vector, deletes });
                let mut present = Amount::default();
                stored.tail.iter().for_each(|(_, body)| present.add(body));
                stored.snapshot.iter().for_each(|snapshot| present.add(&snapshot.body));
                let before = &self.amounts[&epoch];
                assert!(present.units.contains_all(&before.units), "units went with the old snapshot");
                assert!(present.deletes.contains_all(&before.deletes), "deletes went with the old snapshot");
                Input::SnapshotWritten { doc, epoch, generation, is_committed: true }
            }
            Event::Erased { doc, epoch, former_authors, .. } => {
                *stored = Stored { epoch, snapshot: None, tail: vec![], former_authors };
                Input::Committed { doc, epoch, through: 0 }
            }
            other => panic!("not for the disk: {other:?}"),
        }
    }
}

fn applied(parts: &[Bytes]) -> yrs::Doc {
    use yrs::Transact;
    use yrs::updates::decoder::Decode;
    let doc = yrs::Doc::with_options(yrs::Options { offset_kind: yrs::OffsetKind::Utf16, ..Default::default() });
    let mut transaction = doc.transact_mut();
    for part in parts {
        transaction.apply_update(yrs::Update::decode_v1(part).expect("yrs reads it")).expect("yrs takes it");
    }
    drop(transaction);
    doc
}

fn engine(parts: &[Bytes]) -> Bytes {
    use yrs::{ReadTxn, Transact};
    applied(parts).transact().encode_state_as_update_v1(&yrs::StateVector::default()).into()
}

fn text(parts: &[Bytes]) -> String {
    use yrs::{GetString, Transact};
    let doc = applied(parts);
    let text = doc.get_or_insert_text("note");
    text.get_string(&doc.transact())
}

fn run(seed: u64) {
    let mut simulation = Simulation::new(seed);
    let steps = 20 + simulation.rng.below(180);
    for _ in 0..steps {
        simulation.step();
    }
    simulation.calm_down();
    simulation.check();
}

#[test]
fn nothing_acknowledged_is_ever_missing_and_all_copies_become_one() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let first = number("STOA_SEED").unwrap_or(0);
    for seed in first..first + number("STOA_SWEEP").unwrap_or(10_000) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            let words = panic.downcast_ref::<&str>().copied();
            panic!("seed {seed}: {:?}", panic.downcast_ref::<String>().map_or(words, |words| Some(words)));
        }
    }
}
