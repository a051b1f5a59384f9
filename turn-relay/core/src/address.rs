use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use stoa_base_types::ConnectionId;

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp(ConnectionId),
    /// A TLS connection over TCP.
    Tls(ConnectionId),
}

impl Transport {
    /// Whether messages arrive as a stream, where ChannelData is padded.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

/// What tells one client from another: [RFC 8656 § 2](https://www.rfc-editor.org/rfc/rfc8656#section-2), "5-tuple".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// Protocol, and the connection when it has one.
    pub transport: Transport,
    /// The client's address as seen from here.
    pub client: SocketAddr,
    /// Our address that the client talks to.
    pub server: SocketAddr,
}

impl FiveTuple {
    /// With canonical addresses, so that one client has one 5-tuple.
    #[must_use]
    pub fn new(transport: Transport, client: SocketAddr, server: SocketAddr) -> Self {
        Self { transport, client: canonical(client), server: canonical(server) }
    }
}

/// An address without disguise: IPv4-mapped IPv6 becomes IPv4, flow label and scope are dropped.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The IPv4 address that an IPv6 address leads to, by any of the ways that embed one: mapped, compatible, NAT64
/// (RFC 6052, RFC 8215), 6to4 (RFC 3056) and Teredo (RFC 4380).
pub(crate) fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match [a, b, c, d, e, f] {
        // :: and ::1 are addresses of their own.
        [0, 0, 0, 0, 0, 0] if g != 0 || h > 1 => Some(join(g, h)),
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(g, h)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo hides the client's address by flipping its bits.
        [0x2001, 0, ..] => Some(join(!g, !h)),
        _ => None,
    }
}

/// Source addresses that are one source: an IPv4 address, or an IPv6 /64, within which a host may choose freely.
#[must_use]
pub fn source_of(address: SocketAddr) -> IpAddr {
    match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
