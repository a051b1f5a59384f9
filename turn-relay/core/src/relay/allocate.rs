use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::request::{Reply, Request};
use super::{End, Event, Protocol, RESERVATION_LIFETIME, Relay, Timer, Transmit};
use crate::account::Accounts;
use crate::address::source_of;
use crate::allocation::{Allocation, AllocationId, Pending, RelayId, RelaySocket, SocketTag};
use crate::auth::Unproved;
use crate::config::RelayAddress;
use crate::random::Random;
use crate::refusal::Refusal;
use crate::stun::attribute::{self, Family};
use crate::stun::{self, Builder, Class};
use crate::timeline::Moment;
use crate::{canonical, ports::PortPool};

/// Ports that are kept for an Allocate request with the token, [RFC 8656 § 7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2).
#[derive(Debug, Default)]
pub(super) struct Reservations {
    by_token: BTreeMap<[u8; 8], Reserved>,
}

#[derive(Debug, Clone, Copy)]
struct Reserved {
    address: usize,
    port: u16,
}

/// What an Allocate request asks for, checked for contradictions.
struct Wish {
    families: [Option<Family>; 2],
    is_tcp: bool,
    /// EVEN-PORT; `Some(true)` when the next port shall be reserved.
    even: Option<bool>,
    token: Option<[u8; 8]>,
    lifetime: Duration,
    ticket: bool,
}

impl Relay {
    /// Handles Allocate, [RFC 8656 § 7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2). The first step, the
    /// credentials, is behind us.
    pub(super) fn handle_allocate(&mut self, request: &Request<'_>, now: Instant) -> Result<Reply, Refusal> {
        // 2. One allocation per 5-tuple; a retransmission gets the same answer.
        if let Some(allocation) = self.clients.get(&request.tuple).and_then(|id| self.allocations.get(*id)) {
            let is_same = allocation.transaction == request.message.transaction && allocation.user == request.who.user;
            return match (is_same, allocation.pending.is_some()) {
                (true, true) => Ok(Reply::Later),
                (true, false) => Ok(Reply::Finished(allocation.answer.clone())),
                (false, _) => Err(Refusal::AllocationMismatch),
            };
        }
        let lifetime = self.lifetime(request, now)?.unwrap_or(DEFAULT_LIFETIME);
        // 3. to 9. What is asked for.
        let wish = self.read_wish(request, lifetime)?;
        if let Some([worker, ..]) = wish.token.filter(|[worker, ..]| usize::from(*worker) != self.worker) {
            let worker = usize::from(worker);
            return if worker < self.workers() {
                Ok(Reply::Elsewhere(worker))
            } else {
                Err(Refusal::InsufficientCapacity)
            };
        }
        if self.is_draining {
            return Err(Refusal::InsufficientCapacity);
        }
        // 10. Quotas.
        let source = source_of(request.tuple.client);
        let accounts = self.ledger.open(&request.who.user, source, &self.limits, now).ok_or(Refusal::QuotaReached)?;
        self.allocate(request, &wish, accounts, now)
    }

    /// LIFETIME within its bounds and those of the credentials; `None` when the request has none, or (in Allocate) 0.
    pub(super) fn lifetime(&self, request: &Request<'_>, now: Instant) -> Result<Option<Duration>, Refusal> {
        let asked = request.exact(attribute::LIFETIME)?.map(u32::from_be_bytes);
        let lifetime = match asked {
            Some(0) => return Ok(None),
            Some(seconds) => Duration::from_secs(u64::from(seconds)).clamp(DEFAULT_LIFETIME, LONGEST_LIFETIME),
            None => DEFAULT_LIFETIME,
        };
        let Some(expires) = request.who.expires else { return Ok(Some(lifetime)) };
        let left = expires.saturating_sub(self.clock.seconds(now));
        if left == 0 {
            return Err(Refusal::Unauthenticated(Unproved::Expired));
        }
        Ok(Some(lifetime.min(Duration::from_secs(left))))
    }

    pub(super) fn workers(&self) -> usize {
        self.udp_ports.first().map_or(1, PortPool::workers)
    }

