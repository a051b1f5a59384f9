use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use metrics::Counter;
use stoa_base_types::{ConnectionId, SessionId};
use stoa_signaling_core::message::{ChatEntry, IceServer};
use stoa_signaling_core::{Action, ChatRequest, Command, Control, Event, MediaReport, Outgoing, Stats, WallClock};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::info;

use crate::mailbox::Mailbox;
use crate::ports::{ChatLine, ChatLog, Done, Media, MediaReports};

/// What sockets tell the control loop.
#[derive(Debug)]
pub(crate) enum Report {
    /// A socket was accepted; its actions go into this mailbox.
    Opened { connection: ConnectionId, mailbox: Mailbox, address: Option<IpAddr>, ice_servers: Vec<IceServer> },
    /// Anything else.
    Command(Command),
}

/// The task that owns the control plane. Sockets reach it through one bounded channel: when it is full they stop reading.
pub(crate) struct ControlLoop {
    control: Control,
    reports: mpsc::Receiver<Report>,
    mailboxes: HashMap<ConnectionId, Mailbox>,
    shown: Option<Stats>,
    chat: Option<Arc<dyn ChatLog>>,
    ended: Option<Ended>,
    /// What the chat's log answered; the core bounds how much is asked of it at a time.
    answers: mpsc::UnboundedReceiver<Command>,
    answer: mpsc::UnboundedSender<Command>,
    media: Option<Arc<dyn Media>>,
    media_reports: mpsc::Receiver<MediaReport>,
    /// Frames are put together here.
    scratch: Vec<u8>,
    /// Bytes of frames that the kernel took at once.
    written: Vec<(ConnectionId, usize)>,
    /// Looked up once: a frame costs little more than this look-up.
    frames_out: Counter,
}

/// Told when a session is over.
type Ended = Arc<dyn Fn(SessionId) + Send + Sync>;

