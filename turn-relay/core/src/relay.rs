mod allocate;
mod binding;
mod connect;
mod data;
mod ending;
mod mobility;
mod output;
mod permissions;
mod refresh;
mod request;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::quality::FixedState;
use stoa_base_types::Deadlines;

use crate::account::Ledger;
use crate::address::FiveTuple;
use crate::allocation::{Allocation, AllocationId, RelayId};
use crate::auth::Authenticator;
use crate::clock::WallClock;
use crate::config::{Config, Discovery, Limits, Ports, RelayAddress};
use crate::credentials::Credentials;
use crate::nonce::NonceKey;
use crate::policy::PeerPolicy;
use crate::ports::{PortPool, SharedPorts};
use crate::random::Random;
use crate::rate::SourceBuckets;
use crate::refusal::Dropped;
use crate::stats::Stats;
use crate::stun::is_stun;
use crate::table::{Slab, Table};
use crate::timeline::{Moment, Timeline};
pub use output::{Answer, End, Event, FromClient, Head, Protocol, ToClient, ToPeer, Transmit};

/// The relay of one worker: every message of its clients and peers comes in here.
#[derive(Debug)]
pub struct Relay {
    worker: usize,
    clock: WallClock,
    auth: Authenticator,
    policy: PeerPolicy,
    limits: Limits,
    narrow_channels: bool,
    has_tcp: bool,
    ticket_key: Option<[u8; 32]>,
    discovery: Option<Discovery>,
    is_virtual: bool,
    addresses: Vec<RelayAddress>,
    /// By relay address.
    udp_ports: Vec<PortPool>,
    tcp_ports: Vec<PortPool>,
    shared_ports: Arc<SharedPorts>,
    /// The message at hand was handed over by a worker that could not help; it goes no further.
    is_last_resort: bool,
    random: Random,
    allocations: Slab<Allocation>,
    clients: Table<FiveTuple, AllocationId>,
    /// UDP only: what peers see, and whose it is.
    relayed: Table<SocketAddr, RelayId>,
    reservations: allocate::Reservations,
    connections: connect::Connections,
    /// Clients whose allocation lives on another worker.
    elsewhere: mobility::Elsewhere,
    ledger: Arc<Ledger>,
    strangers: SourceBuckets,
    deadlines: Deadlines<Timer>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    /// The answer that was returned last.
    scratch: Vec<u8>,
    /// What happened lately on 5-tuples without allocation.
    recent: VecDeque<(FiveTuple, Instant, Moment)>,
    stats: Stats,
    is_draining: bool,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Allocation(AllocationId),
    Reservation([u8; 8]),
    Connection(u32),
    Elsewhere,
}

