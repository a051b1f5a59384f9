//! TCP connections to peers, RFC 6062.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::request::{Reply, Request, finish};
use super::{Event, Relay, Timer, Transmit};
use crate::account::Meter;
use crate::address::canonical;
use crate::allocation::{AllocationId, RelayId};
use crate::auth::Authenticated;
use crate::refusal::Refusal;
use crate::stun::attribute::{self, Family};
use crate::stun::{self, Builder, Class, TransactionId};

/// Connections with peers, by their ids.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_id: BTreeMap<u32, Connection>,
}

#[derive(Debug)]
struct Connection {
    allocation: AllocationId,
    peer: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The driver is opening it; the client waits for the answer.
    Connecting(Box<Waiting>),
    /// It is open, and the client has yet to bring a connection of its own.
    Open,
    /// The driver joined it with the client's.
    Bound,
}

/// A Connect request that is to be answered.
#[derive(Debug)]
struct Waiting {
    who: Authenticated,
    transaction: TransactionId,
    has_fingerprint: bool,
}

impl Relay {
    /// Handles Connect, [RFC 6062 § 5.2](https://www.rfc-editor.org/rfc/rfc6062#section-5.2).
    pub(super) fn handle_connect(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        let (id, allocation) = self.own_allocation(request)?;
        let peer = request.message.first(attribute::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        let peer =
            attribute::read_xored(peer, request.message.transaction).map(canonical).ok_or(Refusal::BadRequest)?;
        if !allocation.is_tcp {
            return Err(Refusal::BadRequest);
        }
        let family = Family::of(peer.ip());
        if allocation.relay(family).is_none() {
            return Err(Refusal::PeerFamilyMismatch);
        }
        self.policy.check(peer).map_err(Refusal::Forbidden)?;
        if self.connections.by_id.values().any(|known| known.allocation == id && known.peer == peer) {
            return Err(Refusal::ConnectionAlreadyExists);
        }
        let waiting = Waiting {
            who: request.who.clone(),
            transaction: request.message.transaction,
            has_fingerprint: request.message.has_fingerprint,
        };
        let state = State::Connecting(Box::new(waiting));
        let connection = self.add_connection(id, peer, state, now).ok_or(Refusal::InsufficientCapacity)?;
        self.events.push_back(Event::Connect { connection, relay: RelayId { allocation: id, family }, peer });
        Ok(Reply::Later)
    }

    /// Tells what became of [`Event::Connect`]. The answer to the client comes out of [`Relay::poll_transmit`].
    pub fn handle_connected(&mut self, connection: u32, is_open: bool, now: Instant) {
        let Some(known) = self.connections.by_id.get_mut(&connection) else {
            return self.events.extend(is_open.then_some(Event::Disconnect { connection }));
        };
        let State::Connecting(waiting) = &known.state else { return };
        let Some(allocation) = self.allocations.get(known.allocation) else { return };
        let begin = |class| Builder::new(class, stun::CONNECT, waiting.transaction);
        let response = if is_open {
            begin(Class::Success).number(attribute::CONNECTION_ID, connection)
        } else {
            begin(Class::Error).error_code(Refusal::ConnectionFailed.code(), "")
        };
        let response = response.integrity(waiting.who.integrity, waiting.who.key.as_bytes());
        let bytes = if waiting.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() };
        self.transmits.push_back(Transmit { to: allocation.tuple, bytes });
        if is_open {
            known.state = State::Open;
            self.deadlines.set(Timer::Connection(connection), now + BIND_TIMEOUT);
        } else {
            self.forget_connection(connection);
            self.stats.refused(stun::CONNECT, Refusal::ConnectionFailed);
        }
    }

    /// A peer connected to a relayed address. The id that the connection has from here on, or `None` when it is to be
    /// closed: [RFC 6062 § 5.3](https://www.rfc-editor.org/rfc/rfc6062#section-5.3).
    pub fn handle_accepted(&mut self, relay: RelayId, peer: SocketAddr, now: Instant) -> Option<u32> {
        let (peer, id) = (canonical(peer), relay.allocation);
        let allocation = self.allocations.get(id).filter(|allocation| allocation.is_tcp)?;
        let permission = allocation.permission(peer.ip(), now)?;
        let tuple = allocation.tuple;
        if !permission.is_outside || self.policy.check(peer).is_err() {
            return None;
        }
        if self.connections.by_id.values().any(|known| known.allocation == id && known.peer == peer) {
            return None;
        }
        let connection = self.add_connection(id, peer, State::Open, now)?;
        let (upper, lower) = (self.random.quick().to_be_bytes(), self.random.quick().to_be_bytes());
        let mut transaction = [0; 12];
        transaction.iter_mut().zip(upper.into_iter().chain(lower)).for_each(|(place, byte)| *place = byte);
        let bytes = Builder::new(Class::Indication, stun::CONNECTION_ATTEMPT, TransactionId(transaction))
            .number(attribute::CONNECTION_ID, connection)
            .xored(attribute::XOR_PEER_ADDRESS, peer)
            .finish();
        self.transmits.push_back(Transmit { to: tuple, bytes });
        Some(connection)
    }

