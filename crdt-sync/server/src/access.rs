//! Who may do what with a document: asked of whoever starts the endpoints, and answered in these words.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, Uri, header};
use stoa_base_types::{Access, DocName};

/// Tells what the bearer of a token, or anybody without one, may do with a document.
pub type Authorize = Arc<dyn Fn(Option<&str>, &DocName) -> Result<Access, Denied> + Send + Sync>;

/// Why somebody may do nothing at all with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What would help.
    pub kind: DeniedKind,
    /// For people.
    pub why: String,
}

/// What would help somebody who was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedKind {
    /// A token, or a better one.
    NotAuthenticated,
    /// Nothing but other rights.
    Forbidden,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Denied {}

/// The token of a request: `Authorization: Bearer`, or `?token=` where a browser cannot set headers.
pub(crate) fn token_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    bearer.or_else(|| query_value(uri.query()?, "token"))
}

/// The first value of that name in the query, decoded. What does not decode to UTF-8 is no value.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(uri: &'static str, authorization: Option<&'static str>) -> Option<String> {
        let headers = authorization.map(|value| (header::AUTHORIZATION, value.parse().unwrap())).into_iter().collect();
        token_of(&Uri::from_static(uri), &headers)
    }

    #[test]
    fn a_token_is_found_in_the_header_and_in_the_query() {
        assert_eq!(token("/x", None), None);
        assert_eq!(token("/x?token=a.b-c_d", None).as_deref(), Some("a.b-c_d"));
        assert_eq!(token("/x?other=1&token=a%2eb+c", None).as_deref(), Some("a.b c"));
        assert_eq!(token("/x?token=a", Some("bearer  b")).as_deref(), Some("b"));
        assert_eq!(token("/x?token=a", Some("Basic b")).as_deref(), Some("a"));
    }

    #[test]
    fn what_does_not_decode_is_no_token() {
        for query in ["/x?token", "/x?token=%", "/x?token=%4", "/x?token=%zz", "/x?token=%ff", "/x?tokens=a"] {
            assert_eq!(token(query, None), None, "{query}");
        }
    }
}
