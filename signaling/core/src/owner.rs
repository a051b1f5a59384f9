mod arrival;
mod chat;
mod delivery;
mod media;
mod moderation;
mod requests;
mod topology;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stoa_base_types::{ConnectionId, Deadlines, SessionId};

use self::chat::PendingChat;
use self::media::MediaBooks;
use crate::clock::WallClock;
use crate::close::CloseCode;
use crate::control::ChatRequest;
use crate::limits::Limits;
use crate::message::{LeaveReason, ServerMessage};
use crate::name::RoomName;
use crate::room::{Member, Room};
use crate::seam::{Departure, ToEdge, ToOwner};
use crate::session::Session;
use crate::token::Keys;
use crate::turn::TurnSigner;

/// The rooms of one node and the sessions in them. Knows sockets only as ids to send to.
#[derive(Debug)]
pub(crate) struct Owner {
    limits: Limits,
    keys: Keys,
    turn: Option<TurnSigner>,
    wall_clock: WallClock,
    started: Instant,
    random: ChaCha20Rng,
    rooms: BTreeMap<RoomName, Room>,
    sessions: BTreeMap<SessionId, Session>,
    deadlines: Deadlines<Timer>,
    /// What all outboxes keep together.
    kept_bytes: usize,
    /// Sessions whose sockets were given something since everything was handed out, and when.
    given: Vec<(SessionId, Instant)>,
    to_edge: VecDeque<ToEdge>,
    /// For whoever keeps the chat.
    chat_requests: VecDeque<ChatRequest>,
    pending_chats: BTreeMap<u64, PendingChat>,
    last_chat_request: u64,
    media: MediaBooks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A socket took nothing for too long.
    Stall(SessionId),
    /// The page was left and did not come back.
    Leave(SessionId),
    /// The socket broke and did not come back.
    Hide(SessionId),
    /// The resume window is over.
    Expire(SessionId),
    /// The token ends soon.
    TokenNotice(SessionId),
    /// The token has ended.
    TokenEnd(SessionId),
    /// So few are in a room that media may go directly between them again.
    Calm(u64),
}

impl Timer {
    fn all(id: SessionId) -> [Self; 6] {
        [Self::Stall(id), Self::Leave(id), Self::Hide(id), Self::Expire(id), Self::TokenNotice(id), Self::TokenEnd(id)]
    }
}

impl Owner {
    pub(crate) fn new(limits: Limits, keys: Keys, seed: [u8; 32], wall_clock: WallClock) -> Self {
        Self {
            limits,
            keys,
            turn: None,
            wall_clock,
            started: wall_clock.made(),
            random: ChaCha20Rng::from_seed(seed),
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deadlines: Deadlines::new(),
            kept_bytes: 0,
            given: Vec::new(),
            to_edge: VecDeque::new(),
            chat_requests: VecDeque::new(),
            pending_chats: BTreeMap::new(),
            last_chat_request: 0,
            media: MediaBooks::default(),
        }
    }

