//! What the signaling socket is lent to: documents travel in its binary messages, the chat is kept elsewhere, and media goes through the SFU.
//! The parts that do it are joined to this one by whoever starts both.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use stoa_base_net::FrameWriter;
use stoa_base_types::ParticipantId;
use stoa_signaling_core::message::{ChatEntry, DocumentsGrant};
use stoa_signaling_core::{Bound, MediaReport, MediaRequest};
use tokio::sync::mpsc;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Follows documents on behalf of sockets.
pub trait Documents: Send + Sync + fmt::Debug {
    /// A socket has been bound to a session. `writer`: the way around the socket's task, where there is one.
    fn open(&self, bound: &Bound, writer: Option<FrameWriter>) -> Box<dyn DocumentSocket>;
}

/// The documents of one socket. Dropping it stops following them.
pub trait DocumentSocket: Send + Sync + fmt::Debug {
    /// Takes in a binary message. Waits while too much is being worked on; cancelling may lose the message.
    fn handle(&mut self, message: Bytes) -> BoxFuture<'_, Result<(), DocumentsEnd>>;

    /// Waits for what is to be written next; `None`: the client does not read, and the socket is to be closed. Cancelling loses none.
    fn next(&mut self) -> BoxFuture<'_, Option<DocumentMessage>>;

    /// The oldest that `next` gave and that was not reported yet has been written.
    fn written(&mut self);

    /// The participant's rights have changed.
    fn set_rights(&mut self, documents: DocumentsGrant);
}

/// What a socket is to write for its documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentMessage {
    /// A binary message.
    Message(Bytes),
    /// The rest of one that was begun past the socket's task: the socket is to be flushed.
    Flush,
}

/// The client broke the rules of the documents' protocol: the socket cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentsEnd;

/// Keeps the chats of rooms.
pub trait ChatLog: Send + Sync + fmt::Debug {
    /// Keeps a line; calls `done` with its place and its time (milliseconds since 1970) once it is on disk, or with why not.
    fn append(&self, line: ChatLine, done: Done<(u64, u64)>);

    /// Reads up to `limit` lines before `before` (absent: the newest) in order; and whether there are more before them.
    fn read(&self, room: String, before: Option<u64>, limit: u32, done: Done<(Vec<ChatEntry>, bool)>);
}

/// A line to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Of which room.
    pub room: String,
    /// Who wrote it.
    pub participant: ParticipantId,
    /// Their name.
    pub name: String,
    /// What.
    pub text: String,
}

/// Carries media by way of the server.
pub trait Media: Send + Sync + fmt::Debug {
    /// Says where reports go. Called once, before anything else.
    fn report_to(&self, reports: MediaReports);

    /// Carries requests out, in this order. Never waits.
    fn carry_out(&self, requests: Vec<MediaRequest>);
}

/// Takes reports of the SFU in.
#[derive(Debug, Clone)]
pub struct MediaReports(pub(crate) mpsc::Sender<MediaReport>);

impl MediaReports {
    /// Hands a report over, waiting while too many are not looked at yet. False: nobody is interested any more. Not to be called by the
    /// runtime's threads.
    #[must_use]
    pub fn tell(&self, report: MediaReport) -> bool {
        self.0.blocking_send(report).is_ok()
    }
}

/// Called once, from any thread.
pub type Done<T> = Box<dyn FnOnce(Result<T, String>) + Send>;
