use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use stoa_base_types::{ConnectionId, Deadlines, SessionId};

use crate::close::CloseCode;
use crate::control::{Action, Outgoing};
use crate::frame::{self, Body, Unreadable};
use crate::limits::{Limits, milliseconds};
use crate::message::{ClientFrame, ClientMessage, ErrorCode, IceServer, ServerMessage};
use crate::name::{BadName, RoomName, parse_name};
use crate::rate::Bucket;
use crate::seam::{Departure, Hello, ToEdge, ToOwner};

/// The sockets of one node: reads their frames, guards their manners, knows no room.
#[derive(Debug)]
pub(crate) struct Edge {
    limits: Limits,
    connections: BTreeMap<ConnectionId, Connection>,
    deadlines: Deadlines<Timer>,
    is_draining: bool,
    to_owner: VecDeque<ToOwner>,
    outgoing: VecDeque<Outgoing>,
}

#[derive(Debug)]
struct Connection {
    stage: Stage,
    heard: Instant,
    bucket: Bucket,
    refused: u32,
}

#[derive(Debug)]
enum Stage {
    /// Nobody is known yet.
    Greeting {
        ice_servers: Vec<IceServer>,
    },
    /// `hello` was passed on and not yet answered.
    Entering,
    Bound(SessionId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Hello(ConnectionId),
    Heartbeat(ConnectionId),
}

impl Edge {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            deadlines: Deadlines::new(),
            is_draining: false,
            to_owner: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }

    pub(crate) fn opened(&mut self, connection: ConnectionId, ice_servers: Vec<IceServer>, now: Instant) {
        if self.is_draining {
            return self.emit(connection, Action::Close(CloseCode::Restarting));
        }
        if self.connections.len() >= self.limits.connections {
            return self.emit(connection, Action::Close(CloseCode::ServerFull));
        }
        let stage = Stage::Greeting { ice_servers };
        self.connections.insert(connection, Connection { stage, heard: now, bucket: Bucket::new(now), refused: 0 });
        self.deadlines.set(Timer::Hello(connection), now + self.limits.hello_timeout);
    }

