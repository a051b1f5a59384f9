mod backup;
mod catalogue;
mod change;
mod chat;
mod checkpoint;
mod connection;
mod folder;
mod load;
mod mover;
mod number;
mod pack;
mod piece;
mod reader;
mod schema;
mod scrub;
mod source;
mod verify;
mod version;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior, wal::CheckpointMode};
use stoa_base_types::DocName;

pub use reader::SqliteReader;

use crate::error::StoreError;
use crate::sqlite::change::{Change, Counters, Outcome};
use crate::sqlite::checkpoint::Checkpointer;
use crate::sqlite::folder::Folder;
use crate::sqlite::mover::Mover;
use crate::sqlite::source::{Check, Source};
use crate::store::{ReadStore, Store};
use crate::stored::{ChatEntry, ChatPage, DocInfo, Report, Size, Stored, VersionInfo};
use crate::tails::SharedTails;
use crate::write::Write;

/// How [`SqliteStore`] goes about its work.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Whether the structure of the file is checked before it is used. It reads the whole file.
    pub check: bool,
    /// Pages of 4 KiB in the write-ahead log after which they are moved to their places.
    pub checkpoint_pages: u32,
    /// Milliseconds since 1970.
    pub clock: fn() -> u64,
    /// Whether a commit is on disk before it counts. Only tests say no, to see that they would notice.
    pub waits_for_disk: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { check: true, checkpoint_pages: 1000, clock: wall_ms, waits_for_disk: true }
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: entries are dated by the system's clock")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Documents in one SQLite file, `stoa.db`, in a folder that no other process serves.
#[derive(Debug)]
pub struct SqliteStore {
    /// Absent while it cannot be opened again.
    conn: Option<Connection>,
    checkpointer: Option<Checkpointer>,
    mover: Mover,
    tails: SharedTails,
    counters: Counters,
    /// Length of the write-ahead log after the newest commit.
    wal_pages: Arc<AtomicU32>,
    checkpoints: Checkpoints,
    scrubbing: Scrubbing,
    doubt: Option<Doubt>,
    /// Attempts to commit that failed in a row.
    failures: u32,
    options: SqliteOptions,
    /// Last, so that the lock is given up after everything is closed.
    folder: Folder,
}

/// A commit that failed, but may have reached the disk.
#[derive(Debug)]
struct Doubt {
    last_row: i64,
    writes: Vec<Write>,
}

/// Lengths of the write-ahead log at which something was last done about it.
#[derive(Debug, Default)]
struct Checkpoints {
    ordered_at: u32,
    forced_at: u32,
}

/// How far the traces of erased documents are overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scrubbing {
    Done,
    /// The tables wait to be written anew; `u32` counts for how many commits.
    Ordered(u32),
    /// The write-ahead log waits to be cut.
    Cut,
}

