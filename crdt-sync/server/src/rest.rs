//! Documents over HTTP: read, write, list, erase, and their versions. Errors are `application/problem+json` and say how to mend
//! what was wrong.
#![expect(clippy::result_large_err, reason = "an answer over HTTP costs far more than moving 136 bytes")]

mod documents;
mod listing;
mod problem;
mod versions;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use axum::routing::{get, post};
use serde::Serialize;
use stoa_base_types::{Access, DocName, Epoch};

use crate::access::{Authorize, DeniedKind, token_of};
use crate::documents::Documents;
use crate::worker::State;
use problem::Problem;

/// Tells whether the bearer of a token administers the server.
pub type IsAdmin = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// Who may erase documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasers {
    /// Who may write them: where everything is open to whoever has the link.
    Writers,
    /// Administrators alone: where tokens rule.
    Admins,
}

/// What the REST endpoints need.
#[derive(Clone)]
pub struct RestOptions {
    /// The documents.
    pub documents: Documents,
    /// Judges tokens.
    pub authorize: Authorize,
    /// Absent: there is no administration over HTTP.
    pub is_admin: Option<IsAdmin>,
    /// Who may erase.
    pub erasers: Erasers,
}

impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions").field("erasers", &self.erasers).finish_non_exhaustive()
    }
}

/// `/v1/docs` and what is below it.
pub fn router(options: RestOptions) -> Router {
    Router::new()
        .route("/v1/docs", get(listing::list))
        .route("/v1/docs/{doc}", get(documents::get).put(documents::put).delete(documents::delete))
        .route("/v1/docs/{doc}/updates", post(documents::post_update))
        .route("/v1/docs/{doc}/versions", get(versions::list).post(versions::create))
        .route("/v1/docs/{doc}/versions/{id}", get(versions::get).patch(versions::rename).delete(versions::delete))
        .with_state(Arc::new(options))
}

type Site = axum::extract::State<Arc<RestOptions>>;
type Answer = Result<Response<Body>, Problem>;

impl RestOptions {
    /// The document of a request, if its token allows what is wanted.
    fn permit(&self, doc: &str, uri: &Uri, headers: &HeaderMap, wanted: Access) -> Result<DocName, Problem> {
        let name = DocName::new(doc).map_err(|error| Problem::bad_request("bad-name", error.to_string()))?;
        let token = token_of(uri, headers);
        match (self.authorize)(token.as_deref(), &name) {
            Ok(access) if access >= wanted => Ok(name),
            Ok(_) => Err(Problem::forbidden("this token allows reading the document, not changing it")),
            Err(denied) => Err(match denied.kind {
                DeniedKind::NotAuthenticated => Problem::unauthorized(denied.why),
                DeniedKind::Forbidden => Problem::forbidden(denied.why),
            }),
        }
    }

    fn require_admin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(is_admin) = &self.is_admin else {
            return Err(Problem::not_found("administration is off; set [admin] token in the server's configuration"));
        };
        let token = token_of(uri, headers);
        match (is_admin(token.as_deref()), &token) {
            (true, _) => Ok(()),
            (false, None) => Err(Problem::unauthorized("send the administrator's token: Authorization: Bearer TOKEN")),
            (false, Some(_)) => Err(Problem::forbidden("this is not the administrator's token")),
        }
    }

    /// The whole body, unless it is too large.
    async fn body(&self, body: Body) -> Result<Bytes, Problem> {
        let most = self.documents.limits().body_bytes;
        to_bytes(body, most).await.map_err(|error| {
            if is_too_large(&error) {
                Problem::too_large(format!("a body has at most {most} bytes"))
            } else {
                Problem::bad_request("body", "the body could not be read to its end".to_owned())
            }
        })
    }

    async fn state(&self, doc: &DocName) -> Result<State, Problem> {
        Ok(in_time(self.documents.read(doc)).await??)
    }

    /// A document that something was written to.
    async fn existing(&self, doc: &DocName) -> Result<State, Problem> {
        let state = self.state(doc).await?;
        if state.is_blank() {
            return Err(Problem::not_found("nothing was ever written to this document; PUT or POST to begin it"));
        }
        Ok(state)
    }
}

impl State {
    /// Whether nothing was ever written in this epoch.
    pub(crate) fn is_blank(&self) -> bool {
        self.seq == 0 && self.parts.is_empty()
    }

    fn etag(&self) -> String {
        etag(self.epoch, self.seq)
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        // Its type belongs to a crate that only axum knows.
        if error.to_string() == "length limit exceeded" {
            return true;
        }
        source = error.source();
    }
    false
}

/// Waits for the disk, not for ever: while it refuses, what was accepted is kept and written later.
async fn in_time<T>(future: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(PATIENCE, future)
        .await
        .map_err(|_| Problem::unavailable("the disk does not answer; what was sent may still be saved when it does"))
}

const PATIENCE: Duration = Duration::from_secs(30);

/// What a state of a document is called.
fn etag(epoch: Epoch, seq: u64) -> String {
    format!("\"{}-{seq}\"", epoch.0)
}

/// Which state a request wants to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Any,
    Blank,
    Exists,
    Is(Epoch, u64),
}

impl Condition {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let none_match = text(headers.get(IF_NONE_MATCH));
        match (text(headers.get(IF_MATCH)), none_match) {
            (None, None) => Ok(Self::Any),
            (None, Some("*")) => Ok(Self::Blank),
            (Some("*"), None) => Ok(Self::Exists),
            (Some(tag), None) => match parse_etag(tag) {
                Some((epoch, seq)) => Ok(Self::Is(epoch, seq)),
                None => {
                    Err(Problem::bad_request("etag", "If-Match takes the ETag of an earlier answer, or *".to_owned()))
                }
            },
            _ => Err(Problem::bad_request("etag", "send If-Match, or If-None-Match: *, not both".to_owned())),
        }
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok()).map(str::trim)
}

fn parse_etag(tag: &str) -> Option<(Epoch, u64)> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let (epoch, seq) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    Some((Epoch(epoch.parse().ok()?), seq.parse().ok()?))
}

/// Whether an `If-None-Match` names the state.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = text(headers.get(IF_NONE_MATCH)).unwrap_or_default();
    known == "*" || known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // Nothing that is answered has a map with keys that are not texts.
    response(status, "application/json", serde_json::to_vec(body).unwrap_or_default())
}

fn with_etag(mut response: Response<Body>, etag: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

const OCTETS: &str = "application/octet-stream";
