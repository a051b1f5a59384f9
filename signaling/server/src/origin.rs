use axum::http::{HeaderMap, header};

/// Which web pages may open a signaling socket.
///
/// Browsers send `Origin` with every WebSocket handshake and do not apply the same-origin policy to it, so without this
/// check any page could speak to a server that only its visitor can reach ([RFC 6455 § 10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
#[derive(Debug, Clone, Default)]
pub(crate) struct OriginPolicy {
    /// Origins besides the server's own, such as `https://example.org`.
    pub(crate) allowed: Vec<String>,
}

impl OriginPolicy {
    /// Whether a handshake with these headers may go on. Programs that are no browsers send no `Origin`.
    pub(crate) fn permits(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        OriginPolicy { allowed: vec!["https://app.example.org".into()] }.permits(&headers)
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
}
