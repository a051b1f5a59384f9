use bytes::Bytes;
use stoa_base_types::Epoch;

use crate::write::Kind;

/// All that is kept of a document but its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The document's epoch.
    pub epoch: Epoch,
    /// The newest generation, 0 before the first snapshot. The next snapshot takes a higher one.
    pub generation: u64,
    /// The compacted state.
    pub snapshot: Option<Snapshot>,
    /// What came after it, in order.
    pub tail: Vec<LogEntry>,
    /// Who wrote in earlier epochs; in order, each once.
    pub former_authors: Vec<u64>,
    /// Set if the newest snapshot is damaged and the document was put together from an older generation, without loss. It says
    /// what is damaged. A new snapshot mends it.
    pub recovered: Option<String>,
}

/// A compacted state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation that it was written as; below [`Stored::generation`] if an older one had to be used.
    pub generation: u64,
    /// The newest log entry that it contains.
    pub through: u64,
    /// The state as one update.
    pub body: Bytes,
    /// Its state vector.
    pub vector: Bytes,
    /// Its delete set.
    pub deletes: Bytes,
}

/// One update in a document's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the document's log.
    pub seq: u64,
    /// What the bytes are.
    pub kind: Kind,
    /// The update.
    pub body: Bytes,
}

/// A line of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocInfo {
    /// The document's name.
    pub name: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its newest log entry, 0 if it has none.
    pub seq: u64,
    /// Snapshot and log in bytes, without older generations and versions.
    pub bytes: u64,
    /// When its epoch began, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last written to, in milliseconds since 1970.
    pub updated_ms: u64,
}

/// A version, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its id within the document.
    pub id: u64,
    /// What a person called it.
    pub name: Option<String>,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Whether nobody asked for it.
    pub automatic: bool,
    /// Who asked for it.
    pub author: Option<String>,
    /// The length of its body.
    pub bytes: u64,
}

/// A message of a room's chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatEntry {
    /// Its place in the room.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The id of who said it.
    pub author: String,
    /// The name of who said it.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// Which part of a room's chat; always handed out in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatPage {
    /// The newest messages.
    Newest,
    /// The newest before a message.
    Before(u64),
    /// The oldest after a message.
    After(u64),
}

/// How large the store is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// In use, all generations, versions and chat included.
    pub used: u64,
    /// The file; what is free in it is used again.
    pub file: u64,
}

/// What a thorough check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Documents that were read.
    pub documents: u64,
    /// What is wrong, at most [`Report::MOST_PROBLEMS`] of it.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Longer lists help nobody.
    pub const MOST_PROBLEMS: usize = 1000;
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The document or room that it hurts; absent for the file as a whole.
    pub doc: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// All that can still be read of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What was read.
    pub stored: Stored,
    /// What is missing from it because it is damaged; empty for a sound document.
    pub losses: Vec<String>,
}
