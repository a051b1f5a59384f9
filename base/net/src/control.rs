//! Control messages beside a datagram (`cmsghdr`), written and read as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::handler::{IcmpError, SocketId};

/// Control messages of one datagram.
#[derive(Clone)]
#[repr(C, align(8))]
pub(crate) struct Control {
    bytes: [u8; CONTROL_BYTES],
    filled: usize,
}

impl Control {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; CONTROL_BYTES], filled: 0 }
    }

    pub(crate) const fn clear(&mut self) {
        self.filled = 0;
    }

    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// All the room, for the kernel to write to.
    pub(crate) const fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says how much the kernel wrote.
    pub(crate) fn set_filled(&mut self, filled: usize) {
        self.filled = filled.min(CONTROL_BYTES);
    }

    /// Asks the kernel to send from this address (`IP_PKTINFO`, `IPV6_PKTINFO`) by the interface that the routes say.
    pub(crate) fn push_source(&mut self, source: IpAddr) {
        match source {
            IpAddr::V4(ip) => {
                let mut info = [0; 12];
                if let Some(field) = info.get_mut(4..8) {
                    field.copy_from_slice(&ip.octets());
                }
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(ip) => {
                let mut info = [0; 20];
                if let Some(field) = info.get_mut(..16) {
                    field.copy_from_slice(&ip.octets());
                }
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    /// Asks the kernel to cut the payload into datagrams of this length (`UDP_SEGMENT`).
    pub(crate) fn push_segment(&mut self, length: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &length.to_ne_bytes());
    }

    /// Adds a message; one that does not fit is left out, which [`CONTROL_BYTES`] rules out.
    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let length = HEADER_BYTES + data.len();
        let end = self.filled + aligned(length);
        debug_assert!(end <= CONTROL_BYTES, "no room for a control message");
        let Some(room) = self.bytes.get_mut(self.filled..end) else { return };
        room.fill(0);
        let fields = length.to_ne_bytes().into_iter().chain(level.to_ne_bytes()).chain(kind.to_ne_bytes());
        for (to, byte) in room.iter_mut().zip(fields.chain(data.iter().copied())) {
            *to = byte;
        }
        self.filled = end;
    }
}

/// One control message: level, type and data.
pub(crate) type Message<'a> = (i32, i32, &'a [u8]);

/// Walks over the messages; stops at the first that is damaged or cut off.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<{ size_of::<usize>() }>()?;
        let (level, rest) = rest.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        let length = usize::from_ne_bytes(*length);
        let data = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind), data))
    })
}

/// Our address on a datagram, from `IP_PKTINFO` or `IPV6_PKTINFO`.
pub(crate) fn destination(message: Message<'_>) -> Option<IpAddr> {
    match message {
        // Of the two addresses in there this is the one that a reply can leave from, even if the datagram was a broadcast.
        (libc::IPPROTO_IP, libc::IP_PKTINFO, info) => {
            Some(Ipv4Addr::from(*info.get(4..8)?.first_chunk::<4>()?)).filter(|ip| !ip.is_unspecified()).map(IpAddr::V4)
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info) => {
            let ip = Ipv6Addr::from(*info.first_chunk::<16>()?);
            (!ip.is_multicast()).then(|| ip.to_canonical())
        }
        _ => None,
    }
}

/// What `IP_RECVERR` and `IPV6_RECVERR` tell about a datagram that we sent (`sock_extended_err`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExtendedError {
    errno: u32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
}

/// Reads an extended error.
pub(crate) fn extended_error((level, kind, data): Message<'_>) -> Option<ExtendedError> {
    let is_error =
        matches!((level, kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR));
    let (errno, rest) = data.split_first_chunk::<4>()?;
    let ([origin, kind, code, _], rest) = rest.split_first_chunk::<4>()?;
    let info = number(rest)?;
    is_error.then_some(ExtendedError {
        errno: u32::from_ne_bytes(*errno),
        origin: *origin,
        kind: *kind,
        code: *code,
        info,
    })
}

impl ExtendedError {
    /// The ICMP error that this is, or the one that a router would have sent had our own kernel not been first.
    pub(crate) fn icmp(self, socket: SocketId, peer: SocketAddr) -> Option<IcmpError> {
        let is_too_long = i32::try_from(self.errno) == Ok(libc::EMSGSIZE);
        let data = if is_too_long { self.info } else { 0 };
        match self.origin {
            libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => {
                Some(IcmpError { socket, peer, kind: self.kind, code: self.code, data })
            }
            libc::SO_EE_ORIGIN_LOCAL if is_too_long => {
                let (kind, code) = if peer.is_ipv6() { PACKET_TOO_BIG } else { FRAGMENTATION_NEEDED };
                Some(IcmpError { socket, peer, kind, code, data })
            }
            _ => None,
        }
    }
}

/// A number that the kernel sends as four bytes.
pub(crate) fn number(data: &[u8]) -> Option<u32> {
    data.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// ICMP type and code of [RFC 792](https://www.rfc-editor.org/rfc/rfc792) "fragmentation needed and DF set".
const FRAGMENTATION_NEEDED: (u8, u8) = (3, 4);

/// ICMPv6 type and code of [RFC 4443 § 3.2](https://www.rfc-editor.org/rfc/rfc4443#section-3.2).
const PACKET_TOO_BIG: (u8, u8) = (2, 0);

/// Bytes of a `cmsghdr`: a length, a level and a type.
const HEADER_BYTES: usize = size_of::<usize>() + 8;

/// Room for what can come with one datagram: packet info (40), GRO (24), overflow (24) or an extended error (80).
const CONTROL_BYTES: usize = 192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back_as_they_were_written() {
        for ip in ["192.0.2.1", "2001:db8::1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut control = Control::new();
            control.push_source(ip);
            control.push_segment(1200);
            let read: Vec<_> = messages(control.filled()).collect();
            assert_eq!(read.len(), 2);
            assert_eq!(destination(read[0]), Some(ip));
            assert_eq!(read[1], (libc::SOL_UDP, libc::UDP_SEGMENT, &1200u16.to_ne_bytes()[..]));
        }
    }

    proptest! {
        #[test]
        fn damage_ends_the_walk_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..40) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_chunk_mut::<{ size_of::<usize>() }>() {
                *first = length.to_ne_bytes();
            }
            let most = bytes.len() / HEADER_BYTES;
            let read: Vec<_> = messages(&bytes).map(|message| (destination(message), extended_error(message))).collect();
            prop_assert!(read.len() <= most);
        }
    }
}
