use std::net::SocketAddr;

use super::attribute::{self, AddressValue};
use super::integrity::{self, Integrity};
use super::{Class, HEADER, MAGIC_COOKIE, TransactionId, fingerprint_of, join_kind};

/// Builds a message.
#[derive(Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl Builder {
    /// Begins a message of the given class and method.
    #[must_use]
    pub fn new(class: Class, method: u16, transaction: TransactionId) -> Self {
        Self::reusing(Vec::with_capacity(128), class, method, transaction)
    }

    /// Begins a message in a buffer that was used before.
    #[must_use]
    pub fn reusing(mut bytes: Vec<u8>, class: Class, method: u16, transaction: TransactionId) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&join_kind(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes, transaction }
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

    /// Appends an attribute of 32 bits.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends an obfuscated address, [RFC 8489 § 14.2](https://www.rfc-editor.org/rfc/rfc8489#section-14.2).
    #[must_use]
    pub fn xored(self, kind: u16, address: SocketAddr) -> Self {
        let value = AddressValue::xored(address, self.transaction);
        self.attribute(kind, value.as_bytes())
    }

    /// Appends XOR-MAPPED-ADDRESS.
    #[must_use]
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        self.xored(attribute::XOR_MAPPED_ADDRESS, address)
    }

    /// Appends ERROR-CODE, [RFC 8489 § 14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8). `code` is 300 to 699.
    #[must_use]
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).unwrap_or_default());
        let mut value = vec![0, 0, class, number];
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// Appends the integrity attribute of the given kind.
    #[must_use]
    pub fn integrity(self, integrity: Integrity, key: &[u8]) -> Self {
        let (kind, length) = match integrity {
            Integrity::Sha1 => (attribute::MESSAGE_INTEGRITY, 20),
            Integrity::Sha256 => (attribute::MESSAGE_INTEGRITY_SHA256, 32),
        };
        let mac = integrity::compute(integrity, &self.bytes, length, key);
        self.attribute(kind, mac.get(..length).unwrap_or_default())
    }

    /// How many bytes the message has so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bytes.len()
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
