//! The relay over HTTP: credentials for other applications, and the stories of allocations. Errors are `application/problem+json`.

mod problem;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::control::RelayControl;
use crate::shared::random;
use crate::story::Story;
use problem::Problem;

/// Tells whether the bearer of a token administers the server.
pub type IsAdmin = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// Tells the relay's addresses for a client that sent this `Host` header.
pub type Uris = Arc<dyn Fn(Option<&str>) -> Vec<String> + Send + Sync>;

/// What the REST endpoints need.
#[derive(Clone)]
pub struct RestOptions {
    /// The relay.
    pub control: RelayControl,
    /// Absent: there is no administration over HTTP.
    pub is_admin: Option<IsAdmin>,
    /// Tells the password of a username `expiry:user`.
    pub password: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// The relay's addresses.
    pub uris: Uris,
    /// How long credentials are good unless asked otherwise.
    pub lifetime: Duration,
}

impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// `/v1/turn-credentials` and `/v1/relay/allocations`.
pub fn router(options: RestOptions) -> Router {
    Router::new()
        .route("/v1/turn-credentials", post(credentials))
        .route("/v1/relay/allocations", get(allocations))
        .with_state(Arc::new(options))
}

type Site = State<Arc<RestOptions>>;
type Answer = Result<Response<Body>, Problem>;

/// What may be asked for with credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    /// For whom; quotas and revocations are per user. A name is made up without it.
    user: Option<String>,
    /// Seconds.
    ttl: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Credentials {
    username: String,
    password: String,
    /// Seconds.
    ttl: u64,
    uris: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Allocations {
    /// How many there are; `allocations` has the stories of at most 1,000 per worker.
    count: usize,
    free_ports: usize,
    allocations: Vec<Story>,
}

async fn credentials(State(site): Site, headers: HeaderMap, body: Body) -> Answer {
    site.require_admin(&headers)?;
    let body = to_bytes(body, MAX_BODY).await;
    let body = body.map_err(|_| Problem::bad_request(format!("a body has at most {MAX_BODY} bytes")))?;
    let wanted = if body.is_empty() { Ok(Wanted::default()) } else { serde_json::from_slice(&body) };
    let wanted =
        wanted.map_err(|error| Problem::bad_request(format!("send {{\"user\", \"ttl\"}}, or nothing: {error}")))?;
    let ttl = wanted.ttl.unwrap_or(site.lifetime.as_secs());
    if !(SHORTEST..=LONGEST).contains(&ttl) {
        return Err(Problem::bad_request(format!("ttl: write a number of seconds from {SHORTEST} to {LONGEST}")));
    }
    let user = wanted.user.unwrap_or_else(|| format!("{:016x}", u64::from_ne_bytes(random())));
    if user.is_empty() || user.len() > MAX_USER || user.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("user: write 1 to {MAX_USER} bytes without control characters")));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let username = format!("{}:{user}", now.as_secs() + ttl);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let (password, uris) = ((site.password)(&username), (site.uris)(host));
    Ok(json(&Credentials { username, password, ttl, uris }))
}

async fn allocations(State(site): Site, headers: HeaderMap) -> Answer {
    site.require_admin(&headers)?;
    let reports = site.control.report().await.map_err(|busy| Problem::unavailable(busy.to_string()))?;
    let (count, free_ports) = reports.iter().fold((0, 0), |(count, free), it| (count + it.count, free + it.free_ports));
    let allocations = reports.into_iter().flat_map(|report| report.allocations).collect();
    Ok(json(&Allocations { count, free_ports, allocations }))
}

impl RestOptions {
    fn require_admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(is_admin) = &self.is_admin else {
            return Err(Problem::not_found("administration is off; set [admin] token in the server's configuration"));
        };
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        match (is_admin(token), token) {
            (true, _) => Ok(()),
            (false, None) => Err(Problem::unauthorized("send the administrator's token: Authorization: Bearer TOKEN")),
            (false, Some(_)) => Err(Problem::forbidden("this is not the administrator's token")),
        }
    }
}

fn json(body: &impl Serialize) -> Response<Body> {
    // Nothing that is answered has a map with keys that are not texts.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const MAX_BODY: usize = 4096;
/// Bytes; a whole username has at most 508.
const MAX_USER: usize = 256;
/// Seconds.
const SHORTEST: u64 = 60;
/// A week, in seconds: what must be good for longer is a user with a password.
const LONGEST: u64 = 7 * 24 * 3600;
