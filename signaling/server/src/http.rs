use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use axum::middleware::{Next, map_response};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Extension, Router};
use ipnet::IpNet;
use stoa_base_net::FrameWriter;
use stoa_base_types::ConnectionId;
use tokio::sync::mpsc;

use crate::assets::{self, Assets};
use crate::client_address::client_address;
use crate::control_loop::Report;
use crate::listener::PeerAddress;
use crate::origin::OriginPolicy;
use crate::ports::Documents;
use crate::socket::Socket;
use crate::stun_address::StunAddress;

/// What the routes need.
pub(crate) struct Site {
    pub(crate) assets: Assets,
    pub(crate) render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) origins: OriginPolicy,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) stun: StunAddress,
    pub(crate) documents: Option<Arc<dyn Documents>>,
    pub(crate) frame_bytes: usize,
    pub(crate) reports: mpsc::WeakSender<Report>,
    pub(crate) next_connection: AtomicU64,
    pub(crate) is_draining: AtomicBool,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("stun", &self.stun).finish_non_exhaustive()
    }
}

/// Every address of the server.
pub(crate) fn router(site: Arc<Site>, others: Router) -> Router {
    let ours = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/ws", any(websocket))
        .fallback(pages)
        .with_state(Arc::clone(&site));
    // Other parts' sockets and documents are as dear as ours.
    let others = others.layer(axum::middleware::from_fn_with_state(site, only_our_pages));
    ours.merge(others).layer(map_response(harden)).layer(axum::middleware::from_fn(count))
}

async fn readyz(State(site): State<Arc<Site>>) -> impl IntoResponse {
    if site.is_draining.load(Ordering::Acquire) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (site.render_metrics)())
}

async fn pages(State(site): State<Arc<Site>>, method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    assets::respond(site.assets, &method, uri.path(), &headers)
}

/// `/v1/ws`: the signaling WebSocket.
async fn websocket(
    State(site): State<Arc<Site>>,
    peer: Option<Extension<PeerAddress>>,
    writer: Option<Extension<FrameWriter>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response<Body> {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let peer = peer.map(|Extension(peer)| peer);
    if !site.permits_origin(&headers, peer) {
        return foreign_origin();
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offers_ours = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|list| list.split(',').any(|name| name.trim() == SUBPROTOCOL))
    };
    if offered.iter().next().is_some() && !offered.iter().any(offers_ours) {
        let why = "none of the offered subprotocols is spoken here; offer stoa.v1.json\n";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let Some(reports) = site.reports.upgrade().filter(|_| !site.is_draining.load(Ordering::Acquire)) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], "draining\n").into_response();
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let ice_servers = site.stun.ice_servers(host);
    let address = peer.map(|PeerAddress { peer, .. }| client_address(peer, &headers, &site.trusted_proxies));
    let connection = ConnectionId(site.next_connection.fetch_add(1, Ordering::Relaxed));
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(site.frame_bytes)
        .max_frame_size(site.frame_bytes)
        .on_upgrade(move |socket| {
            let documents = site.documents.clone();
            let writer = writer.map(|Extension(writer)| writer);
            Box::pin(Socket::new(connection, reports, documents, writer).run(socket, address, ice_servers))
        })
}

impl Site {
    fn permits_origin(&self, headers: &HeaderMap, peer: Option<PeerAddress>) -> bool {
        let is_local = peer.is_some_and(|peer| peer.is_local(&self.trusted_proxies));
        self.origins.permits(headers, is_local)
    }
}

async fn only_our_pages(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response<Body> {
    let peer = request.extensions().get::<PeerAddress>().copied();
    if site.permits_origin(request.headers(), peer) { next.run(request).await } else { foreign_origin() }
}

fn foreign_origin() -> Response<Body> {
    let why =
        "this page's origin may not connect; add it to http.allowed_origins, or its proxy to http.trusted_proxies\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

async fn harden(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().extend(assets::security_headers());
    response
}

async fn count(request: Request, next: Next) -> Response<Body> {
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("stoa_http_responses_total", "status" => status).increment(1);
    response
}

/// Name of the wire protocol.
const SUBPROTOCOL: &str = "stoa.v1.json";
/// Allocated for every socket while it lives; the library's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 1024;
/// The core gives a socket at most 32 KiB and one frame unwritten; the library's default is unbounded.
const MAX_WRITE_BUFFER_BYTES: usize = 256 * 1024;
