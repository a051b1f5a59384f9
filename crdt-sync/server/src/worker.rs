//! A thread with a hub: it takes commands of sockets and answers of the disk, and hands out what the hub says.

mod batch;
mod requests;
mod state;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stoa_base_types::{Access, DocName, FollowerId};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Attach, Event, Hub, Input, Transmit};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{error, info, warn};

use crate::config::Limits;
use crate::crew::Crew;
use crate::mailbox::{Mailbox, Post};
use crate::material;
use crate::storage::Storage;
use crate::voice::{Announcer, Voice};
use batch::Batch;
pub(crate) use batch::BatchDone;
use requests::Requests;
pub(crate) use requests::{Answer, Request, RequestFailure, State, What};
use state::Followed;

/// What sockets and requests want. They wait while too much of it is there.
#[derive(Debug)]
pub(crate) enum Command {
    Attach {
        attach: Attach,
        mailbox: Mailbox,
        voice: Voice,
    },
    Message {
        follower: FollowerId,
        message: ClientMessage,
        room: Option<OwnedSemaphorePermit>,
    },
    SetAccess {
        follower: FollowerId,
        access: Access,
    },
    Close {
        follower: FollowerId,
        code: CloseCode,
    },
    /// Text for the other providers that follow the document.
    Stateless {
        follower: FollowerId,
        text: String,
    },
    Detach {
        follower: FollowerId,
    },
    Request(Request),
}

/// What answers something that the worker did; never more of it than of that.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Of the disk, the quota, or a crew.
    Input(Input),
    /// Something was written to a socket whose follower is slow.
    Written {
        follower: FollowerId,
        cost: usize,
    },
    Committed(BatchDone),
    /// Everybody is sent away; told when everything is committed.
    Drain(oneshot::Sender<()>),
    /// The thread ends.
    Stop,
}

/// What a worker shares with others.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) limits: Limits,
    pub(crate) storage: Storage,
    pub(crate) crew: Crew<()>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

/// One document worker.
#[derive(Debug)]
pub(crate) struct Worker {
    around: Surroundings,
    hub: Hub,
    sinks: HashMap<FollowerId, Sink>,
    followed: Followed,
    requests: Requests,
    batch: Batch,
    /// Batches in the store's hands.
    in_flight: usize,
    /// After a panic nothing is read until the store has done what it was given before.
    waiting_loads: Vec<DocName>,
    is_recovering: bool,
    failing: Option<Arc<str>>,
    is_full: bool,
    drain: Option<oneshot::Sender<()>>,
    is_draining: bool,
    is_stopped: bool,
    published: state::Published,
}

/// Where a follower's messages go.
#[derive(Debug)]
struct Sink {
    doc: DocName,
    mailbox: Mailbox,
    voice: Voice,
}

impl Worker {
    pub(crate) fn new(around: Surroundings) -> Self {
        Self {
            hub: Hub::new(around.limits.hub),
            sinks: HashMap::new(),
            followed: Followed::default(),
            requests: Requests::default(),
            batch: Batch::default(),
            in_flight: 0,
            waiting_loads: Vec::new(),
            is_recovering: false,
            failing: None,
            is_full: false,
            drain: None,
            is_draining: false,
            is_stopped: false,
            published: state::Published::default(),
            around,
        }
    }