    fn read_wish(&self, request: &Request<'_>, lifetime: Duration) -> Result<Wish, Refusal> {
        // 3. REQUESTED-TRANSPORT.
        let [protocol, ..] = request.exact::<4>(attribute::REQUESTED_TRANSPORT)?.ok_or(Refusal::BadRequest)?;
        let is_tcp = match protocol {
            UDP => false,
            TCP if self.has_tcp => true,
            _ => return Err(Refusal::UnsupportedTransport),
        };
        let has = |kind| request.message.first(kind).is_some();
        let even = request.exact::<1>(attribute::EVEN_PORT)?.map(|[flags]| flags & 0x80 != 0);
        let token = request.exact::<8>(attribute::RESERVATION_TOKEN)?;
        // RFC 6062 § 5.1: connections only over connections, and without what is about datagrams.
        if is_tcp
            && (!request.tuple.transport.is_stream()
                || even.is_some()
                || token.is_some()
                || has(attribute::DONT_FRAGMENT))
        {
            return Err(Refusal::BadRequest);
        }
        // 5. and 6. What excludes each other.
        let requested = attribute::REQUESTED_ADDRESS_FAMILY;
        let additional = if has(attribute::DRAFT_ADDITIONAL_ADDRESS_FAMILY) {
            attribute::DRAFT_ADDITIONAL_ADDRESS_FAMILY
        } else {
            attribute::ADDITIONAL_ADDRESS_FAMILY
        };
        if token.is_some() && (even.is_some() || has(requested) || has(additional))
            || has(requested) && has(additional)
            || even == Some(true) && has(additional)
        {
            return Err(Refusal::BadRequest);
        }
        // 7. to 9. Families.
        let requested = request.family(requested)?.unwrap_or(Family::V4);
        let additional = match request.family(additional)? {
            Some(Family::V4) => return Err(Refusal::BadRequest),
            additional => additional,
        };
        if is_tcp && additional.is_some() {
            return Err(Refusal::BadRequest);
        }
        let is_served = |family| self.addresses.iter().any(|address| Family::of(address.external) == family);
        if token.is_none() && !is_served(requested) {
            return Err(Refusal::AddressFamilyNotSupported);
        }
        // RFC 8016 § 3.1: a ticket is asked for with an empty one.
        let ticket = match request.message.first(attribute::MOBILITY_TICKET) {
            None => false,
            Some([]) if self.ticket_key.is_some() => true,
            Some([]) => return Err(Refusal::MobilityForbidden),
            Some(_) => return Err(Refusal::BadRequest),
        };
        Ok(Wish { families: [Some(requested), additional], is_tcp, even, token, lifetime, ticket })
    }

    fn allocate(
        &mut self,
        request: &Request<'_>,
        wish: &Wish,
        accounts: Accounts,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let seed = self.random.quick();
        let mut allocation =
            Allocation::new(request.tuple, request.message.transaction, &request.who, accounts, seed, now);
        let mut token = None;
        let mut address_error = None;
        let [first, additional] = wish.families;
        let (first, reached) = (first.unwrap_or(Family::V4), request.tuple.server.ip());
        let main = match self.take_main_port(wish, first, reached, &mut token) {
            Ok(main) => main,
            // The ports are dealt out to the workers; another one may have some left.
            Err(Refusal::InsufficientCapacity) if wish.token.is_none() => {
                let other = self.worker_with_ports(first, reached, wish.is_tcp);
                return other.map(Reply::Elsewhere).ok_or(Refusal::InsufficientCapacity);
            }
            Err(refusal) => return Err(refusal),
        };
        *allocation.relay_mut(Family::of(main.external.ip())) = Some(main);
        if let Some(family) = additional {
            match self.take_port(family, reached, wish.is_tcp, Take::first(None)) {
                Some((relay, _)) => *allocation.relay_mut(family) = Some(relay),
                None if self.addresses.iter().all(|address| Family::of(address.external) != family) => {
                    address_error = Some((family, Refusal::AddressFamilyNotSupported.code()));
                }
                None => address_error = Some((family, Refusal::InsufficientCapacity.code())),
            }
        }
        allocation.is_tcp = wish.is_tcp;
        allocation.ticket = wish.ticket.then_some(0);
        allocation.pending = Some(Box::new(Pending {
            who: request.who.clone(),
            has_fingerprint: request.message.has_fingerprint,
            lifetime: wish.lifetime,
            token,
            address_error,
            additional,
            even: wish.even,
            // Who claims a reserved port wants no other one.
            tries: if wish.token.is_some() { 0 } else { MAX_TRIES },
        }));
        self.take_over_story(&mut allocation);
        let id = self.allocations.insert(allocation);
        self.clients.insert(request.tuple, id);
        self.set_allocation_timer(id);
        if self.is_virtual {
            return Ok(Reply::Finished(self.complete(id, now)));
        }
        self.ask_for_sockets(id);
        Ok(Reply::Later)
    }

