use std::borrow::Cow;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use stoa_crdt_sync_core::wire::CloseCode;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;
use tracing::debug;

use crate::documents::Documents;
use crate::port::{Outgoing, Port, PortEnd};

/// One WebSocket, from its opening to its end.
#[derive(Debug)]
pub(super) struct Socket {
    socket: WebSocket,
    documents: Documents,
    heard_at: Instant,
    sent_at: Instant,
    is_pinged: bool,
    recheck_at: Instant,
    /// A socket that follows nothing is not kept open for ever.
    following_at: Instant,
}

/// Why it ended.
#[derive(Debug)]
enum End {
    /// The client closed, or the transport broke.
    Gone,
    /// The server closes.
    Close { code: u16, reason: Cow<'static, str> },
    /// A message is too large; the client is still sending it.
    TooLarge,
}

impl From<PortEnd> for End {
    fn from(PortEnd { code, reason }: PortEnd) -> Self {
        Self::Close { code, reason }
    }
}

impl Socket {
    pub(super) fn new(socket: WebSocket, documents: Documents) -> Self {
        let now = Instant::now();
        let (heard_at, sent_at, following_at) = (now, now, now);
        Self { socket, documents, heard_at, sent_at, is_pinged: false, recheck_at: now + RECHECK, following_at }
    }

    /// Runs the socket to its end.
    pub(super) async fn run(mut self, port: Result<Port, Outgoing>) {
        let end = match port {
            Ok(port) => self.converse(port).await,
            Err(outgoing) => self.put(outgoing).await.err().unwrap_or(End::Gone),
        };
        debug!(?end, "document socket ends");
        match end {
            End::Gone => {}
            End::Close { code, reason } => {
                if self.close(code, reason).await {
                    self.finish().await;
                }
            }
            End::TooLarge => {
                // y-websocket would send it again for ever, if this were not permanent.
                self.close(CloseCode::Malformed.socket_code(), Cow::Borrowed(TOO_LARGE)).await;
                // What was not read when the connection ends takes the close frame with it.
                sleep(CLOSE_TIMEOUT).await;
            }
        }
    }

    async fn close(&mut self, code: u16, reason: Cow<'static, str>) -> bool {
        let frame = CloseFrame { code, reason: Utf8Bytes::from(reason.into_owned()) };
        matches!(timeout(CLOSE_TIMEOUT, self.socket.send(Message::Close(Some(frame)))).await, Ok(Ok(())))
    }

    async fn converse(&mut self, mut port: Port) -> End {
        let mut result = self.converse_until(&mut port).await;
        if matches!(&result, Err(End::TooLarge))
            && let Some(sign_of_life) = port.deny_all(TOO_LARGE)
        {
            result = self.hold(&mut port, &sign_of_life).await;
        }
        // What the port said last may be the reason.
        while let Some(outgoing) = port.try_next() {
            if matches!(&result, Err(End::Gone)) {
                break;
            }
            if let Err(end) = self.put(outgoing).await {
                return end;
            }
        }
        match result {
            Err(end) => end,
            Ok(()) => RESTARTING,
        }
    }

    async fn converse_until(&mut self, port: &mut Port) -> Result<(), End> {
        port.begin().await?;
        let documents = self.documents.clone();
        let mut draining = std::pin::pin!(documents.draining());
        let mut is_draining = false;
        let mut timer = std::pin::pin!(sleep_until(self.due()));
        loop {
            tokio::select! {
                message = self.socket.recv() => self.take(port, message).await?,
                outgoing = port.next() => self.put_all(port, outgoing).await?,
                () = &mut timer => {
                    if is_draining {
                        return Ok(());
                    }
                    self.tend(port).await?;
                    timer.as_mut().reset(self.due());
                }
                () = &mut draining, if !is_draining => {
                    // The documents say farewell themselves, if there are any.
                    is_draining = true;
                    timer.as_mut().reset(Instant::now() + CLOSE_TIMEOUT);
                }
            }
        }
    }