    pub(crate) fn text(&mut self, connection: ConnectionId, text: &str, now: Instant) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.heard = now;
        match &mut known.stage {
            Stage::Greeting { .. } if text.len() > self.limits.hello_bytes => {
                self.close(connection, CloseCode::TooLarge);
            }
            _ if text.len() > self.limits.frame_bytes => self.close(connection, CloseCode::TooLarge),
            Stage::Greeting { ice_servers } => {
                let ice_servers = std::mem::take(ice_servers);
                self.greet(connection, text, ice_servers, now);
            }
            Stage::Entering => self.refuse_hello(connection, None, &out_of_order("wait for the welcome")),
            Stage::Bound(session) => {
                let session = *session;
                self.converse(connection, session, text, now);
            }
        }
    }

    /// A frame that is not text: the protocol has none yet.
    pub(crate) fn binary(&mut self, connection: ConnectionId) {
        self.close(connection, CloseCode::ProtocolError);
    }

    pub(crate) fn too_large(&mut self, connection: ConnectionId) {
        self.close(connection, CloseCode::TooLarge);
    }

    pub(crate) fn heard(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.heard = now;
        }
    }

    pub(crate) fn written(&mut self, connection: ConnectionId, bytes: usize) {
        if let Some(session) = self.session(connection) {
            self.to_owner.push_back(ToOwner::Written { connection, session, bytes });
        }
    }

    /// The socket is gone; `code` is what the client closed it with.
    pub(crate) fn closed(&mut self, connection: ConnectionId, code: Option<u16>) {
        let departure = match code {
            Some(1000 | 1001) => Departure::Closed,
            _ => Departure::Broken,
        };
        self.forget(connection, departure);
    }

    /// Sends everybody away, spread over some seconds.
    pub(crate) fn drain(&mut self, mut random: impl FnMut() -> u64) {
        self.is_draining = true;
        let spread_ms = milliseconds(self.limits.reconnect_spread).max(1);
        for connection in self.connections.keys().copied().collect::<Vec<_>>() {
            if self.session(connection).is_some() {
                let after_ms = random() % spread_ms;
                let frame = Body::new(&ServerMessage::Reconnect { after_ms }).frame(0, None);
                self.emit(connection, Action::Send(frame));
            }
            self.close(connection, CloseCode::Restarting);
        }
    }

    pub(crate) fn handle(&mut self, message: ToEdge) {
        match message {
            ToEdge::Bind { connection, session, .. } => {
                if let Some(known) = self.connections.get_mut(&connection) {
                    known.stage = Stage::Bound(session);
                    self.emit(connection, Action::Bind(session));
                }
            }
            ToEdge::Send { connection, bytes } => self.emit(connection, Action::Send(bytes)),
            ToEdge::Refuse { connection, cid, error, message, code } => {
                let body = Body::new(&ServerMessage::Error { code: error, message, retry_after_ms: None });
                self.emit(connection, Action::Send(body.frame(0, cid)));
                self.drop_with(connection, code);
            }
            ToEdge::Close { connection, code } => self.drop_with(connection, code),
            ToEdge::Ended { .. } => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::Hello(connection) => self.close(connection, CloseCode::HelloTimeout),
                Timer::Heartbeat(connection) => self.heartbeat(connection, now),
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(crate) fn poll_owner(&mut self) -> Option<ToOwner> {
        self.to_owner.pop_front()
    }

    pub(crate) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    fn greet(&mut self, connection: ConnectionId, text: &str, ice_servers: Vec<IceServer>, now: Instant) {
        let frame = match frame::read(text) {
            Ok(frame) => frame,
            Err(unreadable) => return self.refuse_hello(connection, None, &unreadable),
        };
        let cid = frame.cid;
        let ClientMessage::Hello { room, name, media, resume, features: _, token: _ } = frame.message else {
            return self.refuse_hello(connection, cid, &out_of_order("the first frame must be a hello"));
        };
        let room = match RoomName::parse(&room) {
            Ok(room) => room,
            Err(why) => return self.refuse_name(connection, cid, ErrorCode::BadRoom, "the room's name", why),
        };
        let name = match parse_name(&name, self.limits.name_chars) {
            Ok(name) => name,
            Err(why) => return self.refuse_name(connection, cid, ErrorCode::BadName, "your name", why),
        };
        if let Some(known) = self.connections.get_mut(&connection) {
            known.stage = Stage::Entering;
        }
        self.deadlines.clear(Timer::Hello(connection));
        self.deadlines.set(Timer::Heartbeat(connection), now + self.limits.heartbeat);
        let hello = Box::new(Hello { cid, room, name, media, resume, ice_servers });
        self.to_owner.push_back(ToOwner::Enter { connection, hello });
    }

    fn converse(&mut self, connection: ConnectionId, session: SessionId, text: &str, now: Instant) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let (rate, burst) = (self.limits.frame_rate, self.limits.frame_burst);
        let (refusal, retry_after_ms) = match known.bucket.take(rate, burst, now) {
            Err(wait) => (too_fast(text, rate), Some(milliseconds(wait).max(1))),
            Ok(()) => match frame::read(text) {
                Ok(ClientFrame { message: ClientMessage::Hello { .. }, .. }) => {
                    (out_of_order("hello comes once, as the first frame"), None)
                }
                Ok(frame) => {
                    let frame = Box::new(frame);
                    return self.to_owner.push_back(ToOwner::Frame { connection, session, frame });
                }
                Err(unreadable) => (unreadable, None),
            },
        };
        known.refused += 1;
        if known.refused > self.limits.refused_frames {
            let code = if retry_after_ms.is_some() { CloseCode::RateLimited } else { CloseCode::ProtocolError };
            return self.close(connection, code);
        }
        self.to_owner.push_back(ToOwner::Refused { connection, session, refusal, retry_after_ms });
    }

    fn heartbeat(&mut self, connection: ConnectionId, now: Instant) {
        let Some(known) = self.connections.get(&connection) else { return };
        let heard = known.heard;
        let silent = now.saturating_duration_since(heard);
        if silent >= self.limits.silence {
            self.close(connection, CloseCode::HeartbeatTimeout);
        } else if silent >= self.limits.heartbeat {
            self.emit(connection, Action::Ping);
            self.deadlines.set(Timer::Heartbeat(connection), heard + self.limits.silence);
        } else {
            self.deadlines.set(Timer::Heartbeat(connection), heard + self.limits.heartbeat);
        }
    }

    fn refuse_name(&mut self, connection: ConnectionId, cid: Option<u64>, code: ErrorCode, what: &str, why: BadName) {
        let close = if code == ErrorCode::BadRoom { CloseCode::BadRoom } else { CloseCode::BadName };
        let message = format!("{what} is not accepted: {why}");
        self.handle(ToEdge::Refuse { connection, cid, error: code, message, code: close });
    }

    fn refuse_hello(&mut self, connection: ConnectionId, cid: Option<u64>, refusal: &Unreadable) {
        let (error, message) = (refusal.code, refusal.message.clone());
        let cid = cid.or(refusal.cid);
        self.handle(ToEdge::Refuse { connection, cid, error, message, code: CloseCode::ProtocolError });
    }

    /// Closes a socket on the edge's own account; its session, if it has one, may be resumed where the code allows it.
    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if self.connections.contains_key(&connection) {
            self.emit(connection, Action::Close(code));
            self.forget(connection, Departure::Broken);
        }
    }

    /// Closes a socket that the owner has let go of already.
    fn drop_with(&mut self, connection: ConnectionId, code: CloseCode) {
        if self.connections.contains_key(&connection) {
            self.emit(connection, Action::Close(code));
            self.remove(connection);
        }
    }

    fn forget(&mut self, connection: ConnectionId, departure: Departure) {
        if let Some(Connection { stage: Stage::Bound(session), .. }) = self.remove(connection) {
            self.to_owner.push_back(ToOwner::Detached { connection, session, departure });
        }
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Connection> {
        self.deadlines.clear(Timer::Hello(connection));
        self.deadlines.clear(Timer::Heartbeat(connection));
        self.connections.remove(&connection)
    }

    fn session(&self, connection: ConnectionId) -> Option<SessionId> {
        match self.connections.get(&connection)?.stage {
            Stage::Bound(session) => Some(session),
            Stage::Greeting { .. } | Stage::Entering => None,
        }
    }

    fn emit(&mut self, connection: ConnectionId, action: Action) {
        self.outgoing.push_back(Outgoing { connection, action });
    }
}

fn out_of_order(mend: &str) -> Unreadable {
    Unreadable { code: ErrorCode::OutOfOrder, cid: None, message: format!("out of order: {mend}") }
}

fn too_fast(text: &str, rate: u32) -> Unreadable {
    let cid = frame::read(text).map_or_else(|unreadable| unreadable.cid, |frame| frame.cid);
    let message = format!("too many frames; send at most {rate} per second");
    Unreadable { code: ErrorCode::RateLimited, cid, message }
}
