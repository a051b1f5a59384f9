use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};
use stoa_base_net::Mailbox;
use stoa_turn_relay_core::{
    Config, Credentials, Discovery, Ledger, Limits, NonceKey, PeerPolicy, Ports, Relay, RelayAddress, SharedPorts,
    WallClock,
};
use tokio::runtime::Handle;

use crate::mail::Revocation;

/// What all workers' relays have in common, and what one that takes the place of a lost one needs.
pub(crate) struct Shared {
    pub(crate) workers: usize,
    pub(crate) addresses: Vec<RelayAddress>,
    pub(crate) ports: Ports,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) mailbox: OnceLock<Mailbox>,
    pub(crate) is_draining: AtomicBool,
    /// Where relayed TCP connections are served; none before the relay is started.
    pub(crate) runtime: OnceLock<Handle>,
    pub(crate) shared_ports: Arc<SharedPorts>,
    discovery: Option<Discovery>,
    ledger: Arc<Ledger>,
    nonce_keys: Mutex<NonceKeys>,
    /// Grows with each new key.
    nonce_generation: AtomicU64,
    ticket_key: [u8; 32],
    /// The newest ones.
    revocations: Mutex<VecDeque<Revocation>>,
}

/// The key that signs nonces, and the one before.
#[derive(Debug, Clone, Copy)]
struct NonceKeys {
    current: NonceKey,
    previous: Option<NonceKey>,
    since: Instant,
}

/// What may change while the relay runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) credentials: Credentials,
    pub(crate) policy: PeerPolicy,
    pub(crate) limits: Limits,
}

impl Shared {
    pub(crate) fn new(
        workers: usize,
        addresses: Vec<RelayAddress>,
        ports: Ports,
        discovery: Option<Discovery>,
        settings: Settings,
    ) -> Self {
        let now = Instant::now();
        let current = NonceKey { id: 1, secret: random() };
        Self {
            workers,
            shared_ports: Arc::new(SharedPorts::new(addresses.len())),
            addresses,
            ports,
            settings: Mutex::new(settings),
            mailbox: OnceLock::new(),
            is_draining: AtomicBool::new(false),
            runtime: OnceLock::new(),
            discovery,
            ledger: Arc::new(Ledger::new(u64::from_ne_bytes(random()), now)),
            nonce_keys: Mutex::new(NonceKeys { current, previous: None, since: now }),
            nonce_generation: AtomicU64::new(0),
            ticket_key: random(),
            revocations: Mutex::default(),
        }
    }

    /// A relay for one worker.
    pub(crate) fn relay(&self, worker: usize) -> Relay {
        let Settings { credentials, policy, limits } = lock(&self.settings).clone();
        let now = Instant::now();
        let NonceKeys { current, previous, .. } = *lock(&self.nonce_keys);
        let mut relay = Relay::new(Config {
            worker,
            workers: self.workers,
            seed: random(),
            clock: wall_clock(now),
            credentials,
            nonce_key: current,
            previous_nonce_key: previous,
            ticket_key: self.ticket_key,
            addresses: self.addresses.clone(),
            ports: self.ports,
            shared_ports: Arc::clone(&self.shared_ports),
            policy,
            limits,
            ledger: Arc::clone(&self.ledger),
            narrow_channels: false,
            // A relayed address within the process is none that peers could connect to.
            tcp_allocations: matches!(self.ports, Ports::Range(..)),
            mobility: true,
            discovery: self.discovery,
        });
        for revocation in lock(&self.revocations).iter() {
            revocation.carry_out(&mut relay, now);
        }
        if self.is_draining.load(Ordering::Acquire) {
            relay.drain();
        }
        relay
    }

