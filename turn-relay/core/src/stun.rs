//! The STUN message format, [RFC 8489 § 5](https://www.rfc-editor.org/rfc/rfc8489#section-5) and § 14. The only STUN
//! codec in the tree.

pub mod attribute;
mod builder;
mod integrity;

use std::ops::Range;

use integrity::Places;

pub use builder::Builder;
pub use integrity::Integrity;
pub(crate) use integrity::{hmac_sha1, hmac_sha256};

/// Whether a datagram's first byte marks it as STUN, [RFC 7983 § 7](https://www.rfc-editor.org/rfc/rfc7983#section-7).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4)
}

/// Whether a message is a ConnectionBind request: what follows it on its stream may be plain payload.
#[must_use]
pub fn is_connection_bind(message: &[u8]) -> bool {
    message.starts_with(&join_kind(Class::Request, CONNECTION_BIND).to_be_bytes())
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
/// Makes an allocation, RFC 8656 § 7.
pub const ALLOCATE: u16 = 0x003;
/// Prolongs or ends one, § 8.
pub const REFRESH: u16 = 0x004;
/// Carries payload to a peer, § 11.
pub const SEND: u16 = 0x006;
/// Carries payload from a peer, § 11.
pub const DATA: u16 = 0x007;
/// Lets peers in, § 10.
pub const CREATE_PERMISSION: u16 = 0x008;
/// Binds a channel, § 12.
pub const CHANNEL_BIND: u16 = 0x009;
/// Opens a TCP connection to a peer, RFC 6062 § 4.3.
pub const CONNECT: u16 = 0x00A;
/// Joins a client's TCP connection with a peer's, RFC 6062 § 4.3.
pub const CONNECTION_BIND: u16 = 0x00B;
/// Tells of a peer's TCP connection, RFC 6062 § 4.4.
pub const CONNECTION_ATTEMPT: u16 = 0x00C;

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
    datagram: &'a [u8],
    attributes: &'a [u8],
    /// How many bytes of `attributes` an integrity attribute protects; all of them when there is none.
    protected: usize,
    integrity: Places,
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
        let mut message = Self {
            class,
            method,
            transaction: TransactionId(transaction),
            has_fingerprint: false,
            datagram,
            attributes: body,
            protected: body.len(),
            integrity: Places::default(),
        };
        message.check()?;
        Ok(message)
    }

    /// Bytes, with the header.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.datagram.len()
    }

    /// The attributes in order, type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Attributes { rest: self.attributes }.map_while(Result::ok)
    }

    /// The attributes that count: what follows an integrity attribute is not protected by it and is ignored,
    /// [RFC 8489 § 14.5](https://www.rfc-editor.org/rfc/rfc8489#section-14.5).
    pub fn protected(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let rest = self.attributes.get(..self.protected).unwrap_or_default();
        Attributes { rest }.map_while(Result::ok).filter(|(kind, _)| *kind != attribute::FINGERPRINT)
    }

    /// The first of the attributes that count with this type; later ones are ignored, RFC 8489 § 14.
    #[must_use]
    pub fn first(&self, kind: u16) -> Option<&'a [u8]> {
        self.protected().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// Where the value of the first attribute with this type lies within the message.
    #[must_use]
    pub fn first_range(&self, kind: u16) -> Option<Range<usize>> {
        let rest = self.attributes.get(..self.protected).unwrap_or_default();
        let mut walk = Attributes { rest };
        loop {
            let start = HEADER + rest.len() - walk.rest.len() + 4;
            let (found, value) = walk.next()?.ok()?;
            if found == kind {
                return Some(start..start + value.len());
            }
        }
    }

    /// Which integrity attribute protects the message; the stronger one when there are both.
    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        match (self.integrity.sha256, self.integrity.sha1) {
            (Some(_), _) => Some(Integrity::Sha256),
            (None, Some(_)) => Some(Integrity::Sha1),
            (None, None) => None,
        }
    }

    /// Whether [`Message::integrity`] holds under `key`; `false` when there is none.
    #[must_use]
    pub fn verify(&self, key: &[u8]) -> bool {
        let (Some(integrity), Some(at)) = (self.integrity(), self.integrity.sha256.or(self.integrity.sha1)) else {
            return false;
        };
        let rest = self.datagram.get(at..).unwrap_or_default();
        let value = Attributes { rest }.next().and_then(Result::ok).map(|(_, value)| value);
        value.is_some_and(|value| integrity::verify(integrity, self.datagram, at, value, key))
    }

    /// Walks all attributes once and notes where those are that have a say about the rest.
    fn check(&mut self) -> Result<(), Malformed> {
        let mut fingerprint = None;
        let mut walk = Attributes { rest: self.attributes };
        loop {
            let at = self.datagram.len() - walk.rest.len();
            let Some(next) = walk.next() else { break };
            let (kind, value) = next?;
            if fingerprint.is_some() {
                return Err(Malformed::Fingerprint);
            }
            match kind {
                attribute::FINGERPRINT => fingerprint = Some(value),
                // Behind the SHA-256 one only FINGERPRINT counts, § 14.6.
                attribute::MESSAGE_INTEGRITY if self.integrity.sha256.is_none() => {
                    self.integrity.sha1.get_or_insert(at);
                }
                attribute::MESSAGE_INTEGRITY_SHA256 => {
                    self.integrity.sha256.get_or_insert(at);
                }
                _ => continue,
            }
            self.protected = self.protected.min(at - HEADER);
        }
        let Some(value) = fingerprint else { return Ok(()) };
        let covered = self.datagram.get(..self.datagram.len().saturating_sub(8)).unwrap_or_default();
        if value != fingerprint_of(covered).to_be_bytes() {
            return Err(Malformed::Fingerprint);
        }
        self.has_fingerprint = true;
        Ok(())
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

pub(crate) fn join_kind(class: Class, method: u16) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    (method & 0x000F) | ((method & 0x0070) << 1) | ((method & 0x0F80) << 2) | class
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}

const HEADER: usize = 20;
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

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
