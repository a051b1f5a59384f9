use std::net::{IpAddr, SocketAddr};

use subtle::ConstantTimeEq as _;

use crate::stun::hmac_sha256;

/// A secret that signs nonces, and the number by which nonces name it. Servers that share both accept each other's.
#[derive(Clone, Copy)]
pub struct NonceKey {
    /// Differs between a key and its successor.
    pub id: u8,
    /// Random.
    pub secret: [u8; 32],
}

/// Makes and checks nonces without storing any: each is the time, a key's number and an HMAC over these, the client's
/// address and the realm.
#[derive(Clone)]
pub(crate) struct Nonces {
    current: NonceKey,
    previous: Option<NonceKey>,
    realm: Box<[u8]>,
    /// The cookie of [RFC 8489 § 9.2](https://www.rfc-editor.org/rfc/rfc8489#section-9.2) with its feature bits.
    cookie: [u8; COOKIE],
}

impl Nonces {
    /// `has_userhash` tells clients that they may send USERHASH for their USERNAME.
    pub(crate) fn new(key: NonceKey, previous: Option<NonceKey>, realm: &str, has_userhash: bool) -> Self {
        let features = if has_userhash { [0xC0, 0, 0] } else { [0x80, 0, 0] };
        let mut cookie = [0; COOKIE];
        let (prefix, bits) = cookie.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        write_base64(&features, bits);
        Self { current: key, previous, realm: realm.as_bytes().into(), cookie }
    }

    /// New nonces are signed with `current`; those of `previous` stay good until they are too old.
    pub(crate) const fn set_keys(&mut self, current: NonceKey, previous: Option<NonceKey>) {
        self.current = current;
        self.previous = previous;
    }

    /// A nonce for `client` at `seconds` since 1970.
    pub(crate) fn make(&self, client: SocketAddr, seconds: u64) -> [u8; LENGTH] {
        self.signed(&self.current, client, time_of(seconds))
    }

    /// As [`Self::make`], without the cookie and as short as can be: for answers that must not be longer than the request.
    pub(crate) fn make_short(&self, client: SocketAddr, seconds: u64) -> [u8; SHORT] {
        self.signed_short(&self.current, client, seconds / 60)
    }

    /// Whether `nonce` was made for `client`, by a key that is still in use, at most [`LIFETIME`] seconds ago.
    pub(crate) fn is_valid(&self, nonce: &[u8], client: SocketAddr, seconds: u64) -> bool {
        if nonce.len() == SHORT {
            return self.is_valid_short(nonce, client, seconds);
        }
        let Some(body) = nonce.get(COOKIE..).and_then(read_base64::<BODY>) else { return false };
        let [a, b, c, id, ..] = body;
        let Some(key) = std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id) else {
            return false;
        };
        let number = |[a, b, c]: [u8; 3]| i64::from(u32::from_be_bytes([0, a, b, c]));
        let age = number(time_of(seconds)) - number([a, b, c]);
        // The 24 bits wrap; whichever age is nearer to zero is meant.
        let age = (age + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
        let is_fresh = (-CLOCK_SKEW..=LIFETIME).contains(&age);
        is_fresh && bool::from(self.signed(key, client, [a, b, c]).ct_eq(nonce))
    }

    fn is_valid_short(&self, nonce: &[u8], client: SocketAddr, seconds: u64) -> bool {
        let Some([minute, ..]) = read_base64::<SHORT_BODY>(nonce) else { return false };
        // The newest minute with this last byte; another server's clock may be a little ahead.
        let newest = seconds / 60 + 1;
        let age = u64::from(newest.to_be_bytes()[7].wrapping_sub(minute));
        let made = newest.saturating_sub(age);
        let is_fresh = newest - made <= 1 + LIFETIME.unsigned_abs() / 60;
        let is_signed = |key: &NonceKey| bool::from(self.signed_short(key, client, made).ct_eq(nonce));
        is_fresh && std::iter::once(&self.current).chain(&self.previous).any(is_signed)
    }

