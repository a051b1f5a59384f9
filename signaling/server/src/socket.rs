use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use stoa_base_net::{Attempt, FrameWriter};
use stoa_base_types::ConnectionId;
use stoa_signaling_core::message::IceServer;
use stoa_signaling_core::{Action, CloseCode, Command, Frame};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tracing::{Span, debug};

use crate::control_loop::Report;
use crate::mailbox::{Job, Mailbox};
use crate::ports::{DocumentMessage, DocumentSocket, Documents};

/// One WebSocket: turns messages into commands and actions into messages.
pub(crate) struct Socket {
    connection: ConnectionId,
    mailbox: Mailbox,
    reports: mpsc::Sender<Report>,
    span: Span,
    documents: Option<Arc<dyn Documents>>,
    /// Since the socket was bound.
    following: Option<Box<dyn DocumentSocket>>,
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
    pub(crate) fn new(
        connection: ConnectionId,
        reports: mpsc::Sender<Report>,
        documents: Option<Arc<dyn Documents>>,
        writer: Option<FrameWriter>,
    ) -> Self {
        Self { connection, mailbox: Mailbox::new(writer), reports, span: Span::none(), documents, following: None }
    }

    /// Runs the socket to its end.
    pub(crate) async fn run(mut self, mut socket: WebSocket, address: Option<IpAddr>, ice_servers: Vec<IceServer>) {
        let (connection, mailbox) = (self.connection, self.mailbox.clone());
        if self.reports.send(Report::Opened { connection, mailbox, address, ice_servers }).await.is_err() {
            return;
        }
        let end = self.converse(&mut socket).await;
        // Before a close frame is written, since nothing may follow it.
        self.following = None;
        match end {
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
                job = self.mailbox.next() => {
                    let end = self.carry_out(socket, job).await;
                    self.mailbox.done();
                    end
                }
                message = next_of(&mut self.following) => self.send_document(socket, message).await,
            };
            if let Err(end) = end {
                return end;
            }
        }
    }

    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let connection = self.connection;
        let command = match message {
            Some(Ok(Message::Text(text))) => {
                metrics::counter!("stoa_signaling_frames_total", "direction" => "in").increment(1);
                Command::Text { connection, text: text.as_str().to_owned() }
            }
            Some(Ok(Message::Binary(message))) => match &self.following {
                Some(_) => return self.take_document(message).await,
                None => Command::Binary { connection },
            },
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

    async fn carry_out(&mut self, socket: &mut WebSocket, job: Job) -> Result<(), End> {
        let action = match job {
            Job::Act(action) => action,
            Job::Flush(bytes) => {
                self.flush(socket).await?;
                return self.note_written(bytes).await;
            }
        };
        match action {
            Action::Bind(bound) => {
                self.span = tracing::info_span!("session", id = %bound.session);
                self.following = self.documents.as_ref().map(|documents| documents.open(&bound, self.mailbox.writer()));
                debug!(parent: &self.span, connection = %self.connection, "socket bound");
                Ok(())
            }
            Action::Documents(grant) => {
                if let Some(following) = &mut self.following {
                    following.set_rights(grant);
                }
                Ok(())
            }
            Action::Send(frame) => self.send(socket, &frame).await,
            Action::Ping => self.write(socket, Message::Ping(Bytes::new())).await,
            Action::Close(code) => Err(End::Closed(code)),
        }
    }

    async fn send(&self, socket: &mut WebSocket, frame: &Frame) -> Result<(), End> {
        match self.mailbox.write_around(frame) {
            Attempt::Written => {}
            Attempt::Begun => self.flush(socket).await?,
            Attempt::Refused => {
                // The core writes JSON, which is UTF-8.
                let Ok(text) = Utf8Bytes::try_from(frame.to_text()) else { return Ok(()) };
                self.write(socket, Message::Text(text)).await?;
            }
        }
        self.note_written(frame.len()).await
    }

    /// Writes the rest of a frame that was begun past this task.
    async fn flush(&self, socket: &mut WebSocket) -> Result<(), End> {
        tokio::select! {
            biased;
            flushed = socket.flush() => flushed.map_err(|_| End::Gone { code: None }),
            () = self.mailbox.closing() => self.await_close().await,
        }
    }

    async fn note_written(&self, bytes: usize) -> Result<(), End> {
        metrics::counter!("stoa_signaling_frames_total", "direction" => "out").increment(1);
        self.report(Command::Written { connection: self.connection, bytes }).await
    }

    /// Hands a binary message on; meanwhile the socket is not read, which slows down whoever sends too much.
    async fn take_document(&mut self, message: Bytes) -> Result<(), End> {
        metrics::counter!("stoa_documents_messages_total", "direction" => "in").increment(1);
        let Some(following) = &mut self.following else { return Ok(()) };
        let taken = tokio::select! {
            biased;
            taken = following.handle(message) => taken,
            () = self.mailbox.closing() => return self.await_close().await,
        };
        if taken.is_ok() {
            return Ok(());
        }
        let connection = self.connection;
        self.report(Command::Binary { connection }).await?;
        self.await_close().await
    }

    async fn send_document(&mut self, socket: &mut WebSocket, message: Option<DocumentMessage>) -> Result<(), End> {
        let Some(message) = message else {
            let connection = self.connection;
            self.report(Command::TooSlow { connection }).await?;
            return self.await_close().await;
        };
        match message {
            DocumentMessage::Message(message) => self.write(socket, Message::Binary(message)).await?,
            DocumentMessage::Flush => self.flush(socket).await?,
        }
        metrics::counter!("stoa_documents_messages_total", "direction" => "out").increment(1);
        if let Some(following) = &mut self.following {
            following.written();
        }
        Ok(())
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
            if let Job::Act(Action::Close(code)) = self.mailbox.next().await {
                return Err(End::Closed(code));
            }
        }
    }

    async fn report(&self, command: Command) -> Result<(), End> {
        self.reports.send(Report::Command(command)).await.map_err(|_| End::Orphaned)
    }
}

/// What is to be written next for the documents; without documents, nothing.
async fn next_of(following: &mut Option<Box<dyn DocumentSocket>>) -> Option<DocumentMessage> {
    match following {
        Some(following) => following.next().await,
        None => std::future::pending().await,
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
