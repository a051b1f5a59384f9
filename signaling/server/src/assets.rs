use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

/// One file of the web client.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Content.
    pub bytes: Cow<'static, [u8]>,
    /// The same, compressed with Brotli, if that was prepared.
    pub brotli: Option<Cow<'static, [u8]>>,
    /// Media type.
    pub content_type: String,
    /// Changes with the content; without quotes.
    pub etag: String,
}

/// Finds a file by its path, without a leading slash.
pub type Assets = fn(&str) -> Option<Asset>;

/// Answers a GET or HEAD for a page or a file of the web client.
///
/// Rooms and documents are views of one page, so their addresses get `index.html`; any other unknown address gets it too, with
/// status 404, and the page says so in words.
pub(crate) fn respond(assets: Assets, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are possible here\n");
    }
    let path = path.trim_start_matches('/');
    if let Some(asset) = assets(path).filter(|_| path != INDEX) {
        return file(asset, StatusCode::OK, method, headers, is_hashed(path));
    }
    if path.starts_with("assets/") || path.starts_with("v1/") {
        return text(StatusCode::NOT_FOUND, "there is nothing at this address\n");
    }
    match assets(INDEX) {
        Some(index) => {
            let status = if is_view(path) { StatusCode::OK } else { StatusCode::NOT_FOUND };
            file(index, status, method, headers, false)
        }
        None => text(StatusCode::NOT_FOUND, "this server was built without the web client\n"),
    }
}

/// The headers that keep foreign code and frames out of every page.
pub(crate) fn security_headers() -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(self), microphone=(self), display-capture=(self), geolocation=()"),
        ),
    ]
}

fn is_view(path: &str) -> bool {
    match path.split_once('/') {
        None => path.is_empty(),
        Some(("r", name)) => !name.is_empty() && !name.contains('/'),
        // Documents of a room are named `room/...`.
        Some(("d", name)) => !name.is_empty(),
        Some(_) => false,
    }
}

/// Vite puts a hash of the content into the names below `assets/`.
fn is_hashed(path: &str) -> bool {
    path.starts_with("assets/")
}

fn file(asset: Asset, status: StatusCode, method: &Method, headers: &HeaderMap, is_hashed: bool) -> Response<Body> {
    let etag = format!("\"{}\"", asset.etag);
    let matches = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(&etag));
    if status == StatusCode::OK && headers.get(header::IF_NONE_MATCH).is_some_and(matches) {
        return build(Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, etag), Body::empty());
    }
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepts_brotli = accepts.split(',').any(is_brotli);
    let cache = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, &asset.content_type)
        .header(header::CACHE_CONTROL, cache)
        .header(header::ETAG, etag)
        .header(header::VARY, "accept-encoding");
    let bytes = match asset.brotli.filter(|_| accepts_brotli) {
        Some(brotli) => {
            builder = builder.header(header::CONTENT_ENCODING, "br");
            brotli
        }
        None => asset.bytes,
    };
    builder = builder.header(header::CONTENT_LENGTH, bytes.len());
    let body = match bytes {
        _ if method == Method::HEAD => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    build(builder, body)
}

fn text(status: StatusCode, content: &'static str) -> Response<Body> {
    let builder = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    build(builder, Body::from(content))
}

fn build(builder: axum::http::response::Builder, body: Body) -> Response<Body> {
    // Only a malformed media type or hash of an embedded file could fail here.
    builder.body(body).unwrap_or_default()
}

const INDEX: &str = "index.html";

/// Styles may stand in attributes because the editor draws cursors that way; scripts may not.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
form-action 'self'; frame-ancestors 'none'";

/// Whether one coding of `Accept-Encoding` is Brotli with a weight above 0 ([RFC 9110 § 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
fn is_brotli(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let is_named = parts.next() == Some("br");
    let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.trim().parse::<f32>().ok());
    is_named && weight.is_none_or(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(path: &str) -> Option<Asset> {
        let (bytes, brotli): (&'static [u8], Option<&'static [u8]>) = match path {
            "index.html" => (b"<!doctype html>", None),
            "assets/main-abc.js" => (b"code", Some(b"br")),
            _ => return None,
        };
        Some(Asset {
            bytes: Cow::Borrowed(bytes),
            brotli: brotli.map(Cow::Borrowed),
            content_type: "text/plain".into(),
            etag: "e".into(),
        })
    }

    fn get(path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        respond(assets, &Method::GET, path, &headers)
    }

    #[test]
    fn views_get_the_page_and_strays_get_it_with_404() {
        for path in ["/", "/r/agora", "/d/minutes", "/d/agora/minutes"] {
            assert_eq!(get(path, &[]).status(), StatusCode::OK, "{path}");
        }
        for path in ["/r/", "/r/a/b", "/nowhere", "/assets/gone.js", "/v1/nothing", "/index.html/"] {
            assert_eq!(get(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
        let post = respond(assets, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn hashed_files_are_kept_by_browsers_and_pages_are_asked_for_again() {
        let file = get("/assets/main-abc.js", &[]);
        assert!(file.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(get("/", &[]).headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(get("/", &[(header::IF_NONE_MATCH, "W/\"x\", \"e\"")]).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn brotli_goes_to_those_who_take_it() {
        let coded = get("/assets/main-abc.js", &[(header::ACCEPT_ENCODING, "gzip, br;q=1.0")]);
        for refused in ["gzip", "br;q=0", "gzip, br; q=0.0"] {
            let plain = get("/assets/main-abc.js", &[(header::ACCEPT_ENCODING, refused)]);
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{refused}");
        }
        assert_eq!(coded.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(coded.headers()[header::CONTENT_LENGTH], "2");
        assert!(!get("/assets/main-abc.js", &[]).headers().contains_key(header::CONTENT_ENCODING));
    }
}
