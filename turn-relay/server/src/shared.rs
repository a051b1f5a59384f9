use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};
use stoa_base_net::Mailbox;
use stoa_turn_relay_core::{
    Config, Credentials, Limits, NonceKey, PeerPolicy, Ports, Relay, RelayAddress, SharedPorts, WallClock,
};

use crate::mail::Revocation;

/// What all workers' relays have in common, and what one that takes the place of a lost one needs.
pub(crate) struct Shared {
    pub(crate) workers: usize,
    pub(crate) addresses: Vec<RelayAddress>,
    pub(crate) ports: Ports,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) mailbox: OnceLock<Mailbox>,
    pub(crate) is_draining: AtomicBool,
    shared_ports: Arc<SharedPorts>,
    nonce_key: NonceKey,
    ticket_key: [u8; 32],
    /// The newest ones.
    revocations: Mutex<VecDeque<Revocation>>,
}

/// What may change while the relay runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) credentials: Credentials,
    pub(crate) policy: PeerPolicy,
    pub(crate) limits: Limits,
}

impl Shared {
    pub(crate) fn new(workers: usize, addresses: Vec<RelayAddress>, ports: Ports, settings: Settings) -> Self {
        Self {
            workers,
            shared_ports: Arc::new(SharedPorts::new(addresses.len())),
            addresses,
            ports,
            settings: Mutex::new(settings),
            mailbox: OnceLock::new(),
            is_draining: AtomicBool::new(false),
            nonce_key: NonceKey { id: 1, secret: random() },
            ticket_key: random(),
            revocations: Mutex::default(),
        }
    }

    /// A relay for one worker.
    pub(crate) fn relay(&self, worker: usize) -> Relay {
        let Settings { credentials, policy, limits } = lock(&self.settings).clone();
        let now = Instant::now();
        let mut relay = Relay::new(Config {
            worker,
            workers: self.workers,
            seed: random(),
            clock: wall_clock(now),
            credentials,
            nonce_key: self.nonce_key,
            ticket_key: self.ticket_key,
            addresses: self.addresses.clone(),
            ports: self.ports,
            shared_ports: Arc::clone(&self.shared_ports),
            policy,
            limits,
            narrow_channels: false,
            tcp_allocations: false,
            mobility: true,
            discovery: None,
        });
        for revocation in lock(&self.revocations).iter() {
            revocation.carry_out(&mut relay, now);
        }
        if self.is_draining.load(Ordering::Acquire) {
            relay.drain();
        }
        relay
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

/// As many as a relay itself remembers.
const MAX_REVOCATIONS: usize = 32_768;
