use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::address::{canonical, embedded};

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    /// Leading bits that count.
    prefix: u8,
}

/// A text that is not a block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CidrError;

impl Cidr {
    /// The block of all addresses that share the first `prefix` bits of `base`. Bits of `base` beyond them do not count.
    ///
    /// # Errors
    /// [`CidrError`] when the prefix is longer than the address.
    pub const fn new(base: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let longest = if base.is_ipv4() { 32 } else { 128 };
        if prefix <= longest { Ok(Self { base, prefix }) } else { Err(CidrError) }
    }

    /// Whether `ip` lies within.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                (base.to_bits() ^ ip.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                (base.to_bits() ^ ip.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| CidrError)?;
        let whole = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(whole), str::parse).map_err(|_| CidrError)?;
        Self::new(base, prefix)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address with an optional prefix length, like 10.0.0.0/8")
    }
}

impl std::error::Error for CidrError {}

/// The rule that keeps a peer out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// A special-purpose address: private, loopback, multicast and the like.
    SpecialPurpose,
    /// In `deny_peers`.
    Configured,
    /// One of our own listening addresses.
    OwnService,
    /// Port 0 does not exist.
    PortZero,
    /// The relay has no sockets towards other peers.
    NoSockets,
}

/// Which peers may be talked to.
#[derive(Debug, Clone, Default)]
pub struct PeerPolicy {
    /// Beats `deny` and the special-purpose list.
    pub allow: Vec<Cidr>,
    /// Refused in addition to the special-purpose list.
    pub deny: Vec<Cidr>,
    /// Our own listening addresses: refused whatever `allow` says. The driver
    /// writes out all addresses of this host where it listens on an unspecified one.
    pub own_services: Vec<SocketAddr>,
    /// Of these, the UDP addresses behind which media handlers of this process may have sessions. They are reached in process
    /// only, whatever the other rules say.
    pub media: Vec<SocketAddr>,
}

impl PeerPolicy {
    /// Whether any port of `ip` may be a peer.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), Denial> {
        let ip = ip.to_canonical();
        let inner = match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => embedded(ip).map(IpAddr::V4),
        };
        let faces = || std::iter::once(ip).chain(inner);
        // What the address leads to decides whether it is allowed; each of its faces may get it refused.
        let reached = inner.unwrap_or(ip);
        if self.allow.iter().any(|block| block.contains(reached)) {
            return Ok(());
        }
        if faces().any(|ip| self.deny.iter().any(|block| block.contains(ip))) {
            return Err(Denial::Configured);
        }
        if faces().any(is_special_purpose) { Err(Denial::SpecialPurpose) } else { Ok(()) }
    }

    /// Whether `peer` may be a peer.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check(&self, peer: SocketAddr) -> Result<(), Denial> {
        let peer = canonical(peer);
        if peer.port() == 0 {
            return Err(Denial::PortZero);
        }
        if self.is_own_service(peer) {
            return Err(Denial::OwnService);
        }
        self.check_ip(peer.ip())
    }

    /// Whether media handlers of this process may be spoken to there.
    pub(crate) fn is_media(&self, peer: SocketAddr) -> bool {
        self.media.contains(&peer)
    }

    /// Whether any port of `ip` is one of media.
    pub(crate) fn has_media(&self, ip: IpAddr) -> bool {
        self.media.iter().any(|media| media.ip() == ip)
    }

    /// Whether something of ours listens there.
    pub(crate) fn is_own_service(&self, peer: SocketAddr) -> bool {
        let inner = match peer.ip() {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => embedded(ip).map(IpAddr::V4),
        };
        self.own_services
            .iter()
            .any(|own| own.port() == peer.port() && (own.ip() == peer.ip() || Some(own.ip()) == inner))
    }
}

/// Whether the IANA registries of special-purpose addresses (RFC 6890 and its successors) keep `ip` off the public
/// Internet. Multicast and the deprecated ranges for site-local addresses and 6to4 relays count as well.
fn is_special_purpose(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|(base, prefix)| (ip.to_bits() ^ base) >> (32 - prefix) == 0),
        IpAddr::V6(ip) => {
            let upper = ip.to_bits() >> 64;
            let is_listed = |(base, prefix): &(u64, u32)| (upper ^ u128::from(*base)) >> (64 - prefix) == 0;
            ip.to_bits() >> 32 == 0 || SPECIAL_V6.iter().any(is_listed)
        }
    }
}

/// First address and prefix length.
const SPECIAL_V4: [(u32, u32); 16] = [
    (0x0000_0000, 8),  // 0.0.0.0/8, "this network"
    (0x0A00_0000, 8),  // 10.0.0.0/8, private
    (0x6440_0000, 10), // 100.64.0.0/10, shared by carriers
    (0x7F00_0000, 8),  // 127.0.0.0/8, loopback
    (0xA9FE_0000, 16), // 169.254.0.0/16, link-local, and the clouds' metadata services
    (0xAC10_0000, 12), // 172.16.0.0/12, private
    (0xC000_0000, 24), // 192.0.0.0/24, protocol assignments
    (0xC000_0200, 24), // 192.0.2.0/24, documentation
    (0xC058_6300, 24), // 192.88.99.0/24, once 6to4 relays
    (0xC0A8_0000, 16), // 192.168.0.0/16, private
    (0xC612_0000, 15), // 198.18.0.0/15, benchmarks
    (0xC633_6400, 24), // 198.51.100.0/24, documentation
    (0xCB00_7100, 24), // 203.0.113.0/24, documentation
    (0xE000_0000, 4),  // 224.0.0.0/4, multicast
    (0xF000_0000, 4),  // 240.0.0.0/4, reserved
    (0xFFFF_FFFF, 32), // broadcast
];

/// Upper half of the first address, and prefix length; ::/96 (unspecified, loopback, IPv4-compatible) is handled apart.
const SPECIAL_V6: [(u64, u32); 12] = [
    (0x0064_ff9b_0001_0000, 48), // 64:ff9b:1::/48, local NAT64
    (0x0100_0000_0000_0000, 64), // 100::/64, discard
    (0x0100_0000_0000_0001, 64), // 100:0:0:1::/64, dummy prefix
    (0x2001_0000_0000_0000, 23), // 2001::/23, protocol assignments, with Teredo
    (0x2001_0db8_0000_0000, 32), // 2001:db8::/32, documentation
    (0x2002_0000_0000_0000, 16), // 2002::/16, 6to4: its relays are gone
    (0x3fff_0000_0000_0000, 20), // 3fff::/20, documentation
    (0x5f00_0000_0000_0000, 16), // 5f00::/16, segment routing
    (0xfc00_0000_0000_0000, 7),  // fc00::/7, unique local
    (0xfe80_0000_0000_0000, 10), // fe80::/10, link-local
    (0xfec0_0000_0000_0000, 10), // fec0::/10, once site-local
    (0xff00_0000_0000_0000, 8),  // ff00::/8, multicast
];
