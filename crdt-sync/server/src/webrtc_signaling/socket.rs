//! One y-webrtc socket: reads, answers, writes, and ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use stoa_base_types::DocName;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;
use tracing::debug;

use super::mailbox::{Mailbox, Overflow};
use super::message::{BAD_TOPIC, BadMessage, ClientMessage, PONG, Publication, Topics, error};
use super::rate::Bucket;
use super::topics::SocketId;
use super::{Exchange, Settings};
use crate::access::DeniedKind;

/// One socket from its opening to its end.
pub(super) struct Socket {
    exchange: Arc<Exchange>,
    id: SocketId,
    mailbox: Mailbox,
    token: Option<String>,
    bucket: Bucket,
    /// Until then nothing is read: the client says too much.
    paused_until: Option<Instant>,
    bad_messages: u32,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed, or the transport broke.
    Gone,
    /// Nothing was heard, not even the answer to a ping.
    Silent,
    /// The client does not read what it is sent.
    Deaf,
    /// A message is too large.
    TooLarge,
    /// Too much of what the client says makes no sense.
    Nonsense,
    /// The server ends; the client comes again.
    Restarting,
}

impl End {
    const fn close_frame(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone | Self::Silent => None,
            Self::Deaf => Some((1008, "reads too slowly")),
            Self::TooLarge => Some((1009, "a message has at most 64 KiB")),
            Self::Nonsense => Some((1007, "too many messages that make no sense")),
            Self::Restarting => Some((1012, "the server restarts")),
        }
    }

    /// Whether the client shall come back late.
    const fn is_penalized(self) -> bool {
        !matches!(self, Self::Restarting)
    }
}

impl Socket {
    pub(super) fn new(exchange: Arc<Exchange>, token: Option<String>) -> Self {
        let mailbox = Mailbox::default();
        let id = exchange.open(&mailbox);
        let bucket = Bucket::new(Instant::now().into_std());
        Self { exchange, id, mailbox, token, bucket, paused_until: None, bad_messages: 0 }
    }