impl ControlLoop {
    pub(crate) fn new(
        mut control: Control,
        reports: mpsc::Receiver<Report>,
        chat: Option<Arc<dyn ChatLog>>,
        media: Option<Arc<dyn Media>>,
        ended: Option<Ended>,
    ) -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        let (media_report, media_reports) = mpsc::channel(MAX_MEDIA_REPORTS);
        control.set_media(media.is_some());
        if let Some(media) = &media {
            media.report_to(MediaReports(media_report));
        }
        Self {
            control,
            reports,
            mailboxes: HashMap::new(),
            shown: None,
            chat,
            ended,
            answers,
            answer,
            media,
            media_reports,
            scratch: Vec::new(),
            written: Vec::new(),
            frames_out: metrics::counter!("stoa_signaling_frames_total", "direction" => "out"),
        }
    }

    /// Runs until every sender is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            self.show();
            let due = self.control.poll_timeout();
            tokio::select! {
                count = self.reports.recv_many(&mut batch, MAX_BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for report in batch.drain(..) {
                        self.take(report);
                    }
                }
                Some(report) = self.media_reports.recv() => self.take_media(report),
                Some(answer) = self.answers.recv() => self.control.handle_command(answer, Instant::now()),
                () = wait_until(due) => self.control.handle_timeout(Instant::now()),
            }
            self.carry_out();
        }
    }

    fn take(&mut self, report: Report) {
        let command = match report {
            Report::Opened { connection, mailbox, address, ice_servers } => {
                self.mailboxes.insert(connection, mailbox);
                self.control.set_wall_clock(wall_clock());
                Command::Opened { connection, address, ice_servers }
            }
            Report::Command(command) => command,
        };
        if let Command::Closed { connection, .. } = command {
            self.mailboxes.remove(&connection);
        }
        self.control.handle_command(command, Instant::now());
    }

    fn take_media(&mut self, first: MediaReport) {
        let mut next = Some(first);
        for _ in 0..MAX_BATCH {
            let Some(report) = next else { return };
            self.control.handle_command(Command::Media(report), Instant::now());
            next = self.media_reports.try_recv().ok();
        }
        if let Some(report) = next {
            self.control.handle_command(Command::Media(report), Instant::now());
        }
    }

    fn carry_out(&mut self) {
        while self.hand_out() {
            self.frames_out.increment(self.written.len() as u64);
            let now = Instant::now();
            for (connection, bytes) in self.written.drain(..) {
                self.control.handle_command(Command::Written { connection, bytes }, now);
            }
        }
        while let Some(request) = self.control.poll_chat() {
            self.ask_log(request);
        }
        self.order_media();
        while let Some(event) = self.control.poll_event() {
            if let (Event::SessionEnded { session }, Some(ended)) = (&event, &self.ended) {
                ended(*session);
            }
            note(event);
        }
    }

    /// Gives the sockets what there is for them, and notes what the kernel took at once; whether it took anything.
    fn hand_out(&mut self) -> bool {
        while let Some(Outgoing { connection, action }) = self.control.poll_transmit() {
            let is_last = match &action {
                Action::Close(code) => {
                    metrics::counter!("stoa_signaling_closed_total", "code" => code.number().to_string()).increment(1);
                    true
                }
                Action::Bind(_) | Action::Documents(_) | Action::Send(_) | Action::Ping => false,
            };
            let mailbox = self.mailboxes.get(&connection);
            if let Some(bytes) = mailbox.and_then(|mailbox| mailbox.deliver(action, &mut self.scratch)) {
                self.written.push((connection, bytes));
            }
            if is_last {
                self.mailboxes.remove(&connection);
            }
        }
        !self.written.is_empty()
    }

    fn order_media(&mut self) {
        let requests: Vec<_> = std::iter::from_fn(|| self.control.poll_media()).collect();
        if let Some(media) = self.media.as_ref().filter(|_| !requests.is_empty()) {
            media.carry_out(requests);
        }
    }

    fn ask_log(&self, request: ChatRequest) {
        let answer = self.answer.clone();
        // Nobody hears an answer that comes after the loop's end.
        match request {
            ChatRequest::Append { request, room, participant, name, text } => {
                let done: Done<(u64, u64)> =
                    Box::new(move |result| drop(answer.send(Command::ChatAppended { request, result })));
                match &self.chat {
                    Some(log) => log.append(ChatLine { room, participant, name, text }, done),
                    None => done(Err(NO_LOG.to_owned())),
                }
            }
            ChatRequest::Read { request, room, before, limit } => {
                let done: Done<(Vec<ChatEntry>, bool)> =
                    Box::new(move |result| drop(answer.send(Command::ChatRead { request, result })));
                match &self.chat {
                    Some(log) => log.read(room, before, limit, done),
                    None => done(Err(NO_LOG.to_owned())),
                }
            }
        }
    }

    fn show(&mut self) {
        let stats = self.control.stats();
        if self.shown != Some(stats) {
            gauge("stoa_signaling_connections", stats.connections);
            gauge("stoa_signaling_sessions", stats.sessions);
            gauge("stoa_signaling_rooms", stats.rooms);
            self.shown = Some(stats);
        }
    }
}

fn note(event: Event) {
    match event {
        Event::SessionBound { session, participant, room, resumed } => {
            let span = tracing::info_span!("session", id = %session);
            info!(parent: &span, %participant, room, resumed, "session bound");
            let kind = if resumed { "resumed" } else { "new" };
            metrics::counter!("stoa_signaling_sessions_bound_total", "kind" => kind).increment(1);
        }
        Event::SessionEnded { session } => {
            let span = tracing::info_span!("session", id = %session);
            info!(parent: &span, "session ended");
        }
        Event::Refused { code } => info!(code = code.number(), why = code.reason(), "hello refused"),
    }
}

/// The time of day as the system has it now.
pub(crate) fn wall_clock() -> WallClock {
    // A clock before 1970 is no clock; tokens then count as not yet expired and not yet valid.
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::new(Instant::now(), since_1970)
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of sockets are far below 2^52")]
fn gauge(name: &'static str, value: usize) {
    metrics::gauge!(name).set(value as f64);
}

/// What is answered where chats are not kept.
const NO_LOG: &str = "this server keeps no chats";
/// Reports of the SFU that wait for the control loop; when it is full, whoever brings them waits.
const MAX_MEDIA_REPORTS: usize = 4_096;
/// So that timers are looked at between bursts.
const MAX_BATCH: usize = 256;
