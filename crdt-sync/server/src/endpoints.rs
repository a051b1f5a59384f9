//! The WebSocket endpoints of Yjs clients: `/yjs/{doc}` and `/hocuspocus`.

mod socket;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use stoa_base_net::FrameWriter;
use stoa_base_types::DocName;
use stoa_crdt_sync_core::wire::{CloseCode, MESSAGE_BYTES};

use crate::access::{Authorize, token_of};
use crate::config::FRAMING_BYTES;
use crate::documents::Documents;
use crate::port::{Outgoing, Port, PortOptions, closing};
use socket::Socket;

/// Opens ports for sockets.
#[derive(Clone)]
struct Site {
    documents: Documents,
    authorize: Authorize,
}

/// `/yjs/{doc}`, in the dialect of y-websocket or, where the client offers the subprotocol, Stoa's own; and `/hocuspocus`.
pub fn sockets(documents: Documents, authorize: Authorize) -> Router {
    Router::new()
        .route("/yjs/{*doc}", any(yjs))
        .route("/hocuspocus", any(hocuspocus))
        .with_state(Site { documents, authorize })
}

async fn yjs(
    State(site): State<Site>,
    Path(doc): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    writer: Option<Extension<FrameWriter>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let writer = writer.map(|Extension(writer)| writer);
    let token = token_of(&uri, &headers);
    let Ok(doc) = DocName::new(&doc) else {
        let code = CloseCode::BadName;
        let close = Outgoing::Close { code: code.socket_code(), reason: code.message().into() };
        return site.upgrade(upgrade, Spoken::Plain, Err(close));
    };
    if !offers(&headers, NATIVE) {
        let authorize = site.authorize.clone();
        let port = site.documents.open(PortOptions::Plain { doc, token, authorize }, writer);
        return site.upgrade(upgrade, Spoken::Plain, Ok(port));
    }
    // Where there is but one document, the answer cannot change while the socket lives.
    if let Err(denied) = (site.authorize)(token.as_deref(), &doc) {
        let closing = closing(denied);
        let close = Outgoing::Close { code: closing.code, reason: closing.reason };
        return site.upgrade(upgrade, Spoken::Native, Err(close));
    }
    let authorize = site.authorize.clone();
    let rights = Arc::new(move |doc: &DocName| authorize(token.as_deref(), doc).ok());
    let port = site.documents.open(PortOptions::Native { identity: None, rights, doc: Some(doc) }, writer);
    site.upgrade(upgrade, Spoken::Native, Ok(port))
}

async fn hocuspocus(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
    writer: Option<Extension<FrameWriter>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let (token, authorize) = (token_of(&uri, &headers), site.authorize.clone());
    let writer = writer.map(|Extension(writer)| writer);
    let port = site.documents.open(PortOptions::Hocuspocus { token, authorize }, writer);
    site.upgrade(upgrade, Spoken::Hocuspocus, Ok(port))
}

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Native,
    Plain,
    Hocuspocus,
}

impl Site {
    fn upgrade(&self, upgrade: WebSocketUpgrade, spoken: Spoken, port: Result<Port, Outgoing>) -> Response {
        let limits = self.documents.limits();
        let message_bytes = match spoken {
            Spoken::Native => MESSAGE_BYTES,
            Spoken::Plain | Spoken::Hocuspocus => limits.hub.update_bytes + FRAMING_BYTES,
        };
        let documents = self.documents.clone();
        upgrade
            .protocols((spoken == Spoken::Native).then_some(NATIVE))
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            // A document in one message; what waits beyond that waits elsewhere.
            .max_write_buffer_size(2 * limits.hub.document_bytes + FRAMING_BYTES)
            .max_message_size(message_bytes)
            .max_frame_size(message_bytes)
            .on_upgrade(move |socket| Box::pin(Socket::new(socket, documents).run(port)))
    }
}

fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    offered.filter_map(|list| list.to_str().ok()).any(|list| list.split(',').any(|name| name.trim() == protocol))
}

/// The subprotocol of Stoa's own dialect.
const NATIVE: &str = "stoa.v1.docs";

/// Allocated for every socket while it lives; the library's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 512;

/// Small messages of one turn go out together.
const WRITE_BUFFER_BYTES: usize = 4096;