    /// Keeps a client from coming again at once: it is told, and what it says is not read.
    async fn hold(&mut self, port: &mut Port, sign_of_life: &Bytes) -> Result<(), End> {
        let documents = self.documents.clone();
        let mut draining = std::pin::pin!(documents.draining());
        let mut ending = std::pin::pin!(sleep(HELD));
        let mut ticks = interval(SIGN_OF_LIFE_AFTER);
        loop {
            tokio::select! {
                outgoing = port.next() => self.put_all(port, outgoing).await?,
                _ = ticks.tick() => within(self.socket.send(Message::Binary(sign_of_life.clone()))).await?,
                () = &mut ending => return Err(End::TooLarge),
                () = &mut draining => return Ok(()),
            }
        }
    }

    async fn take(&mut self, port: &mut Port, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard_at = Instant::now();
        self.is_pinged = false;
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                metrics::counter!("stoa_documents_messages_total", "direction" => "in").increment(1);
                Ok(port.handle(bytes).await?)
            }
            Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Err(error)) if is_too_large(&error) => Err(End::TooLarge),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    /// Writes a message and those behind it in one go.
    async fn put_all(&mut self, port: &mut Port, first: Outgoing) -> Result<(), End> {
        let (mut next, mut count) = (Some(first), 0);
        while let Some(outgoing) = next {
            self.put(outgoing).await?;
            count += 1;
            next = if count < MOST_AT_ONCE { port.try_next() } else { None };
        }
        within(self.socket.flush()).await?;
        for _ in 0..count {
            port.written();
        }
        metrics::counter!("stoa_documents_messages_total", "direction" => "out").increment(count);
        Ok(())
    }

    async fn put(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            Outgoing::Message(bytes) => {
                self.sent_at = Instant::now();
                within(self.socket.feed(Message::Binary(bytes))).await
            }
            // What calls this flushes.
            Outgoing::Flush => Ok(()),
            Outgoing::Close { code, reason } => Err(End::Close { code, reason }),
        }
    }

    /// When something is to be done although nothing happens.
    fn due(&self) -> Instant {
        let silence = if self.is_pinged { SILENCE } else { PING_AFTER };
        (self.heard_at + silence).min(self.sent_at + SIGN_OF_LIFE_AFTER).min(self.recheck_at)
    }

    async fn tend(&mut self, port: &mut Port) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.heard_at + SILENCE {
            return Err(End::Gone);
        }
        if now >= self.heard_at + PING_AFTER && !std::mem::replace(&mut self.is_pinged, true) {
            within(self.socket.send(Message::Ping(Bytes::new()))).await?;
        }
        if now >= self.recheck_at {
            self.recheck_at = now + RECHECK;
            port.recheck();
        }
        if port.is_following() {
            self.following_at = now;
        } else if now >= self.following_at + UNUSED {
            return Err(UNUSED_END);
        }
        if now >= self.sent_at + SIGN_OF_LIFE_AFTER {
            self.sent_at = now;
            if let Some(message) = port.sign_of_life() {
                within(self.socket.send(Message::Binary(message))).await?;
            }
        }
        Ok(())
    }

    /// Reads to the end, so that the close handshake completes and the last message is not lost to a reset.
    async fn finish(&mut self) {
        let _ = timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = self.socket.recv().await {} }).await;
    }
}

/// Writes, unless the client takes nothing for too long.
async fn within(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(SILENCE, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref::<tungstenite::Error>()),
        Some(tungstenite::Error::Capacity(_))
    )
}

const RESTARTING: End = End::Close { code: 1012, reason: Cow::Borrowed("the server restarts") };
const UNUSED_END: End = End::Close { code: 1013, reason: Cow::Borrowed("no document was opened") };

const TOO_LARGE: &str = "the message is too large";

/// Silence of the client after which it is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(30);
/// Silence after which it is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// Hocuspocus's provider reconnects after 30 seconds without a message.
const SIGN_OF_LIFE_AFTER: Duration = Duration::from_secs(15);
/// Tokens end.
const RECHECK: Duration = Duration::from_secs(30);
/// How long a socket may follow nothing.
const UNUSED: Duration = Duration::from_secs(60);
/// How long a client that must not come again is kept.
const HELD: Duration = Duration::from_secs(600);
/// How long a client may take over the close handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Messages that are written before the client is listened to again.
const MOST_AT_ONCE: u64 = 64;
