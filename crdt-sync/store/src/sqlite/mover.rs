use std::fs::{self, File};
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, DEFAULT_NAME};

use crate::error::StoreError;

/// Moves committed pages from the write-ahead log to their places, from whichever thread, one at a time.
///
/// SQLite remembers how many pages of the log were moved, and syncs the database only when all were. If that sync fails, the
/// kernel may have dropped pages that were moved earlier, in part; SQLite would move only the rest again, take the next sync for
/// a success, and start the log over, which was their only copy. After a failure everything is therefore moved once more.
#[derive(Debug, Clone)]
pub(crate) struct Mover(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The last checkpoint failed.
    is_suspect: bool,
    /// The writer has no connection.
    is_closed: bool,
    wal_index: PathBuf,
    /// Kept open once it was: closing a descriptor of the file gives up SQLite's locks on it.
    opened: Option<File>,
}

impl Mover {
    pub(crate) fn new(file: &Path) -> Self {
        let wal_index = file.with_extension("db-shm");
        Self(Arc::new(Mutex::new(State { is_suspect: false, is_closed: false, wal_index, opened: None })))
    }

    /// # Errors
    ///
    /// When the disk does not obey, or, but for [`CheckpointMode::PASSIVE`], a reader is in the way.
    pub(crate) fn checkpoint(&self, conn: &Connection, mode: CheckpointMode) -> Result<(), StoreError> {
        self.lock().checkpoint(conn, mode)
    }

    /// A passive checkpoint on a connection of the caller's own, which is opened if need be. Does nothing while the writer has
    /// no connection.
    ///
    /// The first connection to be opened takes what it finds in the log for committed. After a failed sync the disk may lack
    /// that, so only the writer, which makes the log durable before, may be the first.
    ///
    /// # Errors
    ///
    /// As [`Mover::checkpoint`].
    pub(crate) fn checkpoint_beside(
        &self,
        kept: &mut Option<Connection>,
        open: impl FnOnce() -> Result<Connection, StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.is_closed {
            return Ok(());
        }
        let conn = match kept {
            Some(conn) => conn,
            None => kept.insert(open()?),
        };
        state.checkpoint(conn, CheckpointMode::PASSIVE)
    }

    /// Runs what closes the writer's connection and opens it again.
    ///
    /// # Errors
    ///
    /// Those of `reopen`; the writer has no connection then.
    pub(crate) fn reopening(&self, reopen: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.is_closed = true;
        reopen()?;
        state.is_closed = false;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn checkpoint(&mut self, conn: &Connection, mode: CheckpointMode) -> Result<(), StoreError> {
        self.mend()?;
        let result = conn.wal_checkpoint_v2(DEFAULT_NAME, mode);
        if result.as_ref().is_err_and(|error| !is_busy(error)) {
            self.is_suspect = true;
            // At once: the wal-index outlives this process while another one reads.
            self.mend()?;
        }
        Ok(result.map(drop)?)
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.is_suspect {
            self.forget_progress()?;
            self.is_suspect = false;
        }
        Ok(())
    }

    /// Sets the number of pages that were moved to 0, as SQLite itself does when it recovers a log
    /// ([WAL-index format](https://www.sqlite.org/walformat.html#the_wal_index_header), `nBackfill`).
    fn forget_progress(&mut self) -> io::Result<()> {
        let wal_index = self.opened()?;
        let mut version = [0; 4];
        wal_index.read_exact_at(&mut version, 0)?;
        if u32::from_ne_bytes(version) != WAL_INDEX_VERSION {
            return Err(io::Error::other("the wal-index has a format that is not known"));
        }
        wal_index.write_all_at(&0u32.to_ne_bytes(), BACKFILL_AT)
    }

    /// The wal-index, which is another file after all connections were closed.
    fn opened(&mut self) -> io::Result<&File> {
        let present = fs::metadata(&self.wal_index)?.ino();
        let kept = match self.opened.take() {
            Some(kept) if kept.metadata()?.ino() == present => kept,
            _ => File::options().read(true).write(true).open(&self.wal_index)?,
        };
        Ok(self.opened.insert(kept))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Left open for good: readers of this process may outlive the store, and their locks would be given up.
        if let Some(wal_index) = self.opened.take() {
            let _ = wal_index.into_raw_fd();
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

const WAL_INDEX_VERSION: u32 = 3_007_000;

/// Behind the two copies of the header.
const BACKFILL_AT: u64 = 96;