    /// The moments on this 5-tuple before it had an allocation.
    fn take_over_story(&mut self, allocation: &mut Allocation) {
        let tuple = allocation.tuple;
        for (_, at, moment) in self.recent.iter().filter(|(known, ..)| *known == tuple) {
            allocation.timeline.note_earlier(*moment, *at);
        }
        self.recent.retain(|(known, ..)| *known != tuple);
    }

    fn take_main_port(
        &mut self,
        wish: &Wish,
        family: Family,
        reached: IpAddr,
        token: &mut Option<[u8; 8]>,
    ) -> Result<RelaySocket, Refusal> {
        if let Some(token) = wish.token {
            let reserved = self.reservations.by_token.remove(&token).ok_or(Refusal::InsufficientCapacity)?;
            self.deadlines.clear(Timer::Reservation(token));
            return self.relay_socket(reserved.address, reserved.port).ok_or(Refusal::InsufficientCapacity);
        }
        let taken = self.take_port(family, reached, wish.is_tcp, Take::first(wish.even));
        let (relay, next) = taken.ok_or(Refusal::InsufficientCapacity)?;
        if let Some(port) = next {
            *token = Some(self.reserve(relay.address, port));
        }
        Ok(relay)
    }

    /// A port of the address that the client reached us by, else of another one that leads as far.
    fn take_port(
        &mut self,
        family: Family,
        reached: IpAddr,
        is_tcp: bool,
        take: Take,
    ) -> Option<(RelaySocket, Option<u16>)> {
        if take == Take::Pair && self.reservations.by_token.len() >= MAX_RESERVATIONS {
            return None;
        }
        let pools = if is_tcp { &mut self.tcp_ports } else { &mut self.udp_ports };
        let fitting = self.addresses.iter().zip(pools).enumerate();
        let mut fitting: Vec<_> = fitting.filter(|(_, (address, _))| fits(address, family, reached)).collect();
        fitting.sort_by_key(|(_, (address, pool))| {
            let is_near = address.bind == reached || address.external.is_loopback();
            std::cmp::Reverse((is_near, pool.free()))
        });
        // The best address may have no port of this kind left.
        let (random, policy) = (&mut self.random, &self.policy);
        let (address, port) = fitting.into_iter().find_map(|(address, (known, pool))| {
            // With sockets the kernel sees to it that nobody gets the address of a service of ours; without them nobody else does.
            let is_own = |port: u16| policy.is_own_service((known.external, port).into());
            take.port_of(pool, random, is_own).map(|port| (address, port))
        })?;
        let next = (take == Take::Pair).then_some(port.wrapping_add(1));
        self.tell_free_ports(address, is_tcp);
        self.relay_socket(address, port).map(|relay| (relay, next))
    }

    /// Another worker that has ports when this one has none, unless a worker without ports has sent the request here.
    fn worker_with_ports(&self, family: Family, reached: IpAddr, is_tcp: bool) -> Option<usize> {
        let fitting = self.addresses.iter().enumerate().filter(|(_, address)| fits(address, family, reached));
        let fitting: Vec<_> = fitting.map(|(index, _)| index).collect();
        let other = self.shared_ports.roomiest(&fitting, self.workers(), is_tcp);
        other.filter(|worker| *worker != self.worker && !self.is_last_resort)
    }

    pub(super) fn tell_free_ports(&self, address: usize, is_tcp: bool) {
        let pools = if is_tcp { &self.tcp_ports } else { &self.udp_ports };
        if let Some(pool) = pools.get(address) {
            self.shared_ports.note_free(address, self.worker, is_tcp, pool.free());
        }
    }

    fn relay_socket(&self, address: usize, port: u16) -> Option<RelaySocket> {
        let external = (self.addresses.get(address)?.external, port).into();
        Some(RelaySocket { address, port, external: canonical(external), socket: None })
    }

    /// Keeps a port for 30 s. The token names the worker, so that the request which brings it finds its way.
    fn reserve(&mut self, address: usize, port: u16) -> [u8; 8] {
        let [a, b, c, d, e, f, g, ..] = self.random.bytes();
        let token = [u8::try_from(self.worker).unwrap_or_default(), a, b, c, d, e, f, g];
        self.reservations.by_token.insert(token, Reserved { address, port });
        token
    }

