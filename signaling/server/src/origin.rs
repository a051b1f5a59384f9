use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, header};

/// Which web pages may open a signaling socket, and read and write what other parts have.
///
/// Browsers send `Origin` with every WebSocket handshake and do not apply the same-origin policy to it, so without this
/// check any page could speak to a server that only its visitor can reach ([RFC 6455 § 10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
#[derive(Debug, Clone, Default)]
pub(crate) struct OriginPolicy {
    /// Origins besides the server's own, such as `https://example.org`.
    pub(crate) allowed: Vec<String>,
}

impl OriginPolicy {
    /// Whether a handshake or request with these headers may go on. Programs that are no browsers send no `Origin`.
    ///
    /// `is_local`: it came to a loopback address. A name that some page's owner lets point there (DNS rebinding) would make that page
    /// ours by the comparison of `Host` and `Origin`, so only names that are surely this machine's count there. Nor does such a page's
    /// browser send an `Origin` when it merely reads, so the `Host` counts alone, too.
    pub(crate) fn permits(&self, headers: &HeaderMap, is_local: bool) -> bool {
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
        let is_ours = |host: &str| !is_local || is_own_name(host);
        let Some(origin) = headers.get(header::ORIGIN) else {
            return host.is_none_or(|host| is_ours(host) || self.is_allowed_host(host));
        };
        let Ok(origin) = origin.to_str() else { return false };
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        matches!((authority(origin), host), (Some(authority), Some(host))
            if authority.eq_ignore_ascii_case(host) && is_ours(host))
    }

    fn is_allowed_host(&self, host: &str) -> bool {
        let mut authorities = self.allowed.iter().filter_map(|allowed| authority(allowed));
        authorities.any(|authority| authority.eq_ignore_ascii_case(host))
    }
}

/// Host and port of an origin.
fn authority(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

/// Whether the host of an authority is `localhost`, a name below it, or a literal address.
fn is_own_name(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(literal) => return literal.split(']').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => authority.split(':').next().unwrap_or_default().to_ascii_lowercase(),
    };
    host == "localhost" || host.ends_with(".localhost") || host.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(origin: Option<&str>, host: &str) -> bool {
        permits_at(origin, host, false)
    }

    fn permits_at(origin: Option<&str>, host: &str, is_local: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        OriginPolicy { allowed: vec!["https://app.example.org".into()] }.permits(&headers, is_local)
    }

    #[test]
    fn only_our_own_pages_and_listed_ones_may_connect() {
        assert!(permits(None, "stoa.example.org"));
        assert!(permits(Some("https://stoa.example.org"), "stoa.example.org"));
        assert!(permits(Some("http://LOCALHOST:8080"), "localhost:8080"));
        assert!(permits(Some("https://app.example.org"), "stoa.example.org"));
        assert!(!permits(Some("https://evil.example"), "stoa.example.org"));
        assert!(!permits(Some("http://localhost:8081"), "localhost:8080"));
        assert!(!permits(Some("https://stoa.example.org.evil.example"), "stoa.example.org"));
        assert!(!permits(Some("null"), "stoa.example.org"));
        assert!(!permits(Some(""), ""));
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_ours() {
        assert!(!permits_at(Some("http://rebound.example:8080"), "rebound.example:8080", true));
        assert!(
            permits(Some("http://rebound.example:8080"), "rebound.example:8080"),
            "a public server goes by any name"
        );
        for own in ["localhost:8080", "stoa.localhost", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7"] {
            assert!(permits_at(Some(&format!("http://{own}")), own, true), "{own}");
        }
        assert!(permits_at(Some("https://app.example.org"), "stoa.example.org", true), "listed");
        assert!(!permits_at(None, "rebound.example:8080", true), "a page that reads sends no origin");
        for own in ["localhost:8080", "127.0.0.1", "app.example.org"] {
            assert!(permits_at(None, own, true), "{own}");
        }
        assert!(permits_at(None, "rebound.example", false));
        let nameless = HeaderMap::new();
        assert!(OriginPolicy::default().permits(&nameless, true), "no browser");
    }
}
