use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use crate::clock::WallClock;
use crate::close::CloseCode;
use crate::edge::Edge;
use crate::frame::Frame;
use crate::limits::Limits;
use crate::media::{MediaReport, MediaRequest};
use crate::message::{ChatEntry, DocumentsGrant, IceServer};
use crate::owner::Owner;
use crate::seam::ToEdge;
use crate::token::Keys;
use crate::turn::TurnSigner;

/// The control plane of a single process: one edge and one owner, joined.
#[derive(Debug)]
pub struct Control {
    edge: Edge,
    owner: Owner,
    events: VecDeque<Event>,
}

/// What the driver reports. Connection ids are the driver's and are never reused.
#[derive(Debug)]
pub enum Command {
    /// A socket was accepted.
    Opened {
        /// Its id.
        connection: ConnectionId,
        /// Where its client is, for limits per address.
        address: Option<IpAddr>,
        /// What its client shall use for ICE; depends on the address it reached us by. Entries of a relay get their credentials in the
        /// `welcome`.
        ice_servers: Vec<IceServer>,
    },
    /// A text message arrived.
    Text {
        /// On which socket.
        connection: ConnectionId,
        /// Its content.
        text: String,
    },
    /// A binary message arrived.
    Binary {
        /// On which socket.
        connection: ConnectionId,
    },
    /// A message was refused because of its size.
    TooLarge {
        /// On which socket.
        connection: ConnectionId,
    },
    /// A socket does not take what others than the control plane send on it.
    TooSlow {
        /// Which.
        connection: ConnectionId,
    },
    /// A WebSocket ping or pong arrived.
    Heard {
        /// On which socket.
        connection: ConnectionId,
    },
    /// A frame of [`Action::Send`] reached the kernel.
    Written {
        /// On which socket.
        connection: ConnectionId,
        /// How many bytes its text had.
        bytes: usize,
    },
    /// The socket is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// The client's close code, if it closed with one.
        code: Option<u16>,
    },
    /// The chat's log answers [`ChatRequest::Append`].
    ChatAppended {
        /// Which.
        request: u64,
        /// The line's place and time (milliseconds since 1970), or why it is not kept.
        result: Result<(u64, u64), String>,
    },
    /// The chat's log answers [`ChatRequest::Read`].
    ChatRead {
        /// Which.
        request: u64,
        /// Lines in order, and whether there are more before them; or why they cannot be read.
        result: Result<(Vec<ChatEntry>, bool), String>,
    },
    /// The SFU has something to say.
    Media(MediaReport),
    /// The process is about to end: send everybody away and accept nobody.
    Drain,
}

/// What the log of the chats is asked for. Each is answered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatRequest {
    /// Keep a line; answered by [`Command::ChatAppended`] when it is on disk.
    Append {
        /// For the answer.
        request: u64,
        /// In which room.
        room: String,
        /// Who wrote it.
        participant: ParticipantId,
        /// Their name.
        name: String,
        /// What.
        text: String,
    },
    /// Tell earlier lines; answered by [`Command::ChatRead`].
    Read {
        /// For the answer.
        request: u64,
        /// Of which room.
        room: String,
        /// Only lines before this one.
        before: Option<u64>,
        /// At most so many.
        limit: u32,
    },
}

/// Something to do with a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Which.
    pub connection: ConnectionId,
    /// What.
    pub action: Action,
}

/// What to do with a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It now carries this session.
    Bind(Bound),
    /// What its participant may do with documents has changed.
    Documents(DocumentsGrant),
    /// Send a text message (UTF-8).
    Send(Frame),
    /// Send a WebSocket ping.
    Ping,
    /// Close it; nothing follows.
    Close(CloseCode),
}

/// Whom a socket speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The session.
    pub session: SessionId,
    /// Its participant.
    pub participant: ParticipantId,
    /// Their room.
    pub room: String,
    /// Who they are to the application, where tokens are asked for.
    pub identity: Option<Box<str>>,
    /// What they may do with documents.
    pub documents: DocumentsGrant,
}

/// A fact for logs and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session began or was taken up again on a socket.
    SessionBound {
        /// The session.
        session: SessionId,
        /// Its participant.
        participant: ParticipantId,
        /// Its room.
        room: String,
        /// Whether it existed before.
        resumed: bool,
    },
    /// A session is over.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// A `hello` was refused by the room's owner.
    Refused {
        /// With which code.
        code: CloseCode,
    },
}

