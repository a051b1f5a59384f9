use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::account::{Ledger, Quota};
use crate::clock::WallClock;
use crate::credentials::Credentials;
use crate::nonce::NonceKey;
use crate::policy::PeerPolicy;
use crate::ports::SharedPorts;

/// Everything that one worker's relay is told at the start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which worker this is, from 0.
    pub worker: usize,
    /// How many there are; at most 256.
    pub workers: usize,
    /// Random, and different for each worker.
    pub seed: [u8; 32],
    /// The time of day.
    pub clock: WallClock,
    /// Who may use the relay. Without users and secrets nobody may.
    pub credentials: Credentials,
    /// Signs nonces; the same for all workers.
    pub nonce_key: NonceKey,
    /// Signed nonces before; these stay valid.
    pub previous_nonce_key: Option<NonceKey>,
    /// Signs mobility tickets; the same for all workers.
    pub ticket_key: [u8; 32],
    /// Where relayed transport addresses come from.
    pub addresses: Vec<RelayAddress>,
    /// The ports of relayed transport addresses, the same for all workers.
    pub ports: Ports,
    /// Which relayed ports are in use; shared by all workers.
    pub shared_ports: Arc<SharedPorts>,
    /// Who may be a peer.
    pub policy: PeerPolicy,
    /// What clients may use.
    pub limits: Limits,
    /// What they use; shared by all workers.
    pub ledger: Arc<Ledger>,
    /// Refuse channels above 0x4FFF, as [RFC 8656 § 12](https://www.rfc-editor.org/rfc/rfc8656#section-12) has it. Many
    /// clients still follow RFC 5766 and use numbers up to 0x7FFE.
    pub narrow_channels: bool,
    /// Relay TCP connections as well, RFC 6062: the driver carries out `Connect`, `Splice` and `Disconnect`.
    pub tcp_allocations: bool,
    /// Allow RFC 8016.
    pub mobility: bool,
    /// A second address and port, for RFC 5780.
    pub discovery: Option<Discovery>,
}

/// Two addresses and two ports, in all four combinations, for clients that want to learn what their NAT does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// The first of each.
    pub primary: SocketAddr,
    /// The second of each: both differ.
    pub alternate: SocketAddr,
}

impl Discovery {
    /// Whether `here` is one of the four addresses.
    pub(crate) fn covers(&self, here: SocketAddr) -> bool {
        let ends = [self.primary, self.alternate];
        ends.iter().any(|end| end.ip() == here.ip()) && ends.iter().any(|end| end.port() == here.port())
    }

    /// Our address with the other IP address, the other port, or both.
    pub(crate) fn other(&self, here: SocketAddr, ip: bool, port: bool) -> SocketAddr {
        let Self { primary, alternate } = self;
        let other_ip = if here.ip() == alternate.ip() { primary.ip() } else { alternate.ip() };
        let other_port = if here.port() == alternate.port() { primary.port() } else { alternate.port() };
        SocketAddr::new(if ip { other_ip } else { here.ip() }, if port { other_port } else { here.port() })
    }
}

/// An address for relayed transport addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayAddress {
    /// Of this host.
    pub bind: IpAddr,
    /// As the world sees it; the same, unless the host is behind a NAT.
    pub external: IpAddr,
}

/// The ports of relayed transport addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// From the first to the last.
    Range(u16, u16),
    /// No sockets: relayed addresses exist within this process only, for peers that are relayed as well.
    Virtual,
}

/// What clients may use, on all workers that share a [`Ledger`] together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Each allocation.
    pub allocation: Quota,
    /// Each user.
    pub user: Quota,
    /// Each source address, or IPv6 /64.
    pub source: Quota,
    /// All together.
    pub everybody: Quota,
    /// Answers per second to each source that has not authenticated; a second's worth may come at once.
    pub unauthenticated: u64,
    /// Permissions, and as many channels, of each allocation.
    pub permissions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // 100 Mbit/s carry many streams of high-definition video; a call needs few peers, a scan many.
            allocation: Quota {
                bytes: Some(12_500_000),
                packets: Some(20_000),
                new_peers: Some(100),
                ..Quota::default()
            },
            user: Quota { allocations: Some(1000), permissions: Some(20_000), ..Quota::default() },
            source: Quota { allocations: Some(2000), permissions: Some(40_000), ..Quota::default() },
            everybody: Quota { allocations: Some(50_000), permissions: Some(1_000_000), ..Quota::default() },
            unauthenticated: 200,
            permissions: 1024,
        }
    }
}
