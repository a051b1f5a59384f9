//! Where documents are kept: the seam, SQLite behind it, and the thread that writes.
//!
//! ```text
//!  document workers ── Batch ──► Writer (one thread) ── commit ──► Store (SqliteStore)
//!                   ◄── done ──                                       │
//!  REST, workers    ────────────────── Reader ──────────────────► ReadStore
//! ```
//!
//! Everything that waits is committed in one transaction, and `done` is called when that is on disk:
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! use stoa_base_types::{DocName, Epoch};
//! use stoa_crdt_sync_store::{
//!     Batch, Kind, Reader, SqliteStore, StorageState, StoreError, Write, Writer, WriterOptions,
//! };
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let dir = dir.path();
//! let store = SqliteStore::open(dir)?;
//! let reader = Reader::new(&store, 2)?;
//! let observer = |state: &StorageState| println!("{state:?}");
//! let writer = Writer::start(Box::new(store), WriterOptions::default(), Box::new(observer))?;
//!
//! let doc = DocName::new("agora").unwrap();
//! let body = b"an update"[..].into();
//! let append = Write::Append { doc: doc.clone(), epoch: Epoch::FIRST, seq: 1, kind: Kind::Plain, body };
//! let (done, answer) = mpsc::channel();
//! writer.handle().submit(Batch::new(vec![append], move |result| done.send(result).unwrap())).unwrap();
//! answer.recv().unwrap()?;
//! assert_eq!(reader.load(&doc)?.unwrap().tail.len(), 1);
//! writer.stop(Duration::from_secs(10));
//! # Ok::<(), StoreError>(())
//! ```
#![forbid(unsafe_code)]

mod crc;
mod error;
mod reader;
mod sqlite;
mod store;
mod stored;
mod tails;
mod write;
mod writer;

pub use error::StoreError;
pub use reader::Reader;
pub use sqlite::{SqliteOptions, SqliteReader, SqliteStore};
pub use store::{ReadStore, Store};
pub use stored::{
    ChatEntry, ChatPage, DocInfo, Export, LogEntry, Problem, Report, Size, Snapshot, Stored, VersionInfo,
};
pub use write::{Kind, Write};
pub use writer::{
    Batch, Committed, Haste, Observer, Rejected, StorageState, Writer, WriterHandle, WriterOptions, WriterStats,
};
