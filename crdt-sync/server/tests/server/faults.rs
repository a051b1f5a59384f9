//! A store whose disk fails on command.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use stoa_crdt_sync_store::{
    ChatEntry, ChatPage, DocInfo, ReadStore, Report, Size, SqliteStore, Store, StoreError, Stored, VersionInfo, Write,
};

type DocName = stoa_base_types::DocName;
type Bytes = bytes::Bytes;

/// What the disk does; shared with the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    fails: AtomicBool,
    /// Commits wait as long as this is set.
    stalled: Mutex<bool>,
    changed: Condvar,
}

impl Disk {
    pub(crate) fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn stall(&self, stalled: bool) {
        *self.0.stalled.lock().unwrap() = stalled;
        self.0.changed.notify_all();
    }

    fn pass(&self) -> Result<(), StoreError> {
        let mut stalled = self.0.stalled.lock().unwrap();
        while *stalled {
            stalled = self.0.changed.wait(stalled).unwrap();
        }
        if self.0.fails.load(Ordering::SeqCst) { Err(StoreError::Disk("no space left".to_owned())) } else { Ok(()) }
    }
}

/// SQLite on such a disk. Reading always works.
pub(crate) struct Faulty {
    store: SqliteStore,
    disk: Disk,
}

impl Faulty {
    pub(crate) fn open(dir: &Path) -> (Box<dyn Store>, Disk) {
        let disk = Disk::default();
        (Box::new(Self { store: SqliteStore::open(dir).unwrap(), disk: disk.clone() }), disk)
    }
}

impl ReadStore for Faulty {
    fn load(&mut self, doc: &DocName) -> Result<Option<Stored>, StoreError> {
        self.store.load(doc)
    }

    fn list(&mut self, after: Option<&str>, limit: usize, prefix: &str) -> Result<Vec<DocInfo>, StoreError> {
        self.store.list(after, limit, prefix)
    }

    fn versions(&mut self, doc: &DocName, before: Option<u64>, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.store.versions(doc, before, limit)
    }

    fn version(&mut self, doc: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
        self.store.version(doc, id)
    }

    fn chat(&mut self, room: &DocName, page: ChatPage, limit: usize) -> Result<Vec<ChatEntry>, StoreError> {
        self.store.chat(room, page, limit)
    }

    fn size(&mut self) -> Result<Size, StoreError> {
        self.store.size()
    }

    fn verify(&mut self) -> Result<Report, StoreError> {
        self.store.verify()
    }

    fn backup(&mut self, to: &Path) -> Result<(), StoreError> {
        self.store.backup(to)
    }
}

impl Store for Faulty {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.disk.pass()?;
        self.store.commit(writes)
    }

    fn reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        self.store.reader()
    }

    fn tend(&mut self, is_idle: bool) -> Option<Duration> {
        self.store.tend(is_idle)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Box::new(self.store).close()
    }
}
