use std::net::IpAddr;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use stoa_base_types::ConnectionId;
use stoa_signaling_core::message::IceServer;
use stoa_signaling_core::{Action, CloseCode, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tracing::{Span, debug};

use crate::control_loop::Report;
use crate::mailbox::Mailbox;

/// One WebSocket: turns messages into commands and actions into messages.
pub(crate) struct Socket {
    connection: ConnectionId,
    mailbox: Mailbox,
    reports: mpsc::Sender<Report>,
    span: Span,
}

/// Why the conversation ended.
enum End {
    /// The client closed, or the transport broke.
    Gone { code: Option<u16> },
    /// The control plane closed.
    Closed(CloseCode),
    /// The control plane is gone.
    Orphaned,
}

impl Socket {
    pub(crate) fn new(connection: ConnectionId, reports: mpsc::Sender<Report>) -> Self {
        Self { connection, mailbox: Mailbox::default(), reports, span: Span::none() }
    }

    /// Runs the socket to its end.
    pub(crate) async fn run(mut self, mut socket: WebSocket, address: Option<IpAddr>, ice_servers: Vec<IceServer>) {
        let (connection, mailbox) = (self.connection, self.mailbox.clone());
        if self.reports.send(Report::Opened { connection, mailbox, address, ice_servers }).await.is_err() {
            return;
        }
        match self.converse(&mut socket).await {
            End::Gone { code } => {
                debug!(parent: &self.span, %connection, code, "socket gone");
                let _ = self.report(Command::Closed { connection, code }).await;
                finish(&mut socket).await;
            }
            End::Closed(code) => {
                debug!(parent: &self.span, %connection, %code, "closing socket");
                let frame = CloseFrame { code: code.number(), reason: Utf8Bytes::from_static(code.reason()) };
                if let Ok(Ok(())) = timeout(CLOSE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await {
                    finish(&mut socket).await;
                }
            }
            End::Orphaned => {}
        }
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        loop {
            let end = tokio::select! {
                message = socket.recv() => self.take(message).await,
                action = self.mailbox.next() => self.carry_out(socket, action).await,
            };
            if let Err(end) = end {
                return end;
            }
        }
    }

    async fn take(&self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let connection = self.connection;
        let command = match message {
            Some(Ok(Message::Text(text))) => {
                metrics::counter!("stoa_signaling_frames_total", "direction" => "in").increment(1);
                Command::Text { connection, text: text.as_str().to_owned() }
            }
            Some(Ok(Message::Binary(_))) => Command::Binary { connection },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Command::Heard { connection },
            Some(Ok(Message::Close(frame))) => return Err(End::Gone { code: frame.map(|frame| frame.code) }),
            Some(Err(error)) if is_too_large(&error) => {
                self.report(Command::TooLarge { connection }).await?;
                // Nothing more can be read; the control plane's close follows.
                return self.await_close().await;
            }
            Some(Err(_)) | None => return Err(End::Gone { code: None }),
        };
        self.report(command).await
    }

    async fn carry_out(&mut self, socket: &mut WebSocket, action: Action) -> Result<(), End> {
        match action {
            Action::Bind(session) => {
                self.span = tracing::info_span!("session", id = %session);
                debug!(parent: &self.span, connection = %self.connection, "socket bound");
                Ok(())
            }
            Action::Send(bytes) => self.send(socket, bytes).await,
            Action::Ping => self.write(socket, Message::Ping(Bytes::new())).await,
            Action::Close(code) => Err(End::Closed(code)),
        }
    }

    async fn send(&self, socket: &mut WebSocket, bytes: Bytes) -> Result<(), End> {
        let (connection, length) = (self.connection, bytes.len());
        // The core writes JSON, which is UTF-8.
        let Ok(text) = Utf8Bytes::try_from(bytes) else { return Ok(()) };
        self.write(socket, Message::Text(text)).await?;
        metrics::counter!("stoa_signaling_frames_total", "direction" => "out").increment(1);
        self.report(Command::Written { connection, bytes: length }).await
    }

    /// Writes, unless the control plane loses patience with a reader that takes nothing.
    async fn write(&self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        tokio::select! {
            biased;
            result = socket.send(message) => result.map_err(|_| End::Gone { code: None }),
            () = self.mailbox.closing() => self.await_close().await,
        }
    }

    /// Skips to the close that is queued or on its way.
    async fn await_close(&self) -> Result<(), End> {
        loop {
            if let Action::Close(code) = self.mailbox.next().await {
                return Err(End::Closed(code));
            }
        }
    }

    async fn report(&self, command: Command) -> Result<(), End> {
        self.reports.send(Report::Command(command)).await.map_err(|_| End::Orphaned)
    }
}

/// Reads to the end, so that the close handshake completes and the last frame is not lost to a reset.
async fn finish(socket: &mut WebSocket) {
    let _ = timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}

fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref::<tungstenite::Error>()),
        Some(tungstenite::Error::Capacity(_))
    )
}

/// How long a client may take over the close handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
