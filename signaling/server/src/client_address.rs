use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The address of a client, seen through the reverse proxies that are trusted.
///
/// Each proxy appends the address it was reached from to `X-Forwarded-For`, so the list is read from its end: the first address
/// that is no trusted proxy is the client's. What stands before it may be made up.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let mut nearest = peer;
    for hop in lines.join(&b","[..]).rsplit(|byte| *byte == b',') {
        let address = std::str::from_utf8(hop).ok().and_then(|hop| hop.trim().parse::<IpAddr>().ok());
        // Something unreadable hides everything before it.
        let Some(address) = address else { return nearest };
        nearest = address.to_canonical();
        if !is_trusted(&nearest) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(address("198.51.100.9", &["203.0.113.1"]), "198.51.100.9");
        assert_eq!(address("127.0.0.1", &["203.0.113.1"]), "203.0.113.1");
        assert_eq!(address("::ffff:127.0.0.1", &["203.0.113.1"]), "203.0.113.1");
        assert_eq!(address("127.0.0.1", &["6.6.6.6, 203.0.113.1, 10.0.0.2"]), "203.0.113.1");
        assert_eq!(address("127.0.0.1", &["6.6.6.6", "203.0.113.1"]), "203.0.113.1");
        assert_eq!(address("127.0.0.1", &["203.0.113.1, garbage"]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &["\u{e9}, 203.0.113.1"]), "203.0.113.1");
        assert_eq!(address("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &["10.0.0.7"]), "10.0.0.7");
    }
}