    /// Works until told to stop.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut notices: mpsc::UnboundedReceiver<Notice>,
    ) {
        let (mut some_commands, mut some_notices) = (Vec::with_capacity(TURN), Vec::with_capacity(TURN));
        // A closed channel is ready for ever.
        let (mut may_command, mut may_notice) = (true, true);
        let mut breath = Breath::default();
        while !self.is_stopped {
            let timeout = self.next_timeout().into_iter().chain(breath.until).min();
            let listens = may_command && breath.until.is_none();
            tokio::select! {
                biased;
                count = notices.recv_many(&mut some_notices, TURN), if may_notice => may_notice = count > 0,
                count = commands.recv_many(&mut some_commands, TURN), if listens => may_command = count > 0,
                () = sleep_until(timeout) => {}
            }
            if breath.is_over(now()) {
                while some_commands.len() < TURN
                    && let Ok(command) = commands.try_recv()
                {
                    some_commands.push(command);
                }
                breath.note(some_commands.len(), now());
            }
            let turn = AssertUnwindSafe(|| self.turn(&mut some_commands, &mut some_notices));
            if catch_unwind(turn).is_err() {
                some_commands.clear();
                self.recover();
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let batch = self.batch.next_due(self.around.limits.hub.retry_after);
        let due = [self.hub.poll_timeout(), self.followed.next_due(), self.published.next_due(), batch];
        due.into_iter().flatten().min()
    }

    fn turn(&mut self, commands: &mut Vec<Command>, notices: &mut Vec<Notice>) {
        let now = now();
        // One at a time, so that after a panic the others are still there.
        while !notices.is_empty() {
            let notice = notices.remove(0);
            self.notice(notice, now);
        }
        for command in commands.drain(..) {
            self.command(command, now);
        }
        self.hub.handle_timeout(now);
        while let Some(doc) = self.followed.take_due(now) {
            self.make_version(doc, now);
        }
        self.flush(now);
        self.published.publish(self.hub.stats(), now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Attach { attach, mailbox, voice } => {
                let (id, doc) = (attach.follower, attach.doc.clone());
                self.followed.attach(&doc, id);
                self.sinks.insert(id, Sink { doc, mailbox, voice });
                self.hub.handle_input(Input::Attach(attach), now);
            }
            Command::Message { follower, message, room } => {
                self.hub.handle_input(Input::Message { follower, message }, now);
                drop(room);
            }
            Command::SetAccess { follower, access } => {
                self.hub.handle_input(Input::SetAccess { follower, access }, now);
            }
            Command::Close { follower, code } => self.hub.handle_input(Input::Close { follower, code }, now),
            Command::Detach { follower } => {
                if let Some(sink) = self.sinks.remove(&follower) {
                    sink.mailbox.forget(follower);
                    self.hub.handle_input(Input::Detach { follower }, now);
                    self.departed(&sink.doc, follower, now);
                }
            }
            Command::Stateless { follower, text } => self.pass_on(follower, &text),
            Command::Request(request) => self.request(request, now),
        }
    }

    fn notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Input(input) => self.answer(input, now),
            Notice::Written { follower, cost } => self.hub.handle_input(Input::Written { follower, cost }, now),
            Notice::Committed(done) => self.committed(done, now),
            Notice::Drain(done) => {
                self.is_draining = true;
                self.drain = Some(done);
                self.hub.handle_input(Input::Drain, now);
                self.around.storage.hurry();
            }
            Notice::Stop => self.is_stopped = true,
        }
    }

    /// Remembers what a new hub would have to be told.
    fn answer(&mut self, input: Input, now: Instant) {
        if let Input::StorageFailing { reason } = &input {
            warn!(%reason, "the disk refuses; documents are read-only until it takes what waits");
            self.failing = Some(reason.clone());
        } else if matches!(input, Input::StorageWell) && self.failing.take().is_some() {
            info!("the disk is well again");
        } else if let Input::Quota { is_full } = input {
            self.is_full = is_full;
        }
        self.hub.handle_input(input, now);
    }

    /// Hands out everything that the hub has to say.
    fn flush(&mut self, now: Instant) {
        loop {
            let mut is_quiet = true;
            // The disk works while messages go out.
            let mut dropped = Vec::new();
            while let Some(event) = self.hub.poll_event() {
                is_quiet = false;
                self.event(event, &mut dropped, now);
            }
            self.submit(now);
            while let Some(transmit) = self.hub.poll_transmit() {
                is_quiet = false;
                self.transmit(&transmit, now);
            }
            for follower in dropped {
                self.drop_queue(follower, now);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn transmit(&mut self, transmit: &Transmit, now: Instant) {
        let closed = match transmit.message {
            ServerMessage::Closed { code } => Some(code),
            ServerMessage::Step1(_)
            | ServerMessage::Step2(_)
            | ServerMessage::Update(_)
            | ServerMessage::Awareness(_)
            | ServerMessage::QueryAwareness
            | ServerMessage::Opened { .. }
            | ServerMessage::Ack { .. }
            | ServerMessage::SyncStatus { .. }
            | ServerMessage::Durable { .. }
            | ServerMessage::Storage { .. }
            | ServerMessage::Refused { .. }
            | ServerMessage::Access(_) => None,
        };
        let (cost, is_droppable) = (transmit.message.cost(), transmit.message.is_droppable());
        let mut announcer = Announcer::new(&transmit.doc, &transmit.message);
        for follower in transmit.to.iter() {
            let Some(sink) = self.sinks.get(&follower) else { continue };
            let told = match announcer.say(&sink.voice) {
                Some(frame) => sink.mailbox.push(Post {
                    follower: Some(follower),
                    frame,
                    cost,
                    is_droppable,
                    is_last: closed.is_some(),
                }),
                // The hub counts what it hands out, whether there is a word for it or not.
                None => cost,
            };
            if told > 0 {
                self.hub.handle_input(Input::Written { follower, cost: told }, now);
            }
        }
        if let Some(code) = closed {
            for follower in transmit.to.iter() {
                self.closed(follower, code, now);
            }
        }
    }

    /// The hub has said its last word to a follower.
    fn closed(&mut self, follower: FollowerId, code: CloseCode, now: Instant) {
        let Some(sink) = self.sinks.remove(&follower) else { return };
        metrics::counter!("stoa_documents_closed_total", "code" => code.number().to_string()).increment(1);
        if let Some(closing) = sink.voice.closing(code) {
            sink.mailbox.close(closing);
        }
        self.departed(&sink.doc, follower, now);
    }

    fn departed(&mut self, doc: &DocName, follower: FollowerId, now: Instant) {
        if self.followed.depart(doc, follower) && !self.is_draining {
            self.make_version(doc.clone(), now);
        }
    }

    fn drop_queue(&mut self, follower: FollowerId, now: Instant) {
        let Some(sink) = self.sinks.get(&follower) else { return };
        let cost = sink.mailbox.drop_queue(follower);
        if cost > 0 {
            self.hub.handle_input(Input::Written { follower, cost }, now);
        }
    }

    /// Text of one provider for all others that follow the same document.
    fn pass_on(&self, from: FollowerId, text: &str) {
        use stoa_crdt_sync_core::wire::hocuspocus::{Outgoing, encode};

        let Some(doc) = self.sinks.get(&from).map(|sink| &sink.doc) else { return };
        for follower in self.followed.followers(doc).filter(|follower| *follower != from) {
            let Some(Sink { mailbox, voice: Voice::Hocuspocus(address), .. }) = self.sinks.get(&follower) else {
                continue;
            };
            if let Some(bytes) = encode(address.as_str(), &Outgoing::Stateless(text)) {
                mailbox.push(Post::own(&bytes));
            }
        }
    }

    fn event(&mut self, event: Event, dropped: &mut Vec<FollowerId>, now: Instant) {
        match event {
            Event::Load { doc } if self.is_recovering => self.waiting_loads.push(doc),
            Event::Load { doc } => self.load(doc),
            Event::ReadSnapshot { doc, generation } => self.read_snapshot(doc, generation),
            Event::Append { doc, epoch, seq, body, is_awaited } => {
                metrics::counter!("stoa_documents_update_bytes_total").increment(body.len() as u64);
                self.followed.edited(&doc, now, self.around.limits.version_interval);
                self.batch.append(doc, epoch, seq, body, is_awaited);
            }
            Event::Compact(job) => {
                let notices = self.around.notices.clone();
                self.around.crew.give(move |()| {
                    let result = material::compact(&job);
                    let (doc, epoch, generation) = (job.doc().clone(), job.epoch(), job.generation());
                    let _ = notices.send(Notice::Input(Input::Compacted { doc, epoch, generation, result }));
                });
            }
            Event::Snapshot { doc, epoch, generation, through, body, vector, deletes } => {
                self.batch.snapshot(doc, epoch, generation, through, body, vector, deletes);
            }
            Event::DropQueue { follower } => dropped.push(follower),
            Event::Erased { request, doc, epoch, former_authors } => {
                self.batch.erase(request, doc, epoch, former_authors);
            }
            Event::Edited { request, epoch, seq } => self.requests.answer(request, Ok(Answer::Edited { epoch, seq })),
            Event::State { request, epoch, seq, parts } => self.state(request, State { epoch, seq, parts }),
            Event::RequestFailed { request, error } => self.requests.answer(request, Err(error.into())),
            Event::Idle { doc } => {
                if self.followed.forget(&doc) && !self.is_draining {
                    self.make_version(doc, now);
                }
            }
            Event::Drained => {
                if let Some(done) = self.drain.take() {
                    let _ = done.send(());
                }
            }
            Event::Fault { doc, message } => warn!(%doc, message, "document"),
        }
    }

    /// The hub broke. Its followers come again, and send what was not acknowledged; what was is on disk, or on its way.
    fn recover(&mut self) {
        error!("a document worker failed; its documents are opened anew. This is a bug, please report the log");
        metrics::counter!("stoa_documents_worker_failures_total").increment(1);
        let code = CloseCode::Unavailable;
        let message = ServerMessage::Closed { code };
        let sinks: std::collections::BTreeMap<_, _> = std::mem::take(&mut self.sinks).into_iter().collect();
        for (follower, sink) in sinks {
            let frame = Announcer::new(&sink.doc, &message).say(&sink.voice);
            if let Some(frame) = frame {
                let cost = message.cost();
                sink.mailbox.push(Post { follower: Some(follower), frame, cost, is_droppable: false, is_last: true });
            }
            if let Some(closing) = sink.voice.closing(code) {
                sink.mailbox.close(closing);
            }
        }
        let now = now();
        self.hub = Hub::new(self.around.limits.hub);
        self.published.restart(now);
        self.followed = Followed::default();
        self.requests = Requests::default();
        // Nobody was told that this is saved.
        self.batch = Batch::default();
        self.waiting_loads.clear();
        self.is_recovering = self.in_flight > 0;
        if let Some(reason) = self.failing.clone() {
            self.hub.handle_input(Input::StorageFailing { reason }, now);
        }
        self.hub.handle_input(Input::Quota { is_full: self.is_full }, now);
        if self.is_draining {
            self.hub.handle_input(Input::Drain, now);
        }
    }
}

/// A worker that is woken for every message spends more on waking than on messages: while many come, it lets some gather.
#[derive(Debug, Default)]
struct Breath {
    /// Until when no commands are taken.
    until: Option<Instant>,
    /// When commands were last taken.
    taken_at: Option<Instant>,
}

impl Breath {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// So many commands were taken.
    fn note(&mut self, commands: usize, now: Instant) {
        self.until = None;
        if commands == 0 {
            return;
        }
        let before = self.taken_at.replace(now);
        let usual = BUSY_EACH.saturating_mul(u32::try_from(commands).unwrap_or(u32::MAX));
        if before.is_some_and(|before| now.saturating_duration_since(before) < usual) {
            self.until = Some(now + BREATH);
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn now() -> Instant {
    Instant::now()
}

/// So many commands are taken in before what they cause goes out.
const TURN: usize = 256;

/// More than one command in so much time is much.
const BUSY_EACH: Duration = Duration::from_millis(1);

/// How long commands may gather then: little beside the network, and beside the disk for those who wait for it.
const BREATH: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_gather_only_while_many_come() {
        let (mut breath, start) = (Breath::default(), now());
        let after = |micros| start + Duration::from_micros(micros);
        let mut taken = |commands, micros| {
            assert!(breath.is_over(after(micros)));
            breath.note(commands, after(micros));
            breath.until
        };
        assert_eq!(taken(5, 0), None, "after a quiet time, all at once");
        assert_eq!(taken(1, 1_000), None);
        assert_eq!(taken(1, 1_500), Some(after(3_500)), "a second one in a millisecond");
        assert_eq!(taken(3, 3_500), Some(after(5_500)), "three in two milliseconds");
        assert_eq!(taken(0, 5_500), None, "nobody came");
        assert_eq!(taken(4, 9_500), None);
        assert_eq!(taken(1, 9_600), Some(after(11_600)));
        assert!(!breath.is_over(after(11_599)));
    }
}
