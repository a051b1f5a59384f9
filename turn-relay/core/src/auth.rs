//! The long-term credential mechanism, RFC 8489 § 9.2.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::credentials::{Algorithm, Candidate, Credentials, Key};
use crate::nonce::{self, NonceKey, Nonces, offers_algorithms};
use crate::refusal::Refusal;
use crate::stun::{Builder, Integrity, Message, attribute};

/// Checks requests and writes challenges.
#[derive(Debug)]
pub(crate) struct Authenticator {
    credentials: Credentials,
    nonces: Nonces,
}

/// A request's sender has proved who it is.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) username: Arc<str>,
    /// Whom the username stands for.
    pub(crate) user: Arc<str>,
    /// Seconds since 1970.
    pub(crate) expires: Option<u64>,
    /// Protects the response.
    pub(crate) key: Key,
    /// As in the request.
    pub(crate) integrity: Integrity,
}

impl Authenticator {
    pub(crate) fn new(credentials: Credentials, key: NonceKey, previous: Option<NonceKey>) -> Self {
        let nonces = Nonces::new(key, previous, credentials.realm(), credentials.has_userhash());
        Self { credentials, nonces }
    }

    /// Follows [RFC 8489 § 9.2.4](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4) step by step.
    /// `seconds` is the time since 1970.
    pub(crate) fn verify(
        &self,
        request: &Message<'_>,
        client: SocketAddr,
        seconds: u64,
    ) -> Result<Authenticated, Refusal> {
        // 1. No integrity attribute: a challenge.
        let integrity = request.integrity().ok_or(Refusal::Unauthenticated(Unproved::NoIntegrity))?;
        // 2. What the check needs must be there.
        let nonce = request.first(attribute::NONCE).ok_or(Refusal::BadRequest)?;
        let realm = request.first(attribute::REALM).ok_or(Refusal::BadRequest)?;
        let (username, userhash) = (request.first(attribute::USERNAME), request.first(attribute::USERHASH));
        if username.is_none() && userhash.is_none() {
            return Err(Refusal::BadRequest);
        }
        // 3. The client chose among what was offered, and nobody altered the offer on the way.
        let algorithm = chosen_algorithm(request, nonce)?;
        // 4. Somebody we know.
        let candidate = match (username, userhash) {
            (Some(username), _) => self.credentials.by_username(username),
            (None, Some(hash)) => self.credentials.by_hash(hash),
            (None, None) => None,
        };
        let candidate = candidate.ok_or(Refusal::Unauthenticated(Unproved::UnknownUser))?;
        // 5. The password.
        if realm != self.credentials.realm().as_bytes() {
            return Err(Refusal::Unauthenticated(Unproved::WrongPassword));
        }
        let key = self.credentials.keys(&candidate, algorithm).find(|key| request.verify(key.as_bytes()));
        let key = key.ok_or(Refusal::Unauthenticated(Unproved::WrongPassword))?;
        // 6. Not a replay.
        if !self.nonces.is_valid(nonce, client, seconds) {
            return Err(Refusal::StaleNonce);
        }
        if self.credentials.is_revoked(&candidate) {
            return Err(Refusal::Unauthenticated(Unproved::Revoked));
        }
        let Candidate { username, user, expires } = candidate;
        Ok(Authenticated { username, user, expires, key, integrity })
    }

    /// Appends what a client needs to try (again): REALM, NONCE and, where that has room in `room` bytes of message,
    /// PASSWORD-ALGORITHMS.
    ///
    /// An answer to a forged address shall not be larger than what it answers. The two attributes that
    /// [RFC 8489 § 9.2.4](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4) demands are as short as can be; the offer of
    /// other hashes, which is optional and makes the nonce longer, is for requests that are long enough.
    pub(crate) fn challenge(
        &self,
        response: Builder,
        client: SocketAddr,
        seconds: u64,
        room: Option<usize>,
    ) -> Builder {
        let response = response.attribute(attribute::REALM, self.credentials.realm().as_bytes());
        let whole = response.length() + 4 + nonce::LENGTH.next_multiple_of(4) + 4 + OFFERED.len();
        if room.is_some_and(|room| whole > room) {
            return response.attribute(attribute::NONCE, &self.nonces.make_short(client, seconds));
        }
        response
            .attribute(attribute::NONCE, &self.nonces.make(client, seconds))
            .attribute(attribute::PASSWORD_ALGORITHMS, &OFFERED)
    }

    pub(crate) const fn set_nonce_keys(&mut self, current: NonceKey, previous: Option<NonceKey>) {
        self.nonces.set_keys(current, previous);
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) const fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unproved {
    /// No integrity attribute: the first request of every client.
    NoIntegrity,
    /// Nobody has this name.
    UnknownUser,
    /// The integrity attribute does not match.
    WrongPassword,
    /// The credentials' time is over.
    Expired,
    /// The user or the credentials were revoked.
    Revoked,
}

/// The third step: which hash makes the key.
fn chosen_algorithm(request: &Message<'_>, nonce: &[u8]) -> Result<Algorithm, Refusal> {
    if !offers_algorithms(nonce) {
        return Ok(Algorithm::Md5);
    }
    match (request.first(attribute::PASSWORD_ALGORITHMS), request.first(attribute::PASSWORD_ALGORITHM)) {
        (None, None) => Ok(Algorithm::Md5),
        (Some(offered), Some(chosen)) if offered == OFFERED => match chosen {
            SHA256 => Ok(Algorithm::Sha256),
            MD5 => Ok(Algorithm::Md5),
            _ => Err(Refusal::BadRequest),
        },
        (Some(_) | None, Some(_)) | (Some(_), None) => Err(Refusal::BadRequest),
    }
}

const MD5: &[u8] = &[0, 1, 0, 0];
const SHA256: &[u8] = &[0, 2, 0, 0];
/// PASSWORD-ALGORITHMS: SHA-256 rather than MD5.
const OFFERED: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];
