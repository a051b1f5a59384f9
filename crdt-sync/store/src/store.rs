use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::DocName;

use crate::error::StoreError;
use crate::stored::{ChatEntry, ChatPage, DocInfo, Report, Size, Stored, VersionInfo};
use crate::write::Write;

/// What can be read. A reader sees everything that was committed before it was asked.
pub trait ReadStore: Send {
    /// All of a document; none if it was never written to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a part is damaged and no older generation makes up for it.
    fn load(&mut self, doc: &DocName) -> Result<Option<Stored>, StoreError>;

    /// Documents whose names begin with `prefix`, in the order of their names' bytes: the first `limit` after the name `after`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn list(&mut self, after: Option<&str>, limit: usize, prefix: &str) -> Result<Vec<DocInfo>, StoreError>;

    /// A document's versions, newest first: the first `limit` with an id below `before`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn versions(&mut self, doc: &DocName, before: Option<u64>, limit: usize) -> Result<Vec<VersionInfo>, StoreError>;

    /// One version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if its body is damaged.
    fn version(&mut self, doc: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError>;

    /// At most `limit` messages of a room's chat, oldest first. Damaged ones are left out.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn chat(&mut self, room: &DocName, page: ChatPage, limit: usize) -> Result<Vec<ChatEntry>, StoreError>;

    /// How large everything is. Cheap.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn size(&mut self) -> Result<Size, StoreError>;

    /// Reads and checks everything. Takes long; the store serves meanwhile.
    ///
    /// # Errors
    ///
    /// When the store cannot be read at all; what is damaged in it is in the report.
    fn verify(&mut self) -> Result<Report, StoreError>;

    /// Writes a copy of everything that is committed to a new file. The store serves meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the file exists.
    fn backup(&mut self, to: &Path) -> Result<(), StoreError>;
}

/// Where documents are kept: the seam behind which another kind of storage may stand.
pub trait Store: ReadStore {
    /// Makes all writes durable, in one transaction: all or none.
    ///
    /// After an error that is not [final](StoreError::is_final) the same writes may be given again: the store finds out whether
    /// the first attempt came through after all.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if a write does not fit, [`StoreError::Damaged`] if it touches what is damaged, and others if the
    /// disk does not obey.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Another way to read, for another thread.
    ///
    /// # Errors
    ///
    /// When the store cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn ReadStore>, StoreError>;

    /// Housekeeping: called after each commit, and when the returned time has passed without one. `is_idle`: nothing waits to
    /// be committed.
    fn tend(&mut self, is_idle: bool) -> Option<Duration>;

    /// Puts everything in its final place.
    ///
    /// # Errors
    ///
    /// When the disk does not obey; nothing that was committed is lost by that.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}
