use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stoa_base_types::{ConnectionId, Deadlines, ParticipantId, SessionId};

use crate::close::CloseCode;
use crate::frame::Body;
use crate::limits::Limits;
use crate::message::{
    ClientFrame, ClientMessage, ErrorCode, IceServer, LeaveReason, MediaState, Resume, ResumeFailure, ServerMessage,
};
use crate::name::{RoomName, parse_name};
use crate::outbox::Lane;
use crate::room::{Member, Room};
use crate::seam::{Departure, Hello, ToEdge, ToOwner};
use crate::session::Session;

/// The rooms of one node and the sessions in them. Knows sockets only as ids to send to.
#[derive(Debug)]
pub(crate) struct Owner {
    limits: Limits,
    random: ChaCha20Rng,
    rooms: BTreeMap<RoomName, Room>,
    sessions: BTreeMap<SessionId, Session>,
    deadlines: Deadlines<Timer>,
    to_edge: VecDeque<ToEdge>,
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
}

impl Owner {
    pub(crate) fn new(limits: Limits, seed: [u8; 32]) -> Self {
        Self {
            limits,
            random: ChaCha20Rng::from_seed(seed),
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deadlines: Deadlines::new(),
            to_edge: VecDeque::new(),
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
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(crate) fn poll_edge(&mut self) -> Option<ToEdge> {
        self.to_edge.pop_front()
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

    fn enter(&mut self, connection: ConnectionId, mut hello: Hello, now: Instant) {
        let failure = match hello.resume.take() {
            None => None,
            Some(resume) => match self.resumable(&resume, &hello.room) {
                None => Some(ResumeFailure::UnknownSession),
                Some(session) => return self.resume(connection, session, resume.last_seq, hello, now),
            },
        };
        let is_new = !self.rooms.contains_key(&hello.room);
        if is_new && self.rooms.len() >= self.limits.rooms {
            let message = "this server holds as many rooms as it can; try again later".to_owned();
            return self.refuse(connection, hello.cid, ErrorCode::ServerFull, message, CloseCode::ServerFull);
        }
        if self.is_full(&hello.room) {
            return self.refuse_full(connection, hello.cid);
        }
        let session = SessionId::from_bits(self.random_bits());
        let participant = ParticipantId::from_bits(self.random_bits());
        let member = Member {
            id: participant,
            name: hello.name,
            media: hello.media,
            is_connected: true,
            is_present: true,
            sessions: vec![session],
        };
        let joined = Body::new(&ServerMessage::ParticipantJoined { participant: member.view() });
        self.rooms.entry(hello.room.clone()).or_insert_with(Room::new).add(member);
        self.sessions.insert(session, Session::new(session, participant, hello.room.clone(), String::new()));
        self.bind(connection, session, false);
        self.welcome(session, hello.cid, failure, false, hello.ice_servers);
        self.broadcast(&hello.room, participant, Lane::Control, &joined, now);
    }

    /// The session that `resume` proves to own, if it is in this room.
    fn resumable(&self, resume: &Resume, room: &RoomName) -> Option<SessionId> {
        let session = self.sessions.get(&resume.session)?;
        (session.room == *room && session.is_secret(&resume.secret)).then_some(session.id)
    }

    fn resume(&mut self, connection: ConnectionId, id: SessionId, last_seq: u64, mut hello: Hello, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let participant = session.participant;
        let is_present =
            self.rooms.get(&hello.room).and_then(|room| room.member(participant)).is_some_and(|m| m.is_present);
        if !is_present && self.is_full(&hello.room) {
            return self.refuse_full(connection, hello.cid);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let is_whole = !session.is_over_window && session.outbox.rewind(last_seq);
        if !is_whole {
            session.start_over();
        }
        let failure = (!is_whole).then_some(ResumeFailure::WindowExceeded);
        for timer in [Timer::Leave(id), Timer::Hide(id), Timer::Expire(id), Timer::Stall(id)] {
            self.deadlines.clear(timer);
        }
        self.bind(connection, id, is_whole);
        let ice_servers = std::mem::take(&mut hello.ice_servers);
        self.welcome(id, hello.cid, failure, is_whole, ice_servers);
        self.flush(id, now);
        self.show_again(participant, hello, now);
    }

    /// Tells the others that somebody is back, under the name and with the media they have now.
    fn show_again(&mut self, participant: ParticipantId, hello: Hello, now: Instant) {
        let Some(member) = self.rooms.get_mut(&hello.room).and_then(|room| room.member_mut(participant)) else {
            return;
        };
        let before = (member.is_present, member.view());
        (member.name, member.media) = (hello.name, hello.media);
        (member.is_connected, member.is_present) = (true, true);
        let view = member.view();
        match before {
            (false, _) => {
                let body = Body::new(&ServerMessage::ParticipantJoined { participant: view });
                self.broadcast(&hello.room, participant, Lane::Control, &body, now);
            }
            (true, before) if before != view => self.announce_change(&hello.room, participant, now),
            (true, _) => {}
        }
    }

    fn bind(&mut self, connection: ConnectionId, id: SessionId, resumed: bool) {
        let secret = format!("{:032x}{:032x}", self.random_bits(), self.random_bits());
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before = session.bind(connection, secret);
        let (participant, room) = (session.participant, session.room.clone());
        // The new socket is bound before the old one is dropped: nobody is ever without one because of their own ghost.
        self.to_edge.push_back(ToEdge::Bind { connection, session: id, participant, room, resumed });
        if let Some(connection) = before {
            self.to_edge.push_back(ToEdge::Close { connection, code: CloseCode::Replaced });
        }
    }

    fn welcome(
        &mut self,
        id: SessionId,
        cid: Option<u64>,
        resume_failure: Option<ResumeFailure>,
        resumed: bool,
        ice_servers: Vec<IceServer>,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let room = self.rooms.get(&session.room).filter(|_| !resumed).map(|room| room.state(&session.room));
        let welcome = ServerMessage::Welcome {
            session: id,
            resume_secret: session.secret().to_owned(),
            participant: session.participant,
            resumed,
            resume_failure,
            room,
            ice_servers,
            limits: self.limits.on_the_wire(),
        };
        self.about_socket(id, cid, &welcome);
    }

    fn frame(&mut self, id: SessionId, frame: ClientFrame, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.confirm_secret();
        if let Some(seq) = frame.ack {
            session.outbox.acknowledge(seq);
        }
        let (participant, room) = (session.participant, session.room.clone());
        if let Some(cid) = frame.cid
            && session.is_repeated(cid)
        {
            let reply = session.reply_to(cid).unwrap_or_else(forgotten);
            session.outbox.push(Lane::Control, Some(cid), reply);
            return self.flush(id, now);
        }
        let result = match frame.message {
            ClientMessage::Ack {} | ClientMessage::Hello { .. } => return,
            ClientMessage::Ping {} => return self.about_socket(id, frame.cid, &ServerMessage::Pong {}),
            ClientMessage::Leave {} => return self.leave(id, frame.cid, now),
            ClientMessage::Rename { name } => self.rename(&room, participant, &name, now),
            ClientMessage::Media { media } => self.set_media(&room, participant, media, now),
            ClientMessage::Description { to, link, description } => {
                let message = ServerMessage::Description { from: participant, link, description };
                self.hand_over(&room, to, participant, &message, now)
            }
            ClientMessage::Candidate { to, link, candidate } => {
                let message = ServerMessage::Candidate { from: participant, link, candidate };
                self.hand_over(&room, to, participant, &message, now)
            }
        };
        self.reply(id, frame.cid, result, now);
    }

    fn rename(&mut self, room: &RoomName, id: ParticipantId, name: &str, now: Instant) -> Result<(), Refusal> {
        let name = parse_name(name, self.limits.name_chars)
            .map_err(|why| Refusal(ErrorCode::BadName, format!("your name is not accepted: {why}")))?;
        if let Some(member) = self.rooms.get_mut(room).and_then(|room| room.member_mut(id)) {
            member.name = name;
        }
        self.announce_change(room, id, now);
        Ok(())
    }

    fn set_media(
        &mut self,
        room: &RoomName,
        id: ParticipantId,
        media: MediaState,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(member) = self.rooms.get_mut(room).and_then(|room| room.member_mut(id)) {
            member.media = media;
        }
        self.announce_change(room, id, now);
        Ok(())
    }

    /// Passes negotiation on, unread, to somebody in the same room.
    fn hand_over(
        &mut self,
        room: &RoomName,
        to: ParticipantId,
        from: ParticipantId,
        message: &ServerMessage,
        now: Instant,
    ) -> Result<(), Refusal> {
        let addressee = self.rooms.get(room).and_then(|room| room.member(to));
        let Some(addressee) = addressee.filter(|member| member.is_present && to != from) else {
            let message = "the addressee is not in this room, or has left it".to_owned();
            return Err(Refusal(ErrorCode::UnknownParticipant, message));
        };
        let body = Body::new(message);
        for session in addressee.sessions.clone() {
            self.push(session, Lane::Control, body.clone(), now);
        }
        Ok(())
    }

    fn reply(&mut self, id: SessionId, cid: Option<u64>, result: Result<(), Refusal>, now: Instant) {
        let body = match result {
            Ok(()) if cid.is_none() => return,
            Ok(()) => Body::new(&ServerMessage::Ok {}),
            Err(Refusal(code, message)) => Body::new(&ServerMessage::Error { code, message, retry_after_ms: None }),
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(cid) = cid {
            session.remember_reply(cid, body.clone());
        }
        session.outbox.push(Lane::Control, cid, body);
        self.flush(id, now);
    }

    fn leave(&mut self, id: SessionId, cid: Option<u64>, now: Instant) {
        self.reply(id, cid, Ok(()), now);
        self.end(id, LeaveReason::Left, now);
    }

    fn detach(&mut self, id: SessionId, departure: Departure, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.connection = None;
        session.in_flight = 0;
        let (participant, room) = (session.participant, session.room.clone());
        self.deadlines.clear(Timer::Stall(id));
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

    /// Takes somebody out of sight whose socket stays lost; they may still come back.
    fn hide(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (participant, room) = (session.participant, session.room.clone());
        let member = self.rooms.get_mut(&room).and_then(|room| room.member_mut(participant));
        if let Some(member) = member.filter(|member| member.is_present && !member.is_connected) {
            member.is_present = false;
            self.announce_leave(&room, participant, LeaveReason::Lost, now);
        }
    }

    fn end(&mut self, id: SessionId, reason: LeaveReason, now: Instant) {
        for timer in [Timer::Stall(id), Timer::Leave(id), Timer::Hide(id), Timer::Expire(id)] {
            self.deadlines.clear(timer);
        }
        let Some(session) = self.sessions.remove(&id) else { return };
        self.to_edge.push_back(ToEdge::Ended { session: id });
        let Some(room) = self.rooms.get_mut(&session.room) else { return };
        let gone = room.remove_session(id, session.participant);
        if room.is_empty() {
            self.rooms.remove(&session.room);
        } else if gone.is_some_and(|member| member.is_present) {
            self.announce_leave(&session.room, session.participant, reason, now);
        }
    }

    fn announce_change(&mut self, room: &RoomName, id: ParticipantId, now: Instant) {
        let member = self.rooms.get(room).and_then(|room| room.member(id));
        if let Some(member) = member.filter(|member| member.is_present) {
            let body = Body::new(&ServerMessage::ParticipantChanged { participant: member.view() });
            self.broadcast(room, id, Lane::State(id), &body, now);
        }
    }

    fn announce_leave(&mut self, room: &RoomName, id: ParticipantId, reason: LeaveReason, now: Instant) {
        for session in self.rooms.get(room).map(|room| room.sessions_except(id)).unwrap_or_default() {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.outbox.forget_state(id);
            }
        }
        let body = Body::new(&ServerMessage::ParticipantLeft { participant: id, reason });
        self.broadcast(room, id, Lane::Control, &body, now);
    }

    /// Sends to everybody in a room but the one it is about.
    fn broadcast(&mut self, room: &RoomName, except: ParticipantId, lane: Lane, body: &Body, now: Instant) {
        for session in self.rooms.get(room).map(|room| room.sessions_except(except)).unwrap_or_default() {
            self.push(session, lane, body.clone(), now);
        }
    }

    fn push(&mut self, id: SessionId, lane: Lane, body: Body, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.is_over_window {
            return;
        }
        session.outbox.push(lane, None, body);
        if session.connection.is_none() && session.outbox.is_over_window(&self.limits) {
            session.start_over();
            session.is_over_window = true;
        }
        self.flush(id, now);
    }

    /// Gives the socket as much as it may hold unwritten.
    fn flush(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(connection) = session.connection else { return };
        while session.in_flight < self.limits.in_flight_bytes
            && let Some(bytes) = session.outbox.next_frame(&self.limits)
        {
            session.in_flight += bytes.len();
            self.to_edge.push_back(ToEdge::Send { connection, bytes });
        }
        if session.outbox.is_drained() {
            self.deadlines.clear(Timer::Stall(id));
        } else if session.in_flight + session.outbox.waiting_bytes() > self.limits.queue_bytes {
            self.cut_off(id, now);
        } else if !self.deadlines.contains(Timer::Stall(id)) {
            self.deadlines.set(Timer::Stall(id), now + self.limits.stall_timeout);
        }
    }

    fn written(&mut self, id: SessionId, connection: ConnectionId, bytes: usize, now: Instant) {
        if !self.carries(id, connection) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.in_flight = session.in_flight.saturating_sub(bytes);
        self.deadlines.clear(Timer::Stall(id));
        self.flush(id, now);
    }

    /// Parts with a socket that does not take what is sent; the session may be resumed.
    fn cut_off(&mut self, id: SessionId, now: Instant) {
        if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
            self.to_edge.push_back(ToEdge::Close { connection, code: CloseCode::SlowReader });
            self.detach(id, Departure::Broken, now);
        }
    }

    /// Sends a frame about the socket itself: not numbered, not kept, and not queued for a reader who is behind.
    fn about_socket(&mut self, id: SessionId, cid: Option<u64>, message: &ServerMessage) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(connection) = session.connection
            && session.in_flight < self.limits.in_flight_bytes
        {
            let bytes = Body::new(message).frame(0, cid);
            session.in_flight += bytes.len();
            self.to_edge.push_back(ToEdge::Send { connection, bytes });
        }
    }

    fn refuse_full(&mut self, connection: ConnectionId, cid: Option<u64>) {
        let message = format!("this room is full: it holds {} participants", self.limits.room_participants);
        self.refuse(connection, cid, ErrorCode::RoomFull, message, CloseCode::RoomFull);
    }

    fn refuse(
        &mut self,
        connection: ConnectionId,
        cid: Option<u64>,
        error: ErrorCode,
        message: String,
        code: CloseCode,
    ) {
        self.to_edge.push_back(ToEdge::Refuse { connection, cid, error, message, code });
    }

    fn is_full(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.present() >= self.limits.room_participants)
    }

    /// Whether this socket speaks for the session now; reports of an earlier one come late.
    fn carries(&self, session: SessionId, connection: ConnectionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.connection == Some(connection))
    }

    fn random_bits(&mut self) -> u128 {
        u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64())
    }
}

/// What a repeated request gets when its reply is no longer kept.
fn forgotten() -> Body {
    let message = "this request came before and its reply is no longer kept; ask again under a new cid".to_owned();
    Body::new(&ServerMessage::Error { code: ErrorCode::OutOfOrder, message, retry_after_ms: None })
}

/// Why a request was not carried out.
struct Refusal(ErrorCode, String);