    /// Draws a new key for nonces when the current one is old enough.
    pub(crate) fn rotate_nonce_key(&self, now: Instant) {
        let mut keys = lock(&self.nonce_keys);
        if now.saturating_duration_since(keys.since) >= NONCE_KEY_INTERVAL {
            let new = NonceKey { id: keys.current.id.wrapping_add(1), secret: random() };
            *keys = NonceKeys { current: new, previous: Some(keys.current), since: now };
            self.nonce_generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Brings the keys of a worker that knows those of `generation` up to date.
    pub(crate) fn tell_nonce_keys(&self, relay: &mut Relay, generation: &mut u64) {
        let newest = self.nonce_generation.load(Ordering::Acquire);
        if *generation != newest {
            *generation = newest;
            let NonceKeys { current, previous, .. } = *lock(&self.nonce_keys);
            relay.set_nonce_keys(current, previous);
        }
    }

    /// The address on this host of a peer that is one of our own relayed addresses; any other peer as it is.
    pub(crate) fn inner_address(&self, peer: SocketAddr) -> SocketAddr {
        let own = self.addresses.iter().find(|address| address.external == peer.ip());
        own.map_or(peer, |own| SocketAddr::new(own.bind, peer.port()))
    }

    /// The other way around: one of our own addresses as the world sees it.
    pub(crate) fn outer_address(&self, peer: SocketAddr) -> SocketAddr {
        let own = self.addresses.iter().find(|address| address.bind == peer.ip().to_canonical());
        own.map_or(peer, |own| SocketAddr::new(own.external, peer.port()))
    }

    /// Which worker's relay has a relayed address, and how that is named in what is passed to it.
    pub(crate) fn find_relayed(&self, to: SocketAddr) -> Option<(usize, u64)> {
        let index = self.addresses.iter().position(|address| address.external == to.ip())?;
        let worker = self.shared_ports.worker_of(index, to.port(), self.workers)?;
        Some((worker, tag_of(index, to.port())?))
    }

    /// Remembers a revocation for relays that are yet to be made.
    pub(crate) fn remember(&self, revocation: Revocation) {
        let mut revocations = lock(&self.revocations);
        if revocations.len() >= MAX_REVOCATIONS {
            revocations.pop_front();
        }
        revocations.push_back(revocation);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("workers", &self.workers).field("ports", &self.ports).finish_non_exhaustive()
    }
}

/// The values behind these locks are whole at any time, so a panic elsewhere cannot have left one half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time of day as the system has it now.
pub(crate) fn wall_clock(now: Instant) -> WallClock {
    // A clock before 1970 is no clock; credentials then count as not yet expired.
    WallClock::new(now, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(filled, Ok(N), "the system gives random bytes");
    bytes
}

/// Names a port of a relay address.
pub(crate) fn tag_of(address: usize, port: u16) -> Option<u64> {
    Some(u64::try_from(address).ok()? << 16 | u64::from(port))
}

/// A nonce is good for an hour at most, so that one signed with the key before never needs a third.
const NONCE_KEY_INTERVAL: Duration = Duration::from_secs(3600);
/// As many as a relay itself remembers.
const MAX_REVOCATIONS: usize = 32_768;

#[cfg(test)]
mod tests {
    use stoa_turn_relay_core::stun::{ALLOCATE, Builder, Class, Integrity, Message, TransactionId, attribute};
    use stoa_turn_relay_core::{Algorithm, FiveTuple, FromClient, Key, Transport};

    use super::*;

    impl Shared {
        /// Two workers' relays, with one address and no sockets.
        fn with(credentials: Credentials) -> Self {
            let ip = std::net::IpAddr::from([192, 0, 2, 1]);
            let settings = Settings { credentials, policy: PeerPolicy::default(), limits: Limits::default() };
            let addresses = vec![RelayAddress { bind: ip, external: ip }];
            Self::new(2, addresses, Ports::Virtual, None, settings)
        }

        /// For tests of what is around the relays.
        pub(crate) fn without_users() -> Self {
            Self::with(Credentials::new("stoa", [], vec![]))
        }
    }

    fn ask(relay: &mut Relay, nonce: Option<&[u8]>, now: Instant) -> Vec<u8> {
        let [client, server] = [7, 1].map(|host| SocketAddr::from(([192, 0, 2, host], 1)));
        let mut request = Builder::new(Class::Request, ALLOCATE, TransactionId([1; 12]));
        if let Some(nonce) = nonce {
            let key = Key::long_term(Algorithm::Md5, b"ada", b"stoa", b"pass");
            request = request
                .attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(attribute::USERNAME, b"ada")
                .attribute(attribute::REALM, b"stoa")
                .attribute(attribute::NONCE, nonce)
                .integrity(Integrity::Sha1, key.as_bytes());
        }
        let tuple = FiveTuple::new(Transport::Udp, client, server);
        let FromClient::Answer(answer) = relay.handle_client(tuple, &request.finish(), now) else {
            panic!("no answer")
        };
        answer.bytes.to_vec()
    }

    #[test]
    fn a_nonce_outlives_one_change_of_keys_on_every_worker() {
        let users = [("ada".to_owned(), "pass".to_owned())];
        let shared = Shared::with(Credentials::new("stoa", users, vec![]));
        let start = Instant::now();
        let (mut one, mut two) = (shared.relay(0), shared.relay(1));
        let mut generations = [0, 0];
        let challenge = ask(&mut one, None, start);
        let nonce = Message::parse(&challenge).unwrap().first(attribute::NONCE).unwrap().to_vec();
        let mut code = |hours: u64| {
            shared.rotate_nonce_key(start + Duration::from_secs(3600 * hours));
            shared.tell_nonce_keys(&mut one, &mut generations[0]);
            shared.tell_nonce_keys(&mut two, &mut generations[1]);
            // The relays' own clock stands still: it is the key that counts here.
            let answer = ask(&mut two, Some(&nonce), start);
            Message::parse(&answer).unwrap().first(attribute::ERROR_CODE).map(|code| code[3])
        };
        assert_eq!(code(0), None);
        assert_eq!(code(1), None, "the nonce is still good");
        assert_eq!(code(1), None, "not due again");
        assert_eq!(code(2), Some(38));
        assert_eq!(generations, [2, 2]);
    }
}