    fn signed_short(&self, key: &NonceKey, client: SocketAddr, minute: u64) -> [u8; SHORT] {
        let minute = minute.to_be_bytes();
        let mac = self.mac(key, client, [b"short", &minute]);
        let mut body = [0; SHORT_BODY];
        let (time, tail) = body.split_at_mut(1);
        time.copy_from_slice(&minute[7..]);
        tail.iter_mut().zip(mac).for_each(|(place, byte)| *place = byte);
        let mut nonce = [0; SHORT];
        write_base64(&body, &mut nonce);
        nonce
    }

    fn mac(&self, key: &NonceKey, client: SocketAddr, [kind, what]: [&[u8]; 2]) -> [u8; 32] {
        let octets = match client.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        hmac_sha256(&key.secret, &[kind, &self.cookie, what, &octets, &client.port().to_be_bytes(), &self.realm])
    }

    fn signed(&self, key: &NonceKey, client: SocketAddr, time: [u8; 3]) -> [u8; LENGTH] {
        let mac = self.mac(key, client, [b"nonce", &time]);
        let mut body = [0; BODY];
        let (head, tail) = body.split_at_mut(4);
        head.copy_from_slice(&[time[0], time[1], time[2], key.id]);
        tail.iter_mut().zip(mac).for_each(|(place, byte)| *place = byte);
        let mut nonce = [0; LENGTH];
        let (cookie, text) = nonce.split_at_mut(COOKIE);
        cookie.copy_from_slice(&self.cookie);
        write_base64(&body, text);
        nonce
    }
}

impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NonceKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("current", &self.current).finish_non_exhaustive()
    }
}

/// Whether a nonce carries the cookie with the "password algorithms" bit, RFC 8489 § 9.2.
pub(crate) fn offers_algorithms(nonce: &[u8]) -> bool {
    let bits = nonce.strip_prefix(PREFIX).and_then(|rest| rest.get(..4)).and_then(read_base64::<3>);
    bits.is_some_and(|[first, ..]| first & 0x80 != 0)
}

/// The low 24 bits of the time: enough to tell a fresh nonce from one that is half a year old.
fn time_of(seconds: u64) -> [u8; 3] {
    let [.., a, b, c] = seconds.to_be_bytes();
    [a, b, c]
}

/// Base64 without padding; `text` has 4 places for each 3 bytes.
fn write_base64(bytes: &[u8], text: &mut [u8]) {
    for (three, four) in bytes.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for (place, shift) in four.iter_mut().zip([18, 12, 6, 0]) {
            *place = ALPHABET.get((bits >> shift) as usize & 63).copied().unwrap_or_default();
        }
    }
}

fn read_base64<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N / 3 * 4 {
        return None;
    }
    for (four, three) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
        let mut bits = 0u32;
        for letter in four {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let [_, a, b, c] = bits.to_be_bytes();
        three.copy_from_slice(&[a, b, c]);
    }
    Some(bytes)
}

