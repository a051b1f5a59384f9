//! What the signaling socket is lent to: documents travel in its binary messages, and the chat is kept elsewhere. The parts that do
//! it are joined to this one by whoever starts both.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use stoa_base_net::FrameWriter;
use stoa_base_types::ParticipantId;
use stoa_signaling_core::Bound;
use stoa_signaling_core::message::{ChatEntry, DocumentsGrant};

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

/// Called once, from any thread.
pub type Done<T> = Box<dyn FnOnce(Result<T, String>) + Send>;