impl Relay {
    /// Without allocations.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut random = Random::new(config.seed);
        let (low, high) = match config.ports {
            Ports::Range(low, high) => (low, high),
            Ports::Virtual => (1024, u16::MAX),
        };
        // A relay that takes the place of one that was lost begins with all its ports free.
        config.shared_ports.clear_worker(config.worker, config.workers);
        let pool = |_: &RelayAddress| PortPool::new(low, high, config.worker, config.workers);
        let pools = || -> Vec<PortPool> { config.addresses.iter().map(pool).collect() };
        let (udp_ports, tcp_ports) = (pools(), pools());
        for (pools, is_tcp) in [(&udp_ports, false), (&tcp_ports, true)] {
            for (address, pool) in pools.iter().enumerate() {
                config.shared_ports.note_free(address, config.worker, is_tcp, pool.free());
            }
        }
        let seeds: [u64; 4] = std::array::from_fn(|_| random.number());
        Self {
            worker: config.worker,
            clock: config.clock,
            auth: Authenticator::new(config.credentials, config.nonce_key, config.previous_nonce_key),
            policy: config.policy,
            limits: config.limits,
            narrow_channels: config.narrow_channels,
            has_tcp: config.tcp_allocations,
            ticket_key: config.mobility.then_some(config.ticket_key),
            discovery: config.discovery,
            is_virtual: config.ports == Ports::Virtual,
            udp_ports,
            tcp_ports,
            is_last_resort: false,
            addresses: config.addresses,
            shared_ports: config.shared_ports,
            random,
            allocations: Slab::new(),
            clients: Table::with_hasher(FixedState::with_seed(seeds[0])),
            relayed: Table::with_hasher(FixedState::with_seed(seeds[1])),
            reservations: allocate::Reservations::default(),
            connections: connect::Connections::default(),
            elsewhere: mobility::Elsewhere::new(seeds[2]),
            ledger: config.ledger,
            strangers: SourceBuckets::new(seeds[3]),
            deadlines: Deadlines::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            scratch: Vec::with_capacity(SCRATCH),
            recent: VecDeque::new(),
            stats: Stats::default(),
            is_draining: false,
        }
    }

    /// Feeds one message of a client: a datagram, or one frame of a stream.
    ///
    /// Whatever a client sends, the answer is a value: malformed input is dropped and counted.
    pub fn handle_client(&mut self, tuple: FiveTuple, bytes: &[u8], now: Instant) -> FromClient<'_> {
        self.is_last_resort = false;
        self.handle_message(tuple, bytes, now)
    }

    /// Feeds one message that another worker did not handle itself: what [`FromClient::Elsewhere`] asked for. That happens once with
    /// each message.
    pub fn handle_handed_over(&mut self, tuple: FiveTuple, bytes: &[u8], now: Instant) -> FromClient<'_> {
        self.is_last_resort = true;
        self.handle_message(tuple, bytes, now)
    }

    fn handle_message(&mut self, tuple: FiveTuple, bytes: &[u8], now: Instant) -> FromClient<'_> {
        if let Some(worker) = self.elsewhere.worker_of(&tuple, now) {
            return FromClient::Elsewhere { worker };
        }
        if is_stun(bytes) {
            return self.handle_stun(tuple, bytes, now);
        }
        match self.handle_channel_data(&tuple, bytes, now) {
            Ok(forward) => forward,
            Err(cause) => self.drop_from_client(&tuple, cause, now),
        }
    }

    /// Fires everything due at `now`. Afterwards [`Relay::poll_timeout`] is later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::Allocation(id) => self.handle_allocation_timeout(id, now),
                Timer::Reservation(token) => self.end_reservation(token),
                Timer::Connection(id) => self.handle_connection_timeout(id, now),
                Timer::Elsewhere => {
                    if let Some(next) = self.elsewhere.sweep(now) {
                        self.deadlines.set(Timer::Elsewhere, next);
                    }
                }
            }
        }
    }

    /// The next deadline; `None` means nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// An answer that had to wait. To be asked after every call that may have side effects.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// A wish to the driver. To be asked after every call, and to be fulfilled in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes over a new configuration of users, peers and limits. Allocations of users who are no longer known end.
    pub fn reconfigure(&mut self, credentials: Credentials, policy: PeerPolicy, limits: Limits) {
        self.auth.credentials_mut().replace(credentials);
        (self.policy, self.limits) = (policy, limits);
        let gone = |relay: &Self, allocation: &Allocation| !relay.auth.credentials().is_possible(&allocation.user);
        self.end_all(End::Revoked, gone);
    }

    /// Signs nonces with another key from here on. Those of the one before stay valid.
    pub fn set_nonce_keys(&mut self, current: NonceKey, previous: Option<NonceKey>) {
        self.auth.set_nonce_keys(current, previous);
    }

    /// Tells the time of day anew.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Ends all allocations of a user at once: a configured name, or the user's part of a time-limited name. Credentials
    /// that expire up to `until` (seconds since 1970) are not accepted again; those of a configured user never.
    pub fn revoke_user(&mut self, user: &str, until: u64, now: Instant) {
        let seconds = self.clock.seconds(now);
        let temporary = format!(":{user}");
        self.auth.credentials_mut().revoke(user, until, seconds);
        self.auth.credentials_mut().revoke(&temporary, until, seconds);
        self.end_all(End::Revoked, |_, allocation| *allocation.user == *user || *allocation.user == *temporary);
    }

    /// Ends all allocations that were made or renewed with this very username, and does not accept it again. A
    /// time-limited name is one session's: other sessions of the same user go on.
    pub fn revoke_session(&mut self, username: &str, until: u64, now: Instant) {
        self.auth.credentials_mut().revoke(username, until, self.clock.seconds(now));
        self.end_all(End::Revoked, |_, allocation| *allocation.username == *username);
    }

    /// Refuses new allocations from here on; those that are there go on.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// A connection of a client was closed: its allocation goes with it.
    pub fn handle_closed(&mut self, tuple: &FiveTuple) {
        if let Some(id) = self.clients.get(tuple).copied() {
            self.end_allocation(id, End::Closed);
        }
        self.elsewhere.forget(tuple);
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How many allocations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Whether there are no allocations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ports that may be given out for datagrams, over all relay addresses of this worker.
    #[must_use]
    pub fn free_ports(&self) -> usize {
        self.udp_ports.iter().map(PortPool::free).sum()
    }

    /// Whether a client has an allocation here, if only one that is about to be made.
    #[must_use]
    pub fn is_client(&self, tuple: &FiveTuple) -> bool {
        self.clients.contains_key(tuple)
    }

    /// All allocations with their clients and stories.
    pub fn timelines(&self) -> impl Iterator<Item = (FiveTuple, &str, &Timeline)> {
        self.allocations.iter().map(|(_, allocation)| (allocation.tuple, &*allocation.user, &allocation.timeline))
    }

    /// The relayed addresses of a client's allocation, as peers see them.
    pub fn relayed_addresses(&self, tuple: &FiveTuple) -> impl Iterator<Item = SocketAddr> {
        let allocation = self.clients.get(tuple).and_then(|id| self.allocations.get(*id));
        allocation.into_iter().flat_map(|allocation| allocation.relays().map(|(_, relay)| relay.external))
    }

    /// Whether `ip` is one that our own relayed addresses have.
    fn is_relay_ip(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.external == ip)
    }

    fn note(&mut self, tuple: &FiveTuple, moment: Moment, now: Instant) {
        let id = self.clients.get(tuple).copied();
        if let Some(allocation) = id.and_then(|id| self.allocations.get_mut(id)) {
            return allocation.timeline.note(moment, now);
        }
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((*tuple, now, moment));
    }

    fn drop_from_client(&mut self, tuple: &FiveTuple, cause: Dropped, now: Instant) -> FromClient<'static> {
        self.stats.dropped(cause);
        let id = self.clients.get(tuple).copied();
        if let Some(allocation) = id.and_then(|id| self.allocations.get_mut(id)) {
            allocation.timeline.dropped(cause, now);
        }
        FromClient::Nothing
    }

    fn set_allocation_timer(&mut self, id: AllocationId) {
        if let Some(allocation) = self.allocations.get(id) {
            self.deadlines.set(Timer::Allocation(id), allocation.deadline());
        }
    }
}

/// Bytes of the longest answer that is common; longer ones make the buffer grow once.
const SCRATCH: usize = 512;
/// Moments of clients without allocation that are remembered, for the beginning of a story.
const MAX_RECENT: usize = 256;
/// How long a reserved port is kept, [RFC 8656 § 7.2](https://www.rfc-editor.org/rfc/rfc8656#section-7.2): at least 30 s.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);