    /// Runs the socket to its end.
    pub(super) async fn run(mut self, mut socket: WebSocket) {
        let end = self.converse(&mut socket).await;
        debug!(id = self.id.0, ?end, "y-webrtc socket ends");
        // Others must not wait for the rest.
        self.exchange.close(self.id);
        let Some((code, reason)) = end.close_frame() else { return };
        // The stock client opens the next socket as soon as this one is closed.
        if end.is_penalized() {
            sleep(self.exchange.settings.penalty).await;
        }
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        let Settings { idle, recheck, .. } = self.exchange.settings;
        let mut silent_at = Instant::now() + idle;
        let mut check_at = Instant::now() + recheck;
        let mut is_pinged = false;
        let exchange = Arc::clone(&self.exchange);
        let mut draining = std::pin::pin!(exchange.draining());
        loop {
            let pause = self.paused_until;
            let step = tokio::select! {
                message = socket.recv(), if pause.is_none() => {
                    (silent_at, is_pinged) = (Instant::now() + idle, false);
                    self.take(message)
                }
                () = wait_until(pause) => {
                    self.paused_until = None;
                    Ok(())
                }
                text = self.mailbox.next() => match text {
                    Ok(text) => self.write(socket, Message::Text(text)).await,
                    Err(Overflow) => Err(End::Deaf),
                },
                () = sleep_until(silent_at) => {
                    silent_at = Instant::now() + idle;
                    match std::mem::replace(&mut is_pinged, true) {
                        true => Err(End::Silent),
                        false => self.write(socket, Message::Ping(Bytes::new())).await,
                    }
                }
                () = &mut draining => Err(End::Restarting),
                () = sleep_until(check_at) => {
                    check_at = Instant::now() + recheck;
                    self.check_rights();
                    Ok(())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match message {
            Some(Ok(Message::Text(text))) => self.take_text(text.as_str()),
            // What the package's own server reads, too.
            Some(Ok(Message::Binary(bytes))) => self.take_text(std::str::from_utf8(&bytes).unwrap_or_default()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Err(error)) if is_too_large(&error) => Err(End::TooLarge),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    fn take_text(&mut self, text: &str) -> Result<(), End> {
        metrics::counter!("stoa_y_webrtc_messages_total", "direction" => "in").increment(1);
        let tokens = 1 + u32::try_from(text.len() / BYTES_PER_TOKEN).unwrap_or(u32::MAX);
        let Settings { rate, burst, .. } = self.exchange.settings;
        self.paused_until = self.bucket.take(tokens, rate, burst, Instant::now().into_std()).map(Instant::from_std);
        match ClientMessage::parse(text, MOST_TOPICS) {
            Ok(ClientMessage::Subscribe(topics)) => self.subscribe(&topics),
            Ok(ClientMessage::Unsubscribe(topics)) => {
                self.exchange
                    .with(|state| topics.names.iter().for_each(|topic| state.topics.unsubscribe(self.id, topic)));
            }
            Ok(ClientMessage::Publish(publication)) => self.publish(&publication),
            Ok(ClientMessage::Ping) => self.answer(Utf8Bytes::from_static(PONG)),
            Ok(ClientMessage::Unknown) => {}
            Err(BadMessage(why)) => {
                self.bad_messages += 1;
                if self.bad_messages > MOST_BAD_MESSAGES {
                    return Err(End::Nonsense);
                }
                self.refuse("bad_message", None, why);
            }
        }
        Ok(())
    }

    fn subscribe(&self, topics: &Topics) {
        if topics.others {
            self.refuse("bad_topics", None, &format!("{BAD_TOPIC}; of one message {MOST_TOPICS} are read"));
        }
        for topic in topics.names.iter().filter(|topic| self.may_read(topic)) {
            if let Err(full) = self.exchange.with(|state| state.topics.subscribe(self.id, topic)) {
                self.refuse("too_many", Some(topic), full.why());
            }
        }
    }

    /// Asks for the right to a topic, and tells the client when there is none.
    fn may_read(&self, topic: &DocName) -> bool {
        let Err(denied) = (self.exchange.authorize)(self.token.as_deref(), topic) else { return true };
        let code = match denied.kind {
            DeniedKind::NotAuthenticated => "not_authenticated",
            DeniedKind::Forbidden => "forbidden",
        };
        self.refuse(code, Some(topic), &denied.why);
        false
    }

    /// Tokens end, and rights change.
    fn check_rights(&self) {
        for topic in self.exchange.with(|state| state.topics.of(self.id)) {
            if !self.may_read(&topic) {
                self.exchange.with(|state| state.topics.unsubscribe(self.id, &topic));
            }
        }
    }

    fn publish(&self, publication: &Publication<'_>) {
        let published = self.exchange.with(|state| {
            let recipients = state.topics.publish(self.id, publication)?;
            let mailboxes = recipients.sockets.iter().filter_map(|socket| state.mailboxes.get(socket).cloned());
            Some((mailboxes.collect::<Vec<_>>(), recipients.subscribers))
        });
        let Some((mailboxes, subscribers)) = published else {
            // What the client encrypts in the background may well come after its farewell.
            return self.refuse("not_subscribed", Some(&publication.topic), "subscribe to the topic first");
        };
        let text = Utf8Bytes::from(publication.text(subscribers));
        let written = u64::try_from(mailboxes.len()).unwrap_or(u64::MAX);
        metrics::counter!("stoa_y_webrtc_messages_total", "direction" => "out").increment(written);
        for mailbox in mailboxes {
            mailbox.push(text.clone());
        }
    }

    /// Writes, unless the client takes too long or too much else waits for it meanwhile.
    async fn write(&self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        tokio::select! {
            biased;
            written = timeout(self.exchange.settings.write_patience, socket.send(message)) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(End::Deaf),
            },
            Overflow = self.mailbox.overflow() => Err(End::Deaf),
        }
    }

    fn refuse(&self, code: &str, topic: Option<&DocName>, why: &str) {
        self.answer(error(code, topic, why).into());
    }

    fn answer(&self, text: Utf8Bytes) {
        self.mailbox.push(text);
    }
}

impl Drop for Socket {
    /// However it ends.
    fn drop(&mut self) {
        self.exchange.close(self.id);
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref::<tungstenite::Error>()),
        Some(tungstenite::Error::Capacity(_))
    )
}

/// Topics that are read of one message; a socket has no more.
const MOST_TOPICS: usize = 64;
const BYTES_PER_TOKEN: usize = 1024;
const MOST_BAD_MESSAGES: u32 = 64;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