    pub(crate) fn handle(&mut self, message: ToOwner, now: Instant) {
        match message {
            ToOwner::Enter { connection, hello } => self.enter(connection, *hello, now),
            ToOwner::Frame { connection, session, frame } => {
                if self.carries(session, connection) {
                    self.frame(session, *frame, now);
                }
            }
            ToOwner::Refreshed { connection, session, cid, ack, rights } => {
                if self.carries(session, connection) {
                    self.refreshed(session, cid, ack, *rights, now);
                }
            }
            ToOwner::Refused { connection, session, refusal, retry_after_ms } => {
                if self.carries(session, connection) {
                    let (code, message) = (refusal.code, refusal.message);
                    self.about_socket(session, refusal.cid, &ServerMessage::Error { code, message, retry_after_ms });
                }
            }
            ToOwner::Written { connection, session, bytes } => self.written(session, connection, bytes, now),
            ToOwner::Detached { connection, session, departure } => {
                if self.carries(session, connection) {
                    self.detach(session, departure, now);
                }
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::Stall(session) => self.cut_off(session, now),
                Timer::Leave(session) => self.end(session, LeaveReason::Left, now),
                Timer::Hide(session) => self.hide(session, now),
                Timer::Expire(session) => self.end(session, LeaveReason::Lost, now),
                Timer::TokenNotice(session) => self.announce_token_end(session, now),
                Timer::TokenEnd(session) => self.part_with(session, CloseCode::Authenticate, now),
                Timer::Calm(room) => self.calm_down(room, now),
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(crate) fn poll_edge(&mut self) -> Option<ToEdge> {
        self.to_edge.pop_front()
    }

    pub(crate) fn poll_chat(&mut self) -> Option<ChatRequest> {
        self.chat_requests.pop_front()
    }

    pub(crate) fn set_turn(&mut self, turn: Option<TurnSigner>) {
        self.turn = turn;
    }

    pub(crate) fn set_wall_clock(&mut self, wall_clock: WallClock) {
        self.wall_clock = wall_clock;
    }

    pub(crate) fn rooms(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    fn detach(&mut self, id: SessionId, departure: Departure, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.connection = None;
        session.in_flight = 0;
        let (participant, room) = (session.participant, session.room.clone());
        self.forget_stall(id);
        match departure {
            Departure::Closed => self.deadlines.set(Timer::Leave(id), now + self.limits.leave_grace),
            Departure::Broken => {
                self.deadlines.set(Timer::Hide(id), now + self.limits.lost_grace);
                self.deadlines.set(Timer::Expire(id), now + self.limits.resume_window);
            }
        }
        let is_last = |sessions: &BTreeMap<SessionId, Session>, member: &Member| {
            !member.sessions.iter().any(|id| sessions.get(id).is_some_and(|session| session.connection.is_some()))
        };
        let member = self.rooms.get_mut(&room).and_then(|room| room.member_mut(participant));
        if let Some(member) = member.filter(|member| is_last(&self.sessions, member)) {
            member.is_connected = false;
            self.announce_change(&room, participant, now);
        }
    }

    /// Takes somebody out of sight whose socket stays lost; they may still come back. Whose media flows is still there.
    fn hide(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (participant, room) = (session.participant, session.room.clone());
        let is_alive = session.leg().is_some_and(|leg| leg.is_alive);
        session.set_overdue(is_alive);
        if is_alive {
            return;
        }
        let member = self.rooms.get_mut(&room).and_then(|room| room.member_mut(participant));
        if let Some(member) = member.filter(|member| member.is_present && !member.is_connected) {
            (member.is_present, member.is_moderator) = (false, member.is_moderator && member.identity.is_some());
            for session in member.sessions.clone() {
                self.lose_leg(session, now);
            }
            self.announce_leave(&room, participant, LeaveReason::Lost, now);
            self.appoint_successor(&room, now);
            self.review_departure(&room, now);
        }
    }

    fn end(&mut self, id: SessionId, reason: LeaveReason, now: Instant) {
        for timer in Timer::all(id) {
            self.deadlines.clear(timer);
        }
        self.end_leg(id, now);
        let Some(session) = self.sessions.remove(&id) else { return };
        self.kept_bytes -= session.counted_bytes;
        self.to_edge.push_back(ToEdge::Ended { session: id });
        let Some(room) = self.rooms.get_mut(&session.room) else { return };
        let gone = room.remove_session(id, session.participant);
        if room.is_empty() {
            self.deadlines.clear(Timer::Calm(room.number));
            self.media.forget_room(room.number);
            self.rooms.remove(&session.room);
        } else if gone.is_some_and(|member| member.is_present) {
            self.announce_leave(&session.room, session.participant, reason, now);
            self.appoint_successor(&session.room, now);
            self.review_departure(&session.room, now);
        }
    }

    /// Whether this socket speaks for the session now; reports of an earlier one come late.
    fn carries(&self, session: SessionId, connection: ConnectionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.connection == Some(connection))
    }

    fn random_bits(&mut self) -> u128 {
        u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64())
    }
}
