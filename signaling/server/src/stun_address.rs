use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use stoa_base_types::SessionId;
use stoa_signaling_core::TurnSigner;
use stoa_signaling_core::message::IceServer;

/// Where clients find the STUN service and the relay.
#[derive(Debug, Clone, Default)]
pub struct StunAddress {
    /// The UDP port; `None` when there is no UDP service.
    pub port: Option<u16>,
    /// Addresses to name; when empty, clients use the host by which they reached us.
    pub external: Vec<IpAddr>,
    /// The relay; `None` when there is none.
    pub turn: Option<Turn>,
}

/// The relay as clients see it.
#[derive(Clone)]
pub struct Turn {
    /// The TCP port, if it has one.
    pub tcp: Option<u16>,
    /// The port of TLS over TCP, if it has one.
    pub tls: Option<u16>,
    /// Makes its credentials.
    pub signer: TurnSigner,
    /// Told when a session is over and its credentials shall be good no more.
    pub ended: Arc<dyn Fn(SessionId) + Send + Sync>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("tcp", &self.tcp).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl StunAddress {
    /// The ICE servers for a client that sent this `Host` header; the relay's are still without credentials.
    pub(crate) fn ice_servers(&self, host: Option<&str>) -> Vec<IceServer> {
        let Some(port) = self.port else { return Vec::new() };
        let urls: Vec<_> = self.hosts(host).iter().map(|host| format!("stun:{host}:{port}")).collect();
        let lists = [urls, self.turn_urls(host)];
        let entry = |urls| IceServer { urls, username: None, credential: None };
        lists.into_iter().filter(|urls| !urls.is_empty()).map(entry).collect()
    }

    /// The addresses of the relay for a client that sent this `Host` header, [RFC 7065 § 3.1](https://www.rfc-editor.org/rfc/rfc7065#section-3.1).
    #[must_use]
    pub fn turn_urls(&self, host: Option<&str>) -> Vec<String> {
        let (Some(port), Some(turn)) = (self.port, &self.turn) else { return Vec::new() };
        let hosts = self.hosts(host);
        let plain = |port: Option<u16>, transport: &'static str| {
            let each = hosts.iter().filter_map(move |host| Some((host, port?)));
            each.map(move |(host, port)| format!("turn:{host}:{port}?transport={transport}"))
        };
        // Certificates are for names, so the name by which the client came goes before our addresses.
        let named = host.and_then(host_name).or_else(|| hosts.first().cloned());
        let tls = named.zip(turn.tls).map(|(host, port)| format!("turns:{host}:{port}?transport=tcp"));
        plain(Some(port), "udp").chain(plain(turn.tcp, "tcp")).chain(tls).collect()
    }

    /// At most two: browsers warn about long lists, and more would not be tried sooner.
    fn hosts(&self, host: Option<&str>) -> Vec<String> {
        if self.external.is_empty() {
            return host.and_then(host_name).into_iter().collect();
        }
        self.external.iter().take(MAX_HOSTS).map(|address| bracketed(*address)).collect()
    }
}

const MAX_HOSTS: usize = 2;

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
        let stun = StunAddress { port: Some(3478), ..StunAddress::default() };
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
        let external = vec!["198.51.100.1".parse().unwrap()];
        let stun = StunAddress { port: Some(3478), external, turn: None };
        assert_eq!(stun.ice_servers(Some("inside"))[0].urls, ["stun:198.51.100.1:3478"]);
        assert!(StunAddress::default().ice_servers(Some("x")).is_empty());
    }

    #[test]
    fn the_relay_is_named_with_every_way_to_it() {
        let signer = TurnSigner { lifetime: std::time::Duration::ZERO, password: Arc::new(|_| String::new()) };
        let turn = Turn { tcp: Some(3479), tls: Some(5349), signer, ended: Arc::new(|_| {}) };
        let mut stun = StunAddress { port: Some(3478), external: vec![], turn: Some(turn) };
        let urls = [
            "turn:stoa.example:3478?transport=udp",
            "turn:stoa.example:3479?transport=tcp",
            "turns:stoa.example:5349?transport=tcp",
        ];
        assert_eq!(stun.ice_servers(Some("stoa.example:8080"))[1].urls, urls);
        stun.external = vec!["2001:db8::1".parse().unwrap()];
        let urls = [
            "turn:[2001:db8::1]:3478?transport=udp",
            "turn:[2001:db8::1]:3479?transport=tcp",
            "turns:stoa.example:5349?transport=tcp",
        ];
        assert_eq!(stun.turn_urls(Some("stoa.example:8080")), urls);
    }
}