    /// The time of a reservation is over.
    pub(super) fn end_reservation(&mut self, token: [u8; 8]) {
        let Some(reserved) = self.reservations.by_token.remove(&token) else { return };
        self.deadlines.clear(Timer::Reservation(token));
        if let Some(pool) = self.udp_ports.get_mut(reserved.address) {
            pool.give_back(reserved.port);
        }
        self.tell_free_ports(reserved.address, false);
    }

    fn ask_for_sockets(&mut self, id: AllocationId) {
        let Some(allocation) = self.allocations.get(id) else { return };
        let protocol = if allocation.is_tcp { Protocol::Tcp } else { Protocol::Udp };
        for (family, relay) in allocation.relays().filter(|(_, relay)| relay.socket.is_none()) {
            let Some(address) = self.addresses.get(relay.address) else { continue };
            let address = (address.bind, relay.port).into();
            self.events.push_back(Event::Bind { relay: RelayId { allocation: id, family }, address, protocol });
        }
    }

    /// Tells what became of [`Event::Bind`]: the driver's name for the socket, or `None` when it could not be bound, in
    /// which case another port is tried. The answer to the client comes out of [`Relay::poll_transmit`].
    pub fn handle_bound(&mut self, relay: RelayId, socket: Option<SocketTag>, now: Instant) {
        let id = relay.allocation;
        let Some(allocation) = self.allocations.get_mut(id).filter(|allocation| allocation.pending.is_some()) else {
            return self.events.extend(socket.map(|socket| Event::Unbind { socket }));
        };
        match (socket, allocation.relay_mut(relay.family)) {
            (Some(_), Some(place)) => place.socket = socket,
            (Some(socket), None) => return self.events.push_back(Event::Unbind { socket }),
            (None, _) => return self.try_another_port(relay, now),
        }
        self.complete_if_bound(id, now);
    }

    fn complete_if_bound(&mut self, id: AllocationId, now: Instant) {
        let Some(allocation) = self.allocations.get(id) else { return };
        if allocation.relays().all(|(_, relay)| relay.socket.is_some()) {
            let to = allocation.tuple;
            let bytes = self.complete(id, now).into_vec();
            self.transmits.push_back(Transmit { to, bytes });
        }
    }

    /// Somebody else on this host has the port.
    fn try_another_port(&mut self, relay: RelayId, now: Instant) {
        let id = relay.allocation;
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        let (is_tcp, tuple) = (allocation.is_tcp, allocation.tuple);
        let reached = tuple.server.ip();
        let Some(old) = allocation.relay_mut(relay.family).take() else { return };
        let Some(pending) = allocation.pending.as_deref_mut() else { return };
        let may_try = pending.tries > 0;
        pending.tries = pending.tries.saturating_sub(1);
        let is_main = pending.additional != Some(relay.family);
        let (even, token) = if is_main { (pending.even, pending.token.take()) } else { (None, None) };
        // The new one is taken before the old one is given back, so that it is another one.
        let new = if may_try { self.take_port(relay.family, reached, is_tcp, Take::again(even)) } else { None };
        self.give_back(&old, is_tcp);
        if let Some(token) = token {
            self.end_reservation(token);
        }
        if let Some((new, next)) = new {
            let token = next.map(|port| self.reserve(new.address, port));
            let Some(allocation) = self.allocations.get_mut(id) else { return };
            *allocation.relay_mut(relay.family) = Some(new);
            if let Some(pending) = allocation.pending.as_deref_mut().filter(|_| is_main) {
                pending.token = token;
            }
            let Some(address) = self.addresses.get(new.address) else { return };
            let (address, protocol) =
                ((address.bind, new.port).into(), if is_tcp { Protocol::Tcp } else { Protocol::Udp });
            return self.events.push_back(Event::Bind { relay, address, protocol });
        }
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        let Some(pending) = allocation.pending.as_deref_mut() else { return };
        if pending.additional == Some(relay.family) {
            pending.address_error = Some((relay.family, Refusal::InsufficientCapacity.code()));
            return self.complete_if_bound(id, now);
        }
        let response = Builder::new(Class::Error, stun::ALLOCATE, allocation.transaction)
            .error_code(Refusal::InsufficientCapacity.code(), "")
            .integrity(pending.who.integrity, pending.who.key.as_bytes());
        let has_fingerprint = pending.has_fingerprint;
        let bytes = if has_fingerprint { response.finish_with_fingerprint() } else { response.finish() };
        self.transmits.push_back(Transmit { to: tuple, bytes });
        self.stats.refused(stun::ALLOCATE, Refusal::InsufficientCapacity);
        self.end_allocation(id, End::NoSocket);
    }