impl SqliteStore {
    /// Opens the store in a folder, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`], [`StoreError::NewerSchema`], [`StoreError::Damaged`], or a disk that does not obey.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, SqliteOptions::default())
    }

    /// As [`SqliteStore::open`].
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub fn open_with(dir: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let folder = Folder::take(dir)?;
        let wal_pages = Arc::<AtomicU32>::default();
        let conn = connect(&folder, &wal_pages, options)?;
        if options.check {
            verify::sound(&conn)?;
        }
        let mover = Mover::new(&folder.file);
        if let Err(error) = mover.checkpoint(&conn, CheckpointMode::TRUNCATE) {
            tracing::warn!(%error, "the write-ahead log could not be moved at the start");
        }
        let (tails, counters) = source::scan(&conn, if options.check { Check::Checksums } else { Check::Nothing })?;
        tracing::debug!(documents = tails.len(), "documents that have a log");
        let scrubbing = if scrub::is_ordered(&conn)? { Scrubbing::Ordered(0) } else { Scrubbing::Done };
        let checkpointer = Checkpointer::start(&folder.file, mover.clone())?;
        let shared = SharedTails::default();
        *shared.lock() = tails;
        Ok(Self {
            conn: Some(conn),
            checkpointer: Some(checkpointer),
            mover,
            tails: shared,
            counters,
            wal_pages,
            checkpoints: Checkpoints::default(),
            scrubbing,
            doubt: None,
            failures: 0,
            options,
            folder,
        })
    }

    /// A reader of the same store for another thread.
    #[must_use]
    pub fn sqlite_reader(&self) -> SqliteReader {
        SqliteReader::within(self.folder.file.clone(), Source::Shared(self.tails.clone()))
    }

    fn conn(&self) -> Result<&Connection, StoreError> {
        self.conn.as_ref().ok_or_else(|| StoreError::Disk("the database could not be opened again".into()))
    }

    fn source(&self) -> Source {
        Source::Shared(self.tails.clone())
    }

    fn try_commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if self.conn.is_none() || self.failures > 0 && self.failures.is_multiple_of(REOPEN_AFTER) {
            self.reopen()?;
        }
        if self.came_through(writes)? {
            return Ok(());
        }
        let conn = self.conn()?;
        let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        let mut change = Change::new(&tx, &self.tails, self.counters, (self.options.clock)());
        for write in writes {
            change.apply(write)?;
        }
        let Outcome { counters, tails, erases } = change.finish()?;
        if let Err(error) = tx.commit() {
            self.doubt = Some(Doubt { last_row: counters.next_row - 1, writes: writes.to_vec() });
            return Err(error.into());
        }
        self.counters = counters;
        let mut shared = self.tails.lock();
        for (name, change) in tails {
            shared.change(&name, change);
        }
        drop(shared);
        if erases {
            self.scrubbing = Scrubbing::Ordered(0);
        }
        Ok(())
    }

    /// Whether these writes were committed by the attempt before, although it reported an error.
    fn came_through(&mut self, writes: &[Write]) -> Result<bool, StoreError> {
        let Some(doubt) = &self.doubt else { return Ok(false) };
        let conn = self.conn()?;
        let came_through = source::newest_row(conn)? >= doubt.last_row;
        let is_same = doubt.writes == writes;
        if came_through {
            let (tails, counters) = source::scan(conn, Check::Nothing)?;
            *self.tails.lock() = tails;
            self.counters = counters;
        }
        self.doubt = None;
        Ok(came_through && is_same)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let (conn, folder, wal_pages, options) = (&mut self.conn, &self.folder, &self.wal_pages, self.options);
        self.mover.reopening(|| {
            *conn = None;
            *conn = Some(connect(folder, wal_pages, options)?);
            Ok(())
        })
    }

    /// Moves what the thread in the background did not get to, because this one kept writing: then the log can start over.
    fn force_checkpoint(&self) {
        if let Err(error) = self.conn().and_then(|conn| self.mover.checkpoint(conn, CheckpointMode::PASSIVE)) {
            tracing::warn!(%error, "the write-ahead log could not be moved");
        }
    }

    fn tend_checkpoints(&mut self) {
        let (pages, step) = (self.wal_pages.load(Ordering::Relaxed), self.options.checkpoint_pages.max(1));
        if pages < self.checkpoints.ordered_at {
            self.checkpoints = Checkpoints::default();
        }
        if pages >= self.checkpoints.forced_at.saturating_add(step.saturating_mul(FORCE_FACTOR)) {
            self.checkpoints.forced_at = pages;
            self.force_checkpoint();
        } else if pages >= self.checkpoints.ordered_at.saturating_add(step) {
            self.checkpoints.ordered_at = pages;
            if let Some(checkpointer) = &self.checkpointer {
                checkpointer.order();
            }
        }
    }

    fn tend_scrubbing(&mut self, is_idle: bool) -> Option<Duration> {
        if let Scrubbing::Ordered(postponed) = self.scrubbing {
            if !is_idle && postponed < MOST_POSTPONED {
                self.scrubbing = Scrubbing::Ordered(postponed + 1);
                return Some(SCRUB_PAUSE);
            }
            if let Err(error) = self.conn().and_then(scrub::scrub) {
                tracing::warn!(%error, "traces of an erased document could not be overwritten yet");
                return Some(SCRUB_RETRY);
            }
            self.scrubbing = Scrubbing::Cut;
        }
        if self.scrubbing == Scrubbing::Cut {
            match self.conn().and_then(|conn| cut_wal(conn, &self.mover)) {
                Ok(()) => self.scrubbing = Scrubbing::Done,
                // Somebody reads.
                Err(_) => return Some(SCRUB_PAUSE),
            }
        }
        None
    }
}

impl ReadStore for SqliteStore {
    fn load(&mut self, doc: &DocName) -> Result<Option<Stored>, StoreError> {
        reader::load_whole(self.conn()?, &self.source(), doc)
    }

    fn list(&mut self, after: Option<&str>, limit: usize, prefix: &str) -> Result<Vec<DocInfo>, StoreError> {
        reader::list(self.conn()?, &self.source(), after, limit, prefix)
    }

    fn versions(&mut self, doc: &DocName, before: Option<u64>, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        version::list(self.conn()?, doc, before, limit)
    }

    fn version(&mut self, doc: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
        version::read(self.conn()?, doc, id)
    }

    fn chat(&mut self, room: &DocName, page: ChatPage, limit: usize) -> Result<Vec<ChatEntry>, StoreError> {
        chat::page(self.conn()?, room, page, limit)
    }

