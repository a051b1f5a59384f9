mod address;
mod entrance;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use stoa_base_types::{ConnectionId, Deadlines, SessionId};

use self::address::AddressBlock;
use crate::clock::WallClock;
use crate::close::CloseCode;
use crate::control::{self, Action, Outgoing};
use crate::frame::{self, Body, Unreadable};
use crate::limits::{Limits, milliseconds};
use crate::message::{ClientFrame, ClientMessage, ErrorCode, IceServer, ServerMessage};
use crate::name::RoomName;
use crate::rate::{Bucket, Buckets};
use crate::seam::{Departure, ToEdge, ToOwner};
use crate::token::Keys;

/// The sockets of one node: reads their frames, guards their manners, knows no room.
#[derive(Debug)]
pub(crate) struct Edge {
    limits: Limits,
    connections: BTreeMap<ConnectionId, Connection>,
    deadlines: Deadlines<Timer>,
    is_draining: bool,
    keys: Keys,
    wall_clock: WallClock,
    addresses: Buckets<AddressBlock>,
    /// Open sockets of each address that is counted.
    open_from: BTreeMap<AddressBlock, usize>,
    /// Credentials of the relay that each address was given.
    credentials: Buckets<AddressBlock>,
    identities: Buckets<Box<str>>,
    to_owner: VecDeque<ToOwner>,
    outgoing: VecDeque<Outgoing>,
}

#[derive(Debug)]
struct Connection {
    stage: Stage,
    heard: Instant,
    bucket: Bucket,
    refused: u32,
    /// Where it comes from, if that is counted.
    block: Option<AddressBlock>,
}

#[derive(Debug)]
enum Stage {
    /// Nobody is known yet.
    Greeting {
        ice_servers: Vec<IceServer>,
    },
    /// `hello` was passed on and not yet answered.
    Entering,
    Bound(Box<Bound>),
}

/// What the edge keeps of a session, to check newer tokens against.
#[derive(Debug)]
struct Bound {
    session: SessionId,
    room: RoomName,
    identity: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Hello(ConnectionId),
    Heartbeat(ConnectionId),
}

impl Edge {
    pub(crate) fn new(limits: Limits, keys: Keys, wall_clock: WallClock) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            deadlines: Deadlines::new(),
            is_draining: false,
            keys,
            wall_clock,
            addresses: Buckets::default(),
            open_from: BTreeMap::new(),
            credentials: Buckets::default(),
            identities: Buckets::default(),
            to_owner: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }

    pub(crate) fn opened(
        &mut self,
        connection: ConnectionId,
        address: Option<IpAddr>,
        ice_servers: Vec<IceServer>,
        now: Instant,
    ) {
        if self.is_draining {
            return self.emit(connection, Action::Close(CloseCode::Restarting));
        }
        if self.connections.len() >= self.limits.connections {
            return self.emit(connection, Action::Close(CloseCode::ServerFull));
        }
        if let Err(wait) = self.take_from_address(address, now) {
            return self.refuse_at_the_door(connection, wait);
        }
        let block = address.and_then(AddressBlock::of);
        if let Some(block) = block {
            let open = self.open_from.entry(block).or_default();
            if *open >= self.limits.address_connections {
                return self.refuse_at_the_door(connection, self.limits.hello_timeout);
            }
            *open += 1;
        }
        let stage = Stage::Greeting { ice_servers };
        let connection_state = Connection { stage, heard: now, bucket: Bucket::new(now), refused: 0, block };
        self.connections.insert(connection, connection_state);
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
            Stage::Bound(bound) => {
                let session = bound.session;
                self.converse(connection, session, text, now);
            }
        }
    }

    /// A binary message on a socket that carries no session yet, or has no documents.
    pub(crate) fn binary(&mut self, connection: ConnectionId) {
        self.close(connection, CloseCode::ProtocolError);
    }

    pub(crate) fn too_slow(&mut self, connection: ConnectionId) {
        self.close(connection, CloseCode::SlowReader);
    }

    pub(crate) fn too_large(&mut self, connection: ConnectionId) {
        self.close(connection, CloseCode::TooLarge);
    }

    /// A WebSocket ping or pong; they count as frames do.
    pub(crate) fn heard(&mut self, connection: ConnectionId, now: Instant) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.heard = now;
        if known.bucket.take(self.limits.frame_rate, self.limits.frame_burst, now).is_err() {
            known.refused += 1;
            if known.refused > self.limits.refused_frames {
                self.close(connection, CloseCode::RateLimited);
            }
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
            ToEdge::Bind { connection, session, participant, room, identity, documents, resumed: _ } => {
                if let Some(known) = self.connections.get_mut(&connection) {
                    let (name, who) = (room.to_string(), identity.clone());
                    known.stage = Stage::Bound(Box::new(Bound { session, room, identity }));
                    let bound = control::Bound { session, participant, room: name, identity: who, documents };
                    self.emit(connection, Action::Bind(bound));
                }
            }
            ToEdge::Documents { connection, documents } => self.emit(connection, Action::Documents(documents)),
            ToEdge::Send { connection, frame } => self.emit(connection, Action::Send(frame)),
            ToEdge::Refuse { connection, cid, error, message, retry_after_ms, code } => {
                let body = Body::new(&ServerMessage::Error { code: error, message, retry_after_ms });
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

    pub(crate) fn set_wall_clock(&mut self, wall_clock: WallClock) {
        self.wall_clock = wall_clock;
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
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
                Ok(ClientFrame { message: ClientMessage::Refresh { token }, cid, ack }) => {
                    match self.check_refresh(connection, &token, now) {
                        Ok(rights) => {
                            let rights = Box::new(rights);
                            return self.to_owner.push_back(ToOwner::Refreshed {
                                connection,
                                session,
                                cid,
                                ack,
                                rights,
                            });
                        }
                        Err(message) => (Unreadable { code: ErrorCode::Unauthenticated, cid, message }, None),
                    }
                }
                Ok(frame) => {
                    let frame = Box::new(frame);
                    return self.to_owner.push_back(ToOwner::Frame { connection, session, frame });
                }
                Err(unreadable) => (unreadable, None),
            },
        };
        let Some(known) = self.connections.get_mut(&connection) else { return };
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
        if let Some(Connection { stage: Stage::Bound(bound), .. }) = self.remove(connection) {
            let session = bound.session;
            self.to_owner.push_back(ToOwner::Detached { connection, session, departure });
        }
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Connection> {
        self.deadlines.clear(Timer::Hello(connection));
        self.deadlines.clear(Timer::Heartbeat(connection));
        let removed = self.connections.remove(&connection)?;
        if let Some(block) = removed.block
            && let Some(open) = self.open_from.get_mut(&block)
        {
            *open -= 1;
            if *open == 0 {
                self.open_from.remove(&block);
            }
        }
        Some(removed)
    }

    fn session(&self, connection: ConnectionId) -> Option<SessionId> {
        match &self.connections.get(&connection)?.stage {
            Stage::Bound(bound) => Some(bound.session),
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