    /// All sockets are there: the allocation lives.
    fn complete(&mut self, id: AllocationId, now: Instant) -> Box<[u8]> {
        let ticket = self.allocations.get(id).and_then(|allocation| allocation.ticket);
        let ticket = ticket.and_then(|serial| self.make_ticket(id, serial));
        let Some(allocation) = self.allocations.get_mut(id) else { return Box::default() };
        let Some(pending) = allocation.pending.take() else { return Box::default() };
        let mut response = Builder::new(Class::Success, stun::ALLOCATE, allocation.transaction);
        for (family, relay) in allocation.relays() {
            response = response.xored(attribute::XOR_RELAYED_ADDRESS, relay.external);
            if !allocation.is_tcp {
                self.shared_ports.set(relay.address, relay.port);
                self.relayed.insert(relay.external, RelayId { allocation: id, family });
            }
        }
        let seconds = u32::try_from(pending.lifetime.as_secs()).unwrap_or(u32::MAX);
        response = response.number(attribute::LIFETIME, seconds).xor_mapped_address(allocation.tuple.client);
        if let Some(token) = pending.token {
            response = response.attribute(attribute::RESERVATION_TOKEN, &token);
            self.deadlines.set(Timer::Reservation(token), now + RESERVATION_LIFETIME);
        }
        if let Some((family, code)) = pending.address_error {
            let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).unwrap_or_default());
            response = response.attribute(attribute::ADDRESS_ERROR_CODE, &[family.code(), 0, class, number]);
        }
        if let Some(ticket) = ticket {
            response = response.attribute(attribute::MOBILITY_TICKET, &ticket);
        }
        let response = response.integrity(pending.who.integrity, pending.who.key.as_bytes());
        let bytes = if pending.has_fingerprint { response.finish_with_fingerprint() } else { response.finish() };
        allocation.answer = bytes.into();
        allocation.expires = now + pending.lifetime;
        allocation.timeline.note(Moment::Allocated, now);
        self.stats.allocations += 1;
        let answer = allocation.answer.clone();
        self.set_allocation_timer(id);
        answer
    }

    /// A reservation that nobody can learn of any more.
    pub(super) fn cancel_reservation(&mut self, pending: Option<Box<Pending>>) {
        if let Some(token) = pending.and_then(|pending| pending.token) {
            self.end_reservation(token);
        }
    }
}

/// Which port is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    Any,
    /// Any, after one that could not be had.
    Another,
    Even,
    /// An even one whose successor is free as well, and taken with it.
    Pair,
}

impl Take {
    /// As EVEN-PORT says.
    fn first(even: Option<bool>) -> Self {
        even.map_or(Self::Any, |has_next| if has_next { Self::Pair } else { Self::Even })
    }

    /// The same when a port could not be had.
    fn again(even: Option<bool>) -> Self {
        if even.is_none() { Self::Another } else { Self::first(even) }
    }

    /// A port for which `is_own` does not hold, nor for the other one of a pair.
    fn port_of(self, pool: &mut PortPool, random: &mut Random, is_own: impl Fn(u16) -> bool) -> Option<u16> {
        let mut refused = Vec::new();
        let found = loop {
            let port = match self {
                Self::Any => pool.take(random),
                Self::Another => pool.take_another(random),
                Self::Even => pool.take_even(random),
                Self::Pair => pool.take_pair(random),
            };
            let taken = |port: u16| [Some(port), (self == Self::Pair).then_some(port | 1)].into_iter().flatten();
            match port {
                Some(port) if taken(port).any(&is_own) => refused.extend(taken(port)),
                found => break found,
            }
        };
        refused.into_iter().for_each(|port| pool.give_back(port));
        found
    }
}

/// Whether a relay address is of a family, and of use to who reached us by the address `reached`: what only this host can reach is of
/// none to who comes from elsewhere.
fn fits(address: &RelayAddress, family: Family, reached: IpAddr) -> bool {
    Family::of(address.external) == family && (reached.is_loopback() || !address.external.is_loopback())
}

const UDP: u8 = 17;
const TCP: u8 = 6;
/// [RFC 8656 § 3.2](https://www.rfc-editor.org/rfc/rfc8656#section-3.2).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// [RFC 8656 § 7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2) recommends an hour.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3600);
/// Ports that are tried when others on this host have them.
const MAX_TRIES: u8 = 32;
/// Ports that are reserved at a time.
const MAX_RESERVATIONS: usize = 1024;