    fn size(&mut self) -> Result<Size, StoreError> {
        catalogue::size(self.conn()?)
    }

    fn verify(&mut self) -> Result<Report, StoreError> {
        verify::verify(self.conn()?)
    }

    fn backup(&mut self, to: &Path) -> Result<(), StoreError> {
        backup::backup(self.conn()?, to)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let result = self.try_commit(writes);
        match &result {
            Ok(()) => self.failures = 0,
            Err(error) if error.is_final() => {}
            Err(_) => self.failures = self.failures.saturating_add(1),
        }
        result
    }

    fn reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        Ok(Box::new(self.sqlite_reader()))
    }

    fn tend(&mut self, is_idle: bool) -> Option<Duration> {
        self.tend_checkpoints();
        self.tend_scrubbing(is_idle)
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.tend_scrubbing(true);
        self.checkpointer = None;
        let conn = self.conn.take().ok_or(StoreError::Stopped)?;
        let moved = cut_wal(&conn, &self.mover);
        if moved.is_ok() {
            // SQLite removes the log, which is empty.
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        }
        conn.close().map_err(|(_, error)| StoreError::from(error))?;
        moved
    }
}

fn connect(folder: &Folder, wal_pages: &Arc<AtomicU32>, options: SqliteOptions) -> Result<Connection, StoreError> {
    folder.settle_wal()?;
    let mut conn = connection::open_writer(&folder.file)?;
    if !options.waits_for_disk {
        conn.pragma_update(None, "synchronous", "OFF")?;
    }
    // SQLite makes the name of a new log durable, but does not mind if that fails.
    folder.sync()?;
    let wal_pages = Arc::clone(wal_pages);
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        wal_pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(conn)
}

/// Moves all of the write-ahead log and cuts it to nothing; does not wait for readers.
fn cut_wal(conn: &Connection, mover: &Mover) -> Result<(), StoreError> {
    conn.busy_timeout(Duration::ZERO)?;
    let result = mover.checkpoint(conn, CheckpointMode::TRUNCATE);
    conn.busy_timeout(connection::BUSY_TIMEOUT)?;
    result
}

/// Failed commits after which the connection is opened anew: one whose file went away never recovers, while every other
/// mends itself and is best left alone.
const REOPEN_AFTER: u32 = 4;

/// How much longer than usual the write-ahead log may become before the writer itself moves the rest of it.
const FORCE_FACTOR: u32 = 4;

/// Commits after which traces are overwritten although there was no quiet moment.
const MOST_POSTPONED: u32 = 200;

const SCRUB_PAUSE: Duration = Duration::from_millis(100);
const SCRUB_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use stoa_base_types::Epoch;

    use super::*;
    use crate::tails::Tails;
    use crate::write::Kind;

    fn append(seq: u64) -> Write {
        let doc = DocName::new("plan").unwrap();
        Write::Append { doc, epoch: Epoch::FIRST, seq, kind: Kind::Plain, body: Bytes::from_static(b"body") }
    }

    /// The commit of `writes` reaches the disk, and all that the store hears of it is an error.
    fn fail_after_commit(store: &mut SqliteStore, writes: &[Write]) {
        let counters = store.counters;
        store.commit(writes).unwrap();
        store.doubt = Some(Doubt { last_row: store.counters.next_row - 1, writes: writes.to_vec() });
        (store.counters, *store.tails.lock()) = (counters, Tails::default());
    }

    fn seqs(store: &mut SqliteStore) -> Vec<u64> {
        let stored = store.load(&DocName::new("plan").unwrap()).unwrap().unwrap();
        stored.tail.iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn a_commit_that_came_through_after_all_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).unwrap();
        fail_after_commit(&mut store, &[append(1), append(2)]);
        store.commit(&[append(1), append(2)]).unwrap();
        assert_eq!(seqs(&mut store), [1, 2]);
        store.commit(&[append(3)]).unwrap();
        assert_eq!(seqs(&mut store), [1, 2, 3]);
    }

    #[test]
    fn other_writes_than_the_doubtful_ones_are_carried_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).unwrap();
        fail_after_commit(&mut store, &[append(1)]);
        store.commit(&[append(2)]).unwrap();
        assert_eq!(seqs(&mut store), [1, 2]);
    }

    #[test]
    fn a_commit_that_did_not_come_through_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).unwrap();
        store.commit(&[append(1)]).unwrap();
        // One row further than the table is.
        store.doubt = Some(Doubt { last_row: store.counters.next_row, writes: vec![append(2)] });
        store.commit(&[append(2)]).unwrap();
        assert_eq!(seqs(&mut store), [1, 2]);
    }
}
