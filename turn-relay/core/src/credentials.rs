use std::collections::BTreeMap;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::nonce::base64_of;
use crate::stun::hmac_sha1;

/// Which hash turns a password into a key, [RFC 8489 § 18.5](https://www.rfc-editor.org/rfc/rfc8489#section-18.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 0x0001.
    Md5,
    /// 0x0002.
    Sha256,
}

/// The key of a user's HMACs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; 32],
    length: usize,
}

impl Key {
    /// The long-term key, [RFC 8489 § 9.2.2](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.2). The parts are taken as
    /// they are; who wants `OpaqueString` profiles applied does so beforehand.
    #[must_use]
    pub fn long_term(algorithm: Algorithm, username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        let parts = [username, b":", realm, b":", password];
        let mut bytes = [0; 32];
        let length = match algorithm {
            Algorithm::Md5 => {
                let hash = parts.iter().fold(Md5::new(), |hash, part| hash.chain_update(part)).finalize();
                bytes.iter_mut().zip(hash).for_each(|(place, byte)| *place = byte);
                16
            }
            Algorithm::Sha256 => {
                bytes = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into();
                32
            }
        };
        Self { bytes, length }
    }

    /// The bytes: 16 or 32.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// USERHASH, [RFC 8489 § 14.4](https://www.rfc-editor.org/rfc/rfc8489#section-14.4).
#[must_use]
pub fn userhash(username: &[u8], realm: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(username).chain_update(b":").chain_update(realm).finalize().into()
}

/// The password that belongs to a username `expiry:user` of the REST form (draft-uberti-behave-turn-rest): what the
/// party that shares `secret` hands out with it.
#[must_use]
pub fn rest_password(secret: &[u8], username: &[u8]) -> String {
    base64_of(&hmac_sha1(secret, &[username])).iter().copied().map(char::from).collect()
}

/// Who may use the relay.
#[derive(Clone, Default)]
pub struct Credentials {
    realm: Box<str>,
    users: BTreeMap<Box<str>, Box<str>>,
    by_hash: BTreeMap<[u8; 32], Box<str>>,
    secrets: Vec<Box<[u8]>>,
    /// Users and whole usernames that were revoked; with the last expiry (seconds since 1970) that the revocation covers.
    revoked: BTreeMap<Box<str>, u64>,
}

/// A username whose password is yet to be proved.
pub(crate) struct Candidate {
    /// As the client wrote it.
    pub(crate) username: Arc<str>,
    /// Who it stands for: the name, or `:` and the user's part of a time-limited one.
    pub(crate) user: Arc<str>,
    /// Seconds since 1970; `None` for users without a time limit.
    pub(crate) expires: Option<u64>,
}

impl Credentials {
    /// Users with passwords, and secrets that sign time-limited usernames; the newest secret first, and at most
    /// [`MAX_SECRETS`] of them count.
    #[must_use]
    pub fn new(realm: &str, users: impl IntoIterator<Item = (String, String)>, secrets: Vec<Vec<u8>>) -> Self {
        let users: BTreeMap<Box<str>, Box<str>> =
            users.into_iter().map(|(name, password)| (name.into(), password.into())).collect();
        let by_hash = users.keys().map(|name| (userhash(name.as_bytes(), realm.as_bytes()), name.clone())).collect();
        let secrets = secrets.into_iter().take(MAX_SECRETS).map(Into::into).collect();
        Self { realm: realm.into(), users, by_hash, secrets, revoked: BTreeMap::new() }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Takes over users and secrets of a new configuration; the realm and what was revoked stay.
    pub(crate) fn replace(&mut self, new: Self) {
        let by_hash = |name: &str| (userhash(name.as_bytes(), self.realm.as_bytes()), name.into());
        self.by_hash = new.users.keys().map(|name| by_hash(name)).collect();
        (self.users, self.secrets) = (new.users, new.secrets);
    }

    /// Whether every user can be found by USERHASH. Time-limited names cannot: they are in no list.
    pub(crate) fn has_userhash(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Finds whom a USERNAME stands for; `None` when nobody can be meant by it.
    pub(crate) fn by_username(&self, username: &[u8]) -> Option<Candidate> {
        let username = std::str::from_utf8(username).ok().filter(|name| name.len() <= LONGEST_USERNAME)?;
        if self.users.contains_key(username) {
            return Some(Candidate { username: username.into(), user: username.into(), expires: None });
        }
        if self.secrets.is_empty() {
            return None;
        }
        let (expiry, user) = username.split_once(':').unwrap_or((username, ""));
        let is_number = !expiry.is_empty() && expiry.bytes().all(|byte| byte.is_ascii_digit());
        let expires = if is_number { expiry.parse().ok()? } else { return None };
        Some(Candidate { username: username.into(), user: format!(":{user}").into(), expires: Some(expires) })
    }

    /// Finds whom a USERHASH stands for.
    pub(crate) fn by_hash(&self, hash: &[u8]) -> Option<Candidate> {
        let hash: [u8; 32] = hash.try_into().ok()?;
        let name: Arc<str> = self.by_hash.get(&hash)?.as_ref().into();
        Some(Candidate { username: name.clone(), user: name, expires: None })
    }

    /// The keys that a candidate may prove to have.
    pub(crate) fn keys(&self, candidate: &Candidate, algorithm: Algorithm) -> impl Iterator<Item = Key> {
        let username = candidate.username.clone();
        let key = move |username: &str, password: &[u8]| {
            Key::long_term(algorithm, username.as_bytes(), self.realm.as_bytes(), password)
        };
        let fixed = if candidate.expires.is_none() { self.users.get(username.as_ref()) } else { None };
        let fixed = fixed.map(|password| key(&username, password.as_bytes()));
        let secrets = if candidate.expires.is_some() { self.secrets.as_slice() } else { &[] };
        let signed = secrets.iter().map(move |secret| {
            let password = base64_of(&hmac_sha1(secret, &[username.as_bytes()]));
            key(&username, &password)
        });
        fixed.into_iter().chain(signed)
    }

    /// Whether a candidate was revoked.
    pub(crate) fn is_revoked(&self, candidate: &Candidate) -> bool {
        [&candidate.username, &candidate.user]
            .into_iter()
            .filter_map(|name| self.revoked.get(name.as_ref()))
            .any(|until| candidate.expires.is_none_or(|expires| expires <= *until))
    }

    /// Refuses `user` (as [`Candidate::user`]) or a whole username from here on, as far as it expires up to `until`.
    pub(crate) fn revoke(&mut self, name: &str, until: u64, seconds: u64) {
        if self.revoked.len() >= MAX_REVOKED {
            // What has expired by itself need not be remembered.
            self.revoked.retain(|_, until| *until >= seconds);
        }
        if self.revoked.len() >= MAX_REVOKED {
            let soonest = self.revoked.iter().min_by_key(|(_, until)| **until).map(|(name, _)| name.clone());
            soonest.map(|name| self.revoked.remove(&name));
        }
        let known = self.revoked.entry(name.into()).or_default();
        *known = (*known).max(until);
    }

    /// Whether `user` (as [`Candidate::user`]) could still authenticate under this configuration.
    pub(crate) fn is_possible(&self, user: &str) -> bool {
        if user.starts_with(':') { !self.secrets.is_empty() } else { self.users.contains_key(user) }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}

/// Secrets that are tried for a time-limited username: each costs two hashes per forged request.
pub const MAX_SECRETS: usize = 4;
/// Bytes; [RFC 8489 § 14.3](https://www.rfc-editor.org/rfc/rfc8489#section-14.3) wants fewer than 509.
const LONGEST_USERNAME: usize = 508;
/// Revocations that are remembered; the ones that expire soonest go first.
const MAX_REVOKED: usize = 32_768;
