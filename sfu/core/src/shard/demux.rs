use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::SessionKey;

/// Which session a datagram is for: STUN by the user name, media by whom it comes from. All else is for others: participants may talk to the
/// relay from the same address.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_ufrag: BTreeMap<String, SessionKey>,
    by_address: BTreeMap<SocketAddr, SessionKey>,
    routes: BTreeMap<SessionKey, Routes>,
}

/// The ways to one session, the newest last.
#[derive(Debug, Default)]
struct Routes {
    ufrags: Vec<String>,
    addresses: Vec<SocketAddr>,
}

impl Demux {
    pub(super) fn find(&self, datagram: &[u8], from: SocketAddr) -> Option<SessionKey> {
        if is_media(datagram) {
            return self.by_address.get(&from).copied();
        }
        self.by_ufrag.get(binding_ufrag(datagram)?).copied()
    }

    /// STUN messages may name a session by `ufrag`; the one before stays good while ICE restarts.
    pub(super) fn name(&mut self, session: SessionKey, ufrag: String) {
        let routes = self.routes.entry(session).or_default();
        if routes.ufrags.contains(&ufrag) {
            return;
        }
        if routes.ufrags.len() >= MOST_UFRAGS {
            self.by_ufrag.remove(&routes.ufrags.remove(0));
        }
        routes.ufrags.push(ufrag.clone());
        self.by_ufrag.insert(ufrag, session);
    }

    /// The session that an address belongs to.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<SessionKey> {
        self.by_address.get(&address).copied()
    }

    /// An authentic STUN message of the session came from `address`. Whoever had it before has it no more.
    pub(super) fn bind(&mut self, session: SessionKey, address: SocketAddr) {
        match self.by_address.insert(address, session) {
            Some(before) if before == session => return,
            Some(before) => {
                if let Some(routes) = self.routes.get_mut(&before) {
                    routes.addresses.retain(|known| *known != address);
                }
            }
            None => {}
        }
        let routes = self.routes.entry(session).or_default();
        if routes.addresses.len() >= MOST_ADDRESSES {
            self.by_address.remove(&routes.addresses.remove(0));
        }
        routes.addresses.push(address);
    }

    /// How many ways are known.
    pub(super) fn len(&self) -> usize {
        self.by_ufrag.len() + self.by_address.len() + self.routes.len()
    }

    pub(super) fn remove(&mut self, session: SessionKey) {
        let routes = self.routes.remove(&session).unwrap_or_default();
        for ufrag in &routes.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for address in &routes.addresses {
            self.by_address.remove(address);
        }
    }
}

/// The worker whose session a STUN message names: user name fragments begin with it. `None` for other datagrams.
#[must_use]
pub fn worker_of(datagram: &[u8]) -> Option<usize> {
    let digits = binding_ufrag(datagram)?.get(..2)?;
    usize::from_str_radix(digits, 16).ok()
}

/// What the fragments of a worker's sessions begin with.
pub(super) fn prefix(worker: u8) -> String {
    format!("{worker:02x}")
}

/// Our user name fragment in the USERNAME of a Binding request ([RFC 8445 § 7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)).
fn binding_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut rest) = datagram.split_first_chunk::<20>()?;
    if !header.starts_with(&BINDING_REQUEST) || header.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    while let Some(([high, low, len_high, len_low], tail)) = rest.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        let value = tail.get(..len)?;
        if [*high, *low] == USERNAME {
            return str::from_utf8(value).ok()?.split(':').next();
        }
        rest = tail.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// Whether it is DTLS, RTP or RTCP, by [RFC 7983](https://www.rfc-editor.org/rfc/rfc7983).
#[must_use]
pub fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| matches!(first, 20..=63 | 128..=191))
}

/// Whether it is STUN, by [RFC 7983](https://www.rfc-editor.org/rfc/rfc7983).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

const BINDING_REQUEST: [u8; 2] = [0, 1];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: [u8; 2] = [0, 6];

/// Names of one session.
const MOST_UFRAGS: usize = 2;

/// Addresses of one session: a participant has few, and each change of network brings new ones.
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(username: &str) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([0x80, 0x22, 0, 3, 1, 2, 3, 0]);
        bytes.extend([0, 6, 0, u8::try_from(username.len()).unwrap_or_default()]);
        bytes.extend(username.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn binding_requests_are_known_by_name_and_all_else_by_address() {
        let (mut demux, from) = (Demux::default(), SocketAddr::from(([192, 0, 2, 1], 1)));
        demux.name(SessionKey(1), "0aours".to_owned());
        assert_eq!(demux.find(&request("0aours:theirs"), from), Some(SessionKey(1)));
        assert_eq!(worker_of(&request("0aours:theirs")), Some(10));
        assert_eq!(demux.find(&request("0aou:rs"), from), None);
        assert_eq!(demux.find(&[20, 1], from), None);
        demux.bind(SessionKey(1), from);
        assert_eq!(demux.find(&[20, 1], from), Some(SessionKey(1)));
        for others in
            [&[0_u8, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0x40, 0, 0, 0]]
        {
            assert_eq!(demux.find(others, from), None, "the relay's");
        }
        demux.bind(SessionKey(2), from);
        demux.remove(SessionKey(1));
        assert_eq!(demux.find(&[20, 1], from), Some(SessionKey(2)), "it was taken over");
        demux.remove(SessionKey(2));
        assert_eq!(demux.find(&[20, 1], from), None);
        assert_eq!(demux.find(&request("0aours:theirs"), from), None);
    }

    #[test]
    fn no_message_is_too_short_or_too_long_to_be_read() {
        let whole = request("0aours:theirs");
        for length in 0..whole.len() {
            assert_eq!(binding_ufrag(&whole[..length]).is_some(), length >= 45);
        }
        let mut lying = whole;
        lying[31] = 200;
        assert_eq!(binding_ufrag(&lying), None);
    }

    #[test]
    fn ways_to_a_session_are_bounded() {
        let mut demux = Demux::default();
        for port in 1..100 {
            demux.bind(SessionKey(1), SocketAddr::from(([192, 0, 2, 1], port)));
            demux.name(SessionKey(1), port.to_string());
        }
        assert_eq!((demux.by_address.len(), demux.by_ufrag.len()), (MOST_ADDRESSES, MOST_UFRAGS));
    }
}
