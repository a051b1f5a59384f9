//! The STUN message format, [RFC 8489 § 5](https://www.rfc-editor.org/rfc/rfc8489#section-5) and § 14. The only STUN
//! codec in the tree.

use std::net::{IpAddr, SocketAddr};

/// Whether a datagram's first byte marks it as STUN, [RFC 7983 § 7](https://www.rfc-editor.org/rfc/rfc7983#section-7).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4)
}

/// Identifies a transaction, [RFC 8489 § 5](https://www.rfc-editor.org/rfc/rfc8489#section-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// The four classes of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// Good news.
    Success,
    /// Bad news.
    Error,
}

/// The method of Binding requests.
pub const BINDING: u16 = 0x001;

/// Attribute types of RFC 8489 that this codec writes or looks at.
pub mod attribute {
    /// The reflexive address, obfuscated.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// Why a request failed.
    pub const ERROR_CODE: u16 = 0x0009;
    /// The comprehension-required attributes that were not understood.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// CRC-32 that tells STUN from other protocols.
    pub const FINGERPRINT: u16 = 0x8028;
}

/// Why bytes are not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than a header, or than its header says.
    Truncated,
    /// Wrong first bits, magic cookie or length.
    NotStun,
    /// An attribute reaches past the end.
    AttributeOverrun,
    /// FINGERPRINT is there and wrong, or not the last attribute.
    Fingerprint,
}

/// A parsed message that borrows its datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The class.
    pub class: Class,
    /// The method.
    pub method: u16,
    /// The transaction.
    pub transaction: TransactionId,
    /// Whether a (valid) FINGERPRINT ends it.
    pub has_fingerprint: bool,
    attributes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// [`Malformed`] when it is not exactly one well-formed STUN message.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (header, body) = datagram.split_at_checked(HEADER).ok_or(Malformed::Truncated)?;
        let kind = read_u16(header, 0).ok_or(Malformed::Truncated)?;
        let length = usize::from(read_u16(header, 2).ok_or(Malformed::Truncated)?);
        if kind >= 0x4000 || header.get(4..8) != Some(&MAGIC_COOKIE) || !length.is_multiple_of(4) {
            return Err(Malformed::NotStun);
        }
        if body.len() < length {
            return Err(Malformed::Truncated);
        }
        if body.len() > length {
            return Err(Malformed::NotStun);
        }
        let transaction = header.get(8..20).and_then(|id| id.try_into().ok()).ok_or(Malformed::Truncated)?;
        let (class, method) = split_kind(kind);
        let mut message =
            Self { class, method, transaction: TransactionId(transaction), has_fingerprint: false, attributes: body };
        message.has_fingerprint = message.check(datagram)?;
        Ok(message)
    }

    /// The attributes in order, type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Attributes { rest: self.attributes }.map_while(Result::ok)
    }

    /// Walks all attributes once; tells whether a valid FINGERPRINT closes the message.
    fn check(&self, datagram: &[u8]) -> Result<bool, Malformed> {
        let mut fingerprint = None;
        for attribute in (Attributes { rest: self.attributes }) {
            let (kind, value) = attribute?;
            if fingerprint.is_some() {
                return Err(Malformed::Fingerprint);
            }
            if kind == attribute::FINGERPRINT {
                fingerprint = Some(value);
            }
        }
        let Some(value) = fingerprint else { return Ok(false) };
        let covered = datagram.get(..datagram.len().saturating_sub(8)).unwrap_or_default();
        if value == fingerprint_of(covered).to_be_bytes() { Ok(true) } else { Err(Malformed::Fingerprint) }
    }
}

struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let kind = read_u16(self.rest, 0);
        let length = read_u16(self.rest, 2).map(usize::from);
        let (Some(kind), Some(length)) = (kind, length) else { return self.overrun() };
        let Some(value) = self.rest.get(4..4 + length) else { return self.overrun() };
        let Some(rest) = self.rest.get(4 + length.next_multiple_of(4)..) else { return self.overrun() };
        self.rest = rest;
        Some(Ok((kind, value)))
    }
}

impl<'a> Attributes<'a> {
    fn overrun(&mut self) -> Option<Result<(u16, &'a [u8]), Malformed>> {
        self.rest = &[];
        Some(Err(Malformed::AttributeOverrun))
    }
}

