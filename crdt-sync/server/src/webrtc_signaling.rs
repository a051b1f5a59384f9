//! `/y-webrtc`: signaling for stock y-webrtc clients, who find each other by topic here and then speak over data channels.
//!
//! Differences from the server in the y-webrtc package, none of which its client notices: a signal goes only to the peer that it
//! is for, nothing goes back to its sender, who publishes must have subscribed, and everything is bounded. A topic's name is
//! taken for a document's: where tokens rule, a subscription needs the right to read that document. The peers alone decide what
//! they take from each other.
//!
//! The client comes back at once when an open socket is closed, so a refusal is said and the socket stays open where that is
//! possible; where not, it is closed late.

mod mailbox;
mod message;
mod rate;
mod socket;
mod topics;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::watch;

use crate::access::{Authorize, token_of};
use crate::documents::Documents;
use mailbox::Mailbox;
use socket::Socket;
use topics::{Limits, SocketId, Topics};

/// The endpoint `/y-webrtc`. `authorize` is asked for every subscription, and again while it lasts. Its sockets say farewell
/// when the documents do.
pub fn router(documents: &Documents, authorize: Authorize) -> Router {
    router_with(Settings::default(), authorize, documents.watch_draining())
}

fn router_with(settings: Settings, authorize: Authorize, draining: watch::Receiver<bool>) -> Router {
    let state = Mutex::new(ExchangeState { topics: Topics::new(settings.limits), ..ExchangeState::default() });
    let exchange = Arc::new(Exchange { settings, authorize, draining, state });
    Router::new().route("/y-webrtc", any(websocket)).with_state(exchange)
}

async fn websocket(
    State(exchange): State<Arc<Exchange>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if exchange.is_full() {
        let why = "too many sockets\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], why).into_response();
    }
    let token = token_of(&uri, &headers);
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| Box::pin(Socket::new(exchange, token).run(socket)))
}

/// What is accepted, and for how long is waited.
#[derive(Debug, Clone, Copy)]
struct Settings {
    limits: Limits,
    /// Most open sockets; an idle one takes a few KiB.
    sockets: usize,
    /// Sustained tokens per second: one for every message, and one for every KiB of it.
    rate: u32,
    /// Tokens that may come at once: who enters a crowded room signals with everybody.
    burst: u32,
    /// Silence after which the client is pinged, and after which, again, it counts as dead.
    idle: Duration,
    /// How often rights are asked for anew.
    recheck: Duration,
    /// How long a client may take nothing of what is sent to it.
    write_patience: Duration,
    /// From the end of a conversation with a client that breaks the rules to the close of its socket.
    penalty: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sockets: 50_000,
            rate: 100,
            burst: 1000,
            idle: Duration::from_secs(30),
            recheck: Duration::from_secs(30),
            write_patience: Duration::from_secs(10),
            penalty: Duration::from_secs(2),
        }
    }
}

/// What all sockets share.
struct Exchange {
    settings: Settings,
    authorize: Authorize,
    /// Whether the process is about to end.
    draining: watch::Receiver<bool>,
    state: Mutex<ExchangeState>,
}

#[derive(Debug, Default)]
struct ExchangeState {
    topics: Topics,
    mailboxes: BTreeMap<SocketId, Mailbox>,
    next_socket: u64,
}

impl Exchange {
    /// Waits until the process is about to end.
    async fn draining(&self) {
        let mut draining = self.draining.clone();
        if draining.wait_for(|is_draining| *is_draining).await.is_err() {
            // Whoever could say so is gone: then nobody will.
            std::future::pending().await
        }
    }

    /// Handshakes that are under way come on top; they are few.
    fn is_full(&self) -> bool {
        self.with(|state| state.mailboxes.len() >= self.settings.sockets)
    }

    fn open(&self, mailbox: &Mailbox) -> SocketId {
        self.with(|state| {
            let id = SocketId(state.next_socket);
            state.next_socket += 1;
            state.mailboxes.insert(id, mailbox.clone());
            id
        })
    }

    fn close(&self, id: SocketId) {
        self.with(|state| {
            state.topics.leave(id);
            state.mailboxes.remove(&id);
        });
    }

    /// Never held while anything is waited for. No step of a change can panic half way.
    fn with<T>(&self, change: impl FnOnce(&mut ExchangeState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Allocated for every socket while it lives; the library's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 1024;
/// Texts are written one by one; the library's default is unbounded.
const MAX_WRITE_BUFFER_BYTES: usize = 256 * 1024;
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