/// Base64 with padding, as passwords of the REST form are written.
pub(crate) fn base64_of(bytes: &[u8; 20]) -> [u8; 28] {
    let mut padded = [0; 21];
    padded.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    let mut text = [0; 28];
    write_base64(&padded, &mut text);
    text[27] = b'=';
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PREFIX: &[u8] = b"obMatJos2";
const COOKIE: usize = PREFIX.len() + 4;
/// Time, key number and 64 bits of HMAC: short, because every unauthenticated answer carries it.
const BODY: usize = 12;
/// Bytes of a nonce.
pub(crate) const LENGTH: usize = COOKIE + BODY / 3 * 4;
/// The minute's last byte and 40 bits of HMAC: a forger has to know the password too, and to guess.
const SHORT_BODY: usize = 6;
/// Bytes of a short nonce.
pub(crate) const SHORT: usize = SHORT_BODY / 3 * 4;
/// Seconds. [RFC 8656 § 5](https://www.rfc-editor.org/rfc/rfc8656#section-5) asks for a new nonce at least once an hour;
/// weak clients stumble over shorter ones.
pub(crate) const LIFETIME: i64 = 3600;
/// Seconds that a nonce of another server may come from the future.
const CLOCK_SKEW: i64 = 5;
const WRAP: i64 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces() -> Nonces {
        Nonces::new(NonceKey { id: 1, secret: [1; 32] }, None, "stoa.test", true)
    }

    fn client(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_nonce_is_good_for_its_client_for_an_hour() {
        let nonces = nonces();
        for made in [1_800_000_000, (1 << 24) - 10] {
            let nonce = nonces.make(client(1), made);
            assert!(offers_algorithms(&nonce));
            assert!(nonces.is_valid(&nonce, client(1), made));
            assert!(nonces.is_valid(&nonce, client(1), made + 3600));
            assert!(!nonces.is_valid(&nonce, client(1), made + 3601));
            assert!(nonces.is_valid(&nonce, client(1), made - 5), "of a server whose clock is a little ahead");
            assert!(!nonces.is_valid(&nonce, client(1), made - 6));
            assert!(!nonces.is_valid(&nonce, client(2), made));
        }
    }

    #[test]
    fn a_short_nonce_is_good_for_its_client_for_an_hour() {
        let nonces = nonces();
        for made in [1_800_000_000, 256 * 60 * 5 - 60, 256 * 60 * 5] {
            let nonce = nonces.make_short(client(1), made);
            assert!(nonce.len() == 8 && !offers_algorithms(&nonce));
            assert!(nonces.is_valid(&nonce, client(1), made));
            assert!(nonces.is_valid(&nonce, client(1), made + 3600));
            assert!(!nonces.is_valid(&nonce, client(1), made + 3660));
            assert!(!nonces.is_valid(&nonce, client(1), made + 256 * 60), "its minute does not come again");
            assert!(nonces.is_valid(&nonce, client(1), made - 5), "of a server whose clock is a little ahead");
            assert!(!nonces.is_valid(&nonce, client(1), made - 61));
            assert!(!nonces.is_valid(&nonce, client(2), made));
            for at in 0..nonce.len() {
                let mut forged = nonce;
                forged[at] ^= 1;
                assert!(!nonces.is_valid(&forged, client(1), made), "byte {at}");
            }
        }
    }

    #[test]
    fn every_bit_of_a_nonce_counts() {
        let (nonces, now) = (nonces(), 1_800_000_000);
        let nonce = nonces.make(client(1), now);
        for at in 0..nonce.len() {
            let mut forged = nonce;
            forged[at] ^= 1;
            assert!(!nonces.is_valid(&forged, client(1), now), "byte {at}");
        }
        assert!(!nonces.is_valid(&nonce[..nonce.len() - 1], client(1), now));
        assert!(!nonces.is_valid(b"", client(1), now));
    }

    #[test]
    fn a_key_is_good_until_the_second_rotation() {
        let (mut nonces, now) = (nonces(), 1_800_000_000);
        let (nonce, short) = (nonces.make(client(1), now), nonces.make_short(client(1), now));
        let keys = [1, 2, 3].map(|id| NonceKey { id, secret: [id; 32] });
        nonces.set_keys(keys[1], Some(keys[0]));
        assert!(nonces.is_valid(&nonce, client(1), now) && nonces.is_valid(&short, client(1), now));
        assert!(nonces.is_valid(&nonces.make(client(1), now), client(1), now));
        nonces.set_keys(keys[2], Some(keys[1]));
        assert!(!nonces.is_valid(&nonce, client(1), now) && !nonces.is_valid(&short, client(1), now));
    }

    #[test]
    fn servers_with_the_same_key_accept_each_others_nonces() {
        assert!(nonces().is_valid(&nonces().make(client(1), 7), client(1), 7));
        let stranger = Nonces::new(NonceKey { id: 1, secret: [9; 32] }, None, "stoa.test", true);
        assert!(!nonces().is_valid(&stranger.make(client(1), 7), client(1), 7));
    }
}