/// Builds a message.
#[derive(Debug)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// Begins a message of the given class and method.
    #[must_use]
    pub fn new(class: Class, method: u16, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&join_kind(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes }
    }

    /// Appends an attribute; a value longer than 65,535 bytes is cut there.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.get(..usize::from(length)).unwrap_or_default());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.write_length(0);
        self
    }

    /// Appends XOR-MAPPED-ADDRESS, [RFC 8489 § 14.2](https://www.rfc-editor.org/rfc/rfc8489#section-14.2).
    #[must_use]
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let mask: Vec<u8> = self.bytes.get(4..HEADER).unwrap_or_default().to_vec();
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        value.extend(address.port().to_be_bytes().iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
        value.extend(octets.iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value)
    }

    /// Appends ERROR-CODE, [RFC 8489 § 14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8). `code` is 300 to 699.
    #[must_use]
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).unwrap_or_default());
        let mut value = vec![0, 0, class, number];
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// Appends FINGERPRINT and ends the message.
    #[must_use]
    pub fn finish_with_fingerprint(mut self) -> Vec<u8> {
        self.write_length(8);
        let fingerprint = fingerprint_of(&self.bytes);
        self.attribute(attribute::FINGERPRINT, &fingerprint.to_be_bytes()).bytes
    }

    /// Ends the message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn write_length(&mut self, beyond: usize) {
        let length = u16::try_from(self.bytes.len() - HEADER + beyond).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// [RFC 8489 § 14.7](https://www.rfc-editor.org/rfc/rfc8489#section-14.7).
fn fingerprint_of(covered: &[u8]) -> u32 {
    crc32fast::hash(covered) ^ 0x5354_554E
}

/// The class bits C1 and C0 sit inside the method, RFC 8489 figure 3.
fn split_kind(kind: u16) -> (Class, u16) {
    let class = match (kind & 0x0100 != 0, kind & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    (class, (kind & 0x000F) | ((kind & 0x00E0) >> 1) | ((kind & 0x3E00) >> 2))
}

fn join_kind(class: Class, method: u16) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    (method & 0x000F) | ((method & 0x0070) << 1) | ((method & 0x0F80) << 2) | class
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert!(message.attributes().count() <= bytes.len());
            }
        }

        #[test]
        fn kinds_survive_the_trip(class in prop::sample::select(vec![Class::Request, Class::Indication, Class::Success, Class::Error]), method in 0u16..0x1000) {
            prop_assert_eq!(split_kind(join_kind(class, method)), (class, method));
        }

        #[test]
        fn what_is_built_parses(values in prop::collection::vec((0u16..0x7FFF, prop::collection::vec(any::<u8>(), 0..40)), 0..6)) {
            let mut builder = Builder::new(Class::Request, BINDING, TransactionId([7; 12]));
            for (kind, value) in &values {
                builder = builder.attribute(*kind, value);
            }
            let bytes = builder.finish_with_fingerprint();
            let message = Message::parse(&bytes).unwrap();
            prop_assert!(message.has_fingerprint);
            let read: Vec<_> = message.attributes().map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(&read[..values.len()], &values[..]);
        }
    }

    /// RFC 5769 § 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY and FINGERPRINT.
    const RFC_5769_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_request_of_rfc_5769_is_understood() {
        let message = Message::parse(RFC_5769_REQUEST).unwrap();
        assert_eq!((message.class, message.method), (Class::Request, BINDING));
        assert!(message.has_fingerprint);
        let kinds: Vec<_> = message.attributes().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [0x8022, 0x0024, 0x8029, 0x0006, 0x0008, 0x8028]);
    }

    #[test]
    fn a_flipped_bit_breaks_the_fingerprint() {
        let mut bytes = RFC_5769_REQUEST.to_vec();
        bytes[30] ^= 1;
        assert_eq!(Message::parse(&bytes).err(), Some(Malformed::Fingerprint));
    }

    /// RFC 5769 § 2.2 and § 2.3: the mapped address 192.0.2.1 port 32853 and its IPv6 sister.
    #[test]
    fn mapped_addresses_are_those_of_rfc_5769() {
        let id = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
        let value = |address: &str| {
            let bytes = Builder::new(Class::Success, BINDING, id).xor_mapped_address(address.parse().unwrap()).finish();
            Message::parse(&bytes).unwrap().attributes().next().unwrap().1.to_vec()
        };
        assert_eq!(value("192.0.2.1:32853"), b"\x00\x01\xa1\x47\xe1\x12\xa6\x43");
        assert_eq!(
            value("[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
            b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
        );
    }
}
