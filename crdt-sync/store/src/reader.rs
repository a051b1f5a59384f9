use std::fmt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use stoa_base_types::DocName;

use crate::error::StoreError;
use crate::store::{ReadStore, Store};
use crate::stored::{ChatEntry, ChatPage, DocInfo, Report, Size, Stored, VersionInfo};

/// A few connections that many threads share. Each question is answered on the thread that asks; when all connections are
/// taken, it waits for one. A backup or a check takes one for long, so have at least two.
#[derive(Clone)]
pub struct Reader(Arc<Pool>);

struct Pool {
    free: Mutex<Vec<Box<dyn ReadStore>>>,
    returned: Condvar,
}

impl Reader {
    /// Opens connections to a store, one at least.
    ///
    /// # Errors
    ///
    /// When the store cannot be opened once more.
    pub fn new(store: &dyn Store, connections: usize) -> Result<Self, StoreError> {
        let connections = (0..connections.max(1)).map(|_| store.reader()).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Pool { free: Mutex::new(connections), returned: Condvar::new() })))
    }

    /// Asks several questions of one connection.
    ///
    /// # Errors
    ///
    /// Those of `f`.
    pub fn with<T>(&self, f: impl FnOnce(&mut dyn ReadStore) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut taken = Taken { pool: &self.0, connection: Some(self.0.take()) };
        taken.connection.as_mut().map_or(Err(StoreError::Stopped), |connection| f(connection.as_mut()))
    }

    /// [`ReadStore::load`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load(&self, doc: &DocName) -> Result<Option<Stored>, StoreError> {
        self.with(|store| store.load(doc))
    }

    /// [`ReadStore::list`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn list(&self, after: Option<&str>, limit: usize, prefix: &str) -> Result<Vec<DocInfo>, StoreError> {
        self.with(|store| store.list(after, limit, prefix))
    }

    /// [`ReadStore::versions`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn versions(&self, doc: &DocName, before: Option<u64>, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.with(|store| store.versions(doc, before, limit))
    }

    /// [`ReadStore::version`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn version(&self, doc: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
        self.with(|store| store.version(doc, id))
    }

    /// [`ReadStore::chat`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn chat(&self, room: &DocName, page: ChatPage, limit: usize) -> Result<Vec<ChatEntry>, StoreError> {
        self.with(|store| store.chat(room, page, limit))
    }

    /// [`ReadStore::size`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn size(&self) -> Result<Size, StoreError> {
        self.with(|store| store.size())
    }

    /// [`ReadStore::verify`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&self) -> Result<Report, StoreError> {
        self.with(|store| store.verify())
    }

    /// [`ReadStore::backup`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.with(|store| store.backup(to))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} free)", self.0.lock().len())
    }
}

impl Pool {
    /// A panic while holding the lock cannot leave the list half changed.
    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn ReadStore>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Box<dyn ReadStore> {
        let mut free = self.lock();
        loop {
            if let Some(connection) = free.pop() {
                return connection;
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Returns a connection even if the question panics.
struct Taken<'a> {
    pool: &'a Pool,
    connection: Option<Box<dyn ReadStore>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.connection.take());
        self.pool.returned.notify_one();
    }
}