    /// Handles ConnectionBind, [RFC 6062 § 5.4](https://www.rfc-editor.org/rfc/rfc6062#section-5.4). It comes on a
    /// connection of its own.
    pub(super) fn handle_connection_bind(&mut self, request: &Request<'_>, _: Instant) -> Result<Reply, Refusal> {
        if !request.tuple.transport.is_stream() || self.clients.contains_key(&request.tuple) {
            return Err(Refusal::BadRequest);
        }
        let id = request.exact(attribute::CONNECTION_ID)?.map(u32::from_be_bytes).ok_or(Refusal::BadRequest)?;
        let worker = (id >> WORKER_SHIFT) as usize;
        if worker != self.worker {
            return if worker < self.workers() { Ok(Reply::Elsewhere(worker)) } else { Err(Refusal::BadRequest) };
        }
        let connection = self.connections.by_id.get_mut(&id).ok_or(Refusal::BadRequest)?;
        let allocation = self.allocations.get(connection.allocation).ok_or(Refusal::BadRequest)?;
        if allocation.user != request.who.user || !matches!(connection.state, State::Open) {
            return Err(Refusal::BadRequest);
        }
        connection.state = State::Bound;
        self.deadlines.clear(Timer::Connection(id));
        self.events.push_back(Event::Splice { connection: id, client: request.tuple });
        let response = request.success().number(attribute::CONNECTION_ID, id);
        Ok(Reply::Finished(finish(response, &request.message, &request.who).into()))
    }

    /// Pays for the payload of a connection, which the driver carries by itself; `None` when there is no such connection.
    #[must_use]
    pub fn meter(&self, connection: u32) -> Option<Meter> {
        let allocation = self.allocations.get(self.connections.by_id.get(&connection)?.allocation)?;
        Some(allocation.accounts.meter(&self.limits))
    }

    /// A peer's connection was closed, by whichever side; so many bytes went to the peer and came from it.
    pub fn handle_disconnected(&mut self, connection: u32, (sent, received): (u64, u64), now: Instant) {
        self.stats.to_peers.1 += sent;
        self.stats.from_peers.1 += received;
        let known = self.connections.by_id.get(&connection);
        if let Some(allocation) = known.and_then(|known| self.allocations.get_mut(known.allocation)) {
            allocation.timeline.sent(usize::try_from(sent).unwrap_or(usize::MAX), now);
            allocation.timeline.received(usize::try_from(received).unwrap_or(usize::MAX), now);
        }
        self.forget_connection(connection);
    }

    /// Nobody came for a connection, or it took too long to open.
    pub(super) fn handle_connection_timeout(&mut self, id: u32, now: Instant) {
        let Some(connection) = self.connections.by_id.get(&id) else { return };
        if matches!(connection.state, State::Connecting(_)) {
            self.handle_connected(id, false, now);
        }
        self.forget_connection(id);
        self.events.push_back(Event::Disconnect { connection: id });
    }

    pub(super) fn end_connections(&mut self, allocation: AllocationId) {
        let of_it = self.connections.by_id.iter().filter(|(_, known)| known.allocation == allocation);
        for id in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget_connection(id);
            self.events.push_back(Event::Disconnect { connection: id });
        }
    }

    fn forget_connection(&mut self, id: u32) {
        self.connections.by_id.remove(&id);
        self.deadlines.clear(Timer::Connection(id));
    }

    /// The id names the worker and is hard to guess otherwise.
    fn add_connection(
        &mut self,
        allocation: AllocationId,
        peer: SocketAddr,
        state: State,
        now: Instant,
    ) -> Option<u32> {
        let of_it = self.connections.by_id.values().filter(|known| known.allocation == allocation).count();
        if self.connections.by_id.len() >= MAX_CONNECTIONS || of_it >= MAX_CONNECTIONS_OF_ONE {
            return None;
        }
        let worker = u32::try_from(self.worker).ok()? << WORKER_SHIFT;
        loop {
            let [a, b, c, ..] = self.random.bytes();
            let id = worker | u32::from_be_bytes([0, a, b, c]);
            if let std::collections::btree_map::Entry::Vacant(place) = self.connections.by_id.entry(id) {
                place.insert(Connection { allocation, peer, state });
                self.deadlines.set(Timer::Connection(id), now + BIND_TIMEOUT);
                return Some(id);
            }
        }
    }
}

const WORKER_SHIFT: u32 = 24;
/// [RFC 6062 § 5.2 and § 5.4](https://www.rfc-editor.org/rfc/rfc6062#section-5.2): at least 30 s each.
const BIND_TIMEOUT: Duration = Duration::from_secs(30);
/// Per worker; far below the 2^24 ids, so that a free one is found at once.
const MAX_CONNECTIONS: usize = 4096;
const MAX_CONNECTIONS_OF_ONE: usize = 64;
