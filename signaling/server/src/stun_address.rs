use std::net::IpAddr;

use stoa_signaling_core::message::IceServer;

/// Where clients find the STUN service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StunAddress {
    /// The UDP port; `None` when there is no UDP service.
    pub port: Option<u16>,
    /// Addresses to name; when empty, clients use the host by which they reached us.
    pub external: Vec<IpAddr>,
}

impl StunAddress {
    /// The ICE servers for a client that sent this `Host` header.
    pub(crate) fn ice_servers(&self, host: Option<&str>) -> Vec<IceServer> {
        let Some(port) = self.port else { return Vec::new() };
        let hosts: Vec<String> = if self.external.is_empty() {
            host.and_then(host_name).into_iter().collect()
        } else {
            self.external.iter().map(|address| bracketed(*address)).collect()
        };
        if hosts.is_empty() {
            return Vec::new();
        }
        let urls = hosts.iter().map(|host| format!("stun:{host}:{port}")).collect();
        vec![IceServer { urls, username: None, credential: None }]
    }
}

/// The host of a `Host` header without its port, if it can stand in a `stun:` address ([RFC 7064 § 3.1](https://www.rfc-editor.org/rfc/rfc7064#section-3.1)).
fn host_name(header: &str) -> Option<String> {
    let host = match header.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => header,
    };
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse().ok().map(bracketed);
    }
    // The UDP socket is bound to IPv4 by default, and `localhost` may mean ::1 first.
    if host.eq_ignore_ascii_case("localhost") {
        return Some("127.0.0.1".to_owned());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (!host.is_empty() && host.bytes().all(is_name)).then(|| host.to_owned())
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str) -> Option<String> {
        let stun = StunAddress { port: Some(3478), external: vec![] };
        stun.ice_servers(Some(host)).pop().and_then(|server| server.urls.into_iter().next())
    }

    #[test]
    fn the_host_that_a_client_reached_us_by_is_its_stun_server() {
        assert_eq!(url("stoa.example.org").as_deref(), Some("stun:stoa.example.org:3478"));
        assert_eq!(url("localhost:8080").as_deref(), Some("stun:127.0.0.1:3478"));
        assert_eq!(url("192.0.2.1:8443").as_deref(), Some("stun:192.0.2.1:3478"));
        assert_eq!(url("[2001:db8::1]:8080").as_deref(), Some("stun:[2001:db8::1]:3478"));
        assert_eq!(url("[2001:db8::1]").as_deref(), Some("stun:[2001:db8::1]:3478"));
        for bad in ["", ":8080", "a b", "evil/?x", "[::1", "2001:db8::1]:80"] {
            assert_eq!(url(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn named_addresses_win() {
        let stun = StunAddress { port: Some(3478), external: vec!["198.51.100.1".parse().unwrap()] };
        assert_eq!(stun.ice_servers(Some("inside"))[0].urls, ["stun:198.51.100.1:3478"]);
        assert!(StunAddress::default().ice_servers(Some("x")).is_empty());
    }
}