/// Present numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open sockets.
    pub connections: usize,
    /// Sessions, those without a socket included.
    pub sessions: usize,
    /// Rooms with somebody in them.
    pub rooms: usize,
}

impl Control {
    /// An empty control plane. `seed` must be unpredictable: ids and resume secrets come from it.
    #[must_use]
    pub fn new(limits: Limits, keys: Keys, seed: [u8; 32], wall_clock: WallClock) -> Self {
        Self {
            edge: Edge::new(limits, keys.clone(), wall_clock),
            owner: Owner::new(limits, keys, seed, wall_clock),
            events: VecDeque::new(),
        }
    }

    /// Gives sessions credentials of a relay from here on.
    pub fn set_turn(&mut self, turn: Option<TurnSigner>) {
        self.owner.set_turn(turn);
    }

    /// Says whether there is an SFU. Without one, rooms stay a mesh whatever their size.
    pub fn set_media(&mut self, has_media: bool) {
        self.owner.set_sfu(has_media);
    }

    /// Tells the time of day anew; a machine's clock may be set while it runs.
    pub fn set_wall_clock(&mut self, wall_clock: WallClock) {
        self.edge.set_wall_clock(wall_clock);
        self.owner.set_wall_clock(wall_clock);
    }

    /// Takes in one report of the driver.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Opened { connection, address, ice_servers } => {
                self.edge.opened(connection, address, ice_servers, now);
            }
            Command::Text { connection, text } => self.edge.text(connection, &text, now),
            Command::Binary { connection } => self.edge.binary(connection),
            Command::TooSlow { connection } => self.edge.too_slow(connection),
            Command::TooLarge { connection } => self.edge.too_large(connection),
            Command::Heard { connection } => self.edge.heard(connection, now),
            Command::Written { connection, bytes } => self.edge.written(connection, bytes),
            Command::Closed { connection, code } => self.edge.closed(connection, code),
            Command::ChatAppended { request, result } => self.owner.chat_appended(request, result, now),
            Command::ChatRead { request, result } => self.owner.chat_read(request, result, now),
            Command::Media(report) => self.owner.media_reported(report, now),
            Command::Drain => self.edge.drain(|| self.owner.random()),
        }
        self.settle(now);
    }

    /// Fires everything due at `now`; afterwards `poll_timeout` is later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.edge.handle_timeout(now);
        self.owner.handle_timeout(now);
        self.settle(now);
    }

    /// Takes the next thing to do with a socket.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.edge.poll_outgoing()
    }

    /// Takes the next question to the log of the chats.
    pub fn poll_chat(&mut self) -> Option<ChatRequest> {
        self.owner.poll_chat()
    }

    /// Takes the next order for the SFU.
    pub fn poll_media(&mut self) -> Option<MediaRequest> {
        self.owner.poll_media()
    }

    /// Takes the next fact.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` wants to be called; `None` means nothing is pending. To be asked last, before the driver waits: frames
    /// that were reported as written by then need no timer.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.owner.watch_stalls();
        [self.edge.poll_timeout(), self.owner.poll_timeout()].into_iter().flatten().min()
    }

    /// Present numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { connections: self.edge.connections(), sessions: self.owner.sessions(), rooms: self.owner.rooms() }
    }

    /// Carries messages between edge and owner until both are quiet.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(message) = self.edge.poll_owner() {
                self.owner.handle(message, now);
            } else if let Some(message) = self.owner.poll_edge() {
                self.note(&message);
                self.edge.handle(message);
            } else {
                return;
            }
        }
    }

    fn note(&mut self, message: &ToEdge) {
        match message {
            ToEdge::Bind { session, participant, room, resumed, .. } => self.events.push_back(Event::SessionBound {
                session: *session,
                participant: *participant,
                room: room.to_string(),
                resumed: *resumed,
            }),
            ToEdge::Ended { session } => self.events.push_back(Event::SessionEnded { session: *session }),
            ToEdge::Refuse { code, .. } => self.events.push_back(Event::Refused { code: *code }),
            ToEdge::Send { .. } | ToEdge::Close { .. } | ToEdge::Documents { .. } => {}
        }
    }
}
