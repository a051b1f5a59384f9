//! Attribute types and the values that more than one method reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TransactionId};

/// The reflexive address in the clear, kept for clients of RFC 3489.
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// "Answer from another address", RFC 5780 § 7.2.
pub const CHANGE_REQUEST: u16 = 0x0003;
/// Who asks.
pub const USERNAME: u16 = 0x0006;
/// HMAC-SHA1 over the message.
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Why a request failed.
pub const ERROR_CODE: u16 = 0x0009;
/// The comprehension-required attributes that were not understood.
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
/// A channel, RFC 8656 § 18.1.
pub const CHANNEL_NUMBER: u16 = 0x000C;
/// Seconds that an allocation lives.
pub const LIFETIME: u16 = 0x000D;
/// A peer, obfuscated.
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// Payload of Send and Data.
pub const DATA: u16 = 0x0013;
/// The domain of the credentials.
pub const REALM: u16 = 0x0014;
/// The server's word against replay.
pub const NONCE: u16 = 0x0015;
/// An allocation's address, obfuscated.
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// The family that is asked for.
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// "An even port, please".
pub const EVEN_PORT: u16 = 0x0018;
/// Protocol between server and peer.
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// "Set the DF bit".
pub const DONT_FRAGMENT: u16 = 0x001A;
/// HMAC-SHA256 over the message.
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
/// The algorithm that the client chose.
pub const PASSWORD_ALGORITHM: u16 = 0x001D;
/// SHA-256 of username and realm.
pub const USERHASH: u16 = 0x001E;
/// The reflexive address, obfuscated.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// A port that was kept for this request.
pub const RESERVATION_TOKEN: u16 = 0x0022;
/// Filler, RFC 5780 § 7.6.
pub const PADDING: u16 = 0x0026;
/// The port to answer to, RFC 5780 § 7.5.
pub const RESPONSE_PORT: u16 = 0x0027;
/// A TCP connection to a peer, RFC 6062 § 6.2.1.
pub const CONNECTION_ID: u16 = 0x002A;
/// A second family for one allocation.
pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
/// The same under the number that coturn's clients have for it.
pub const DRAFT_ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8032;
/// Why there is no second family.
pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
/// The algorithms that the server offers.
pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
/// An ICMP error from the way to a peer, RFC 8656 § 18.13.
pub const ICMP: u16 = 0x8004;
/// Who made the sender.
pub const SOFTWARE: u16 = 0x8022;
/// CRC-32 that tells STUN from other protocols.
pub const FINGERPRINT: u16 = 0x8028;
/// Where an answer came from, RFC 5780 § 7.3.
pub const RESPONSE_ORIGIN: u16 = 0x802B;
/// The server's other address and port, RFC 5780 § 7.4.
pub const OTHER_ADDRESS: u16 = 0x802C;
/// Moves an allocation to another 5-tuple, RFC 8016 § 3.
pub const MOBILITY_TICKET: u16 = 0x8030;

/// An address family, as REQUESTED-ADDRESS-FAMILY has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// 0x01.
    V4,
    /// 0x02.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address. The address shall be canonical.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    /// The family of a number on the wire.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::V4),
            2 => Some(Self::V6),
            _ => None,
        }
    }
}

/// An address attribute's value, and how many bytes of it count.
#[derive(Debug, Clone, Copy)]
pub struct AddressValue {
    bytes: [u8; 20],
    length: usize,
}

impl AddressValue {
    /// XOR-MAPPED-ADDRESS and its sisters, [RFC 8489 § 14.2](https://www.rfc-editor.org/rfc/rfc8489#section-14.2).
    #[must_use]
    pub fn xored(address: SocketAddr, transaction: TransactionId) -> Self {
        Self::masked(address, mask(transaction))
    }

    /// MAPPED-ADDRESS and its sisters, in the clear.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self::masked(address, [0; 16])
    }

    fn masked(address: SocketAddr, mask: [u8; 16]) -> Self {
        let mut bytes = [0; 20];
        let [_, family, high, low, host @ ..] = &mut bytes;
        *family = Family::of(address.ip()).code();
        let port = address.port().to_be_bytes();
        [*high, *low] = [port[0] ^ mask[0], port[1] ^ mask[1]];
        let mut write = |octets: &[u8]| {
            for ((byte, octet), mask) in host.iter_mut().zip(octets).zip(mask) {
                *byte = octet ^ mask;
            }
            4 + octets.len()
        };
        let length = match address.ip() {
            IpAddr::V4(ip) => write(&ip.octets()),
            IpAddr::V6(ip) => write(&ip.octets()),
        };
        Self { bytes, length }
    }

    /// The value's bytes: 8 or 20.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Reads an obfuscated address; `None` when its length or family is wrong.
#[must_use]
pub fn read_xored(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    read_masked(value, mask(transaction))
}

/// Reads an address in the clear; `None` when its length or family is wrong.
#[must_use]
pub fn read_plain(value: &[u8]) -> Option<SocketAddr> {
    read_masked(value, [0; 16])
}

fn read_masked(value: &[u8], mask: [u8; 16]) -> Option<SocketAddr> {
    let (head, host) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
    let ip = match Family::from_code(head[1])? {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(unmask(host.try_into().ok()?, mask))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(unmask(host.try_into().ok()?, mask))),
    };
    Some(SocketAddr::new(ip, port))
}

fn unmask<const N: usize>(mut octets: [u8; N], mask: [u8; 16]) -> [u8; N] {
    for (octet, mask) in octets.iter_mut().zip(mask) {
        *octet ^= mask;
    }
    octets
}

fn mask(transaction: TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    let (cookie, id) = mask.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE);
    id.copy_from_slice(&transaction.0);
    mask
}
