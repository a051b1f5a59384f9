//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256, RFC 8489 § 14.5 and § 14.6.

use hmac::{Hmac, KeyInit as _, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Which HMAC protects a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// Where the integrity attributes of a message begin, counted from its first byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    pub(super) sha1: Option<usize>,
    pub(super) sha256: Option<usize>,
}

/// Whether `value` is the HMAC of a message whose integrity attribute begins at `at`.
///
/// The header's length counts as if the message ended with this attribute.
pub(super) fn verify(integrity: Integrity, message: &[u8], at: usize, value: &[u8], key: &[u8]) -> bool {
    let is_sized = match integrity {
        Integrity::Sha1 => value.len() == 20,
        // § 14.6: at least 16 bytes, a multiple of 4.
        Integrity::Sha256 => (16..=32).contains(&value.len()) && value.len().is_multiple_of(4),
    };
    let Some(covered) = message.get(..at) else { return false };
    let mac = compute(integrity, covered, value.len(), key);
    is_sized && mac.get(..value.len()).is_some_and(|mac| mac.ct_eq(value).into())
}

/// The HMAC of `covered` (a message up to its integrity attribute), when the attribute's value has `value_length` bytes.
pub(super) fn compute(integrity: Integrity, covered: &[u8], value_length: usize, key: &[u8]) -> [u8; 32] {
    let length = u16::try_from((covered.len() + 4 + value_length).saturating_sub(20)).unwrap_or(u16::MAX);
    let parts = [covered.get(..2).unwrap_or_default(), &length.to_be_bytes(), covered.get(4..).unwrap_or_default()];
    match integrity {
        Integrity::Sha1 => {
            let mut padded = [0; 32];
            let (head, _) = padded.split_at_mut(20);
            head.copy_from_slice(&hmac_sha1(key, &parts));
            padded
        }
        Integrity::Sha256 => hmac_sha256(key, &parts),
    }
}

/// HMAC-SHA1 over the concatenation of `parts`.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA256 over the concatenation of `parts`.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
