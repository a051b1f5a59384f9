//! STUN messages of a TURN client with long-term credentials: RFC 8489 and RFC 8656.

use std::net::{Ipv4Addr, SocketAddrV4};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;

/// Methods, RFC 8656 § 17.
pub(crate) const ALLOCATE: u16 = 0x0003;
pub(crate) const REFRESH: u16 = 0x0004;
pub(crate) const CREATE_PERMISSION: u16 = 0x0008;
pub(crate) const CHANNEL_BIND: u16 = 0x0009;

/// The bits of the type that tell success and error from a request.
pub(crate) const SUCCESS: u16 = 0x0100;
pub(crate) const ERROR: u16 = 0x0110;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000C;
const LIFETIME: u16 = 0x000D;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;

const MAGIC_COOKIE: u32 = 0x2112_A442;
const HEADER: usize = 20;
const UDP: u8 = 17;

/// What an HMAC is keyed with: the MD5 of user, realm and password, RFC 8489 § 9.2.2.
pub(crate) type Key = [u8; 16];

pub(crate) type TransactionId = [u8; 12];

pub(crate) fn long_term_key(user: &str, realm: &[u8], password: &str) -> Key {
    let parts: [&[u8]; 5] = [user.as_bytes(), b":", realm, b":", password.as_bytes()];
    parts.iter().fold(Md5::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

/// A request that is being written.
pub(crate) struct Request(Vec<u8>);

impl Request {
    pub(crate) fn new(method: u16, id: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(method.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend(id);
        Self(bytes)
    }

    pub(crate) fn requested_transport(self) -> Self {
        self.attribute(REQUESTED_TRANSPORT, &[UDP, 0, 0, 0])
    }

    pub(crate) fn lifetime(self, seconds: u32) -> Self {
        self.attribute(LIFETIME, &seconds.to_be_bytes())
    }

    pub(crate) fn channel_number(self, number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        self.attribute(CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    pub(crate) fn peer(self, address: SocketAddrV4) -> Self {
        let port = (address.port() ^ 0x2112).to_be_bytes();
        let ip = (u32::from(*address.ip()) ^ MAGIC_COOKIE).to_be_bytes();
        let value = [&[0, 1], &port[..], &ip[..]].concat();
        self.attribute(XOR_PEER_ADDRESS, &value)
    }

    /// Ends it with long-term credentials.
    pub(crate) fn sign(self, user: &str, realm: &[u8], nonce: &[u8], key: &Key) -> Vec<u8> {
        let named = self.attribute(USERNAME, user.as_bytes()).attribute(REALM, realm).attribute(NONCE, nonce);
        // The length counts the attribute that follows, RFC 8489 § 14.5.
        let text = named.with_length(24);
        let mac =
            Hmac::<Sha1>::new_from_slice(key).map(|mac| mac.chain_update(&text.0).finalize().into_bytes().to_vec());
        text.attribute(MESSAGE_INTEGRITY, &mac.unwrap_or_default()).finish()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.with_length(0).0
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(kind.to_be_bytes());
        self.0.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn with_length(mut self, yet_to_come: usize) -> Self {
        let length = u16::try_from(self.0.len() - HEADER + yet_to_come).unwrap_or_default().to_be_bytes();
        self.0.iter_mut().skip(2).zip(length).for_each(|(place, byte)| *place = byte);
        self
    }
}

/// A message that was received.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    attributes: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, attributes) = bytes.split_first_chunk::<HEADER>()?;
        let [high, low, _, _, a, b, c, d, ..] = *header;
        let is_stun = high & 0xC0 == 0 && u32::from_be_bytes([a, b, c, d]) == MAGIC_COOKIE;
        is_stun.then_some(Self { kind: u16::from_be_bytes([high, low]), attributes })
    }

    pub(crate) fn error_code(&self) -> Option<u16> {
        let [_, _, class, number] = *self.find(ERROR_CODE)?.first_chunk()?;
        Some(u16::from(class & 7) * 100 + u16::from(number))
    }

    pub(crate) fn realm(&self) -> Option<&'a [u8]> {
        self.find(REALM)
    }

    pub(crate) fn nonce(&self) -> Option<&'a [u8]> {
        self.find(NONCE)
    }

    pub(crate) fn relayed(&self) -> Option<SocketAddrV4> {
        let [0, 1, high, low, a, b, c, d] = *self.find(XOR_RELAYED_ADDRESS)?.first_chunk()? else { return None };
        let ip = Ipv4Addr::from(u32::from_be_bytes([a, b, c, d]) ^ MAGIC_COOKIE);
        Some(SocketAddrV4::new(ip, u16::from_be_bytes([high, low]) ^ 0x2112))
    }

    fn find(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let (head, after) = rest.split_first_chunk::<4>()?;
            let [a, b, c, d] = *head;
            let length = usize::from(u16::from_be_bytes([c, d]));
            if u16::from_be_bytes([a, b]) == wanted {
                return after.get(..length);
            }
            rest = after.get(length.next_multiple_of(4)..)?;
        }
    }
}
