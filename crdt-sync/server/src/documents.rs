use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use stoa_base_types::{ConnectionId, DocName, Epoch, FollowerId};
use stoa_crdt_sync_core::Input;
use stoa_crdt_sync_store::{SqliteStore, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::chat::Chat;
use crate::config::{Config, Limits};
use crate::crew::Crew;
use crate::material;
use crate::storage::{Storage, StorageState};
use crate::worker::{Answer, Command, Notice, Request, RequestFailure, State, Surroundings, What, Worker};

/// All documents of the process: what sockets follow, what REST reads and writes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents(Arc<Inner>);

struct Inner {
    limits: Limits,
    workers: Vec<WorkerHandle>,
    storage: Storage,
    crew: Crew<()>,
    chat: Chat,
    next_follower: AtomicU64,
    next_connection: AtomicU64,
    /// How many documents each identity follows.
    identities: Mutex<BTreeMap<Arc<str>, usize>>,
    is_draining: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How a worker is reached.
#[derive(Debug, Clone)]
pub(crate) struct WorkerHandle {
    commands: mpsc::Sender<Command>,
    notices: mpsc::UnboundedSender<Notice>,
    /// Room for large messages that wait for the worker, in KiB.
    room: Arc<Semaphore>,
}

/// Why documents cannot be served.
#[derive(Debug)]
pub enum StartError {
    /// The store cannot be opened.
    Store(stoa_crdt_sync_store::StoreError),
    /// A thread cannot be started.
    Thread(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "cannot open the documents: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread for documents: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<stoa_crdt_sync_store::StoreError> for StartError {
    fn from(error: stoa_crdt_sync_store::StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::Thread(error)
    }
}

impl Documents {
    /// Opens the store in the folder and starts the workers.
    ///
    /// # Errors
    ///
    /// [`StartError`], with words for people.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_on(Box::new(SqliteStore::open(&config.dir)?), config)
    }

    /// Serves the documents of a store that is open already.
    ///
    /// # Errors
    ///
    /// [`StartError`], with words for people.
    pub fn start_on(store: Box<dyn Store>, config: &Config) -> Result<Self, StartError> {
        let limits = config.limits;
        let workers = thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
        let (handles, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| channels()).unzip();
        let observers: Vec<_> = handles.iter().map(|handle: &WorkerHandle| handle.notices.clone()).collect();
        let storage = Storage::start(store, config, move |state| {
            for worker in &observers {
                let input = match &state {
                    StorageState::Failing(reason) => Input::StorageFailing { reason: reason.clone() },
                    StorageState::Well => Input::StorageWell,
                    StorageState::Quota { is_full } => Input::Quota { is_full: *is_full },
                };
                let _ = worker.send(Notice::Input(input));
            }
        })?;
        let crew = material::crew()?;
        let mut threads = Vec::new();
        for (number, (handle, (commands, notices))) in handles.iter().zip(receivers).enumerate() {
            let around =
                Surroundings { limits, storage: storage.clone(), crew: crew.clone(), notices: handle.notices.clone() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let thread = thread::Builder::new().name(format!("stoa-doc-worker-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(Worker::new(around).run(commands, notices)))?);
        }
        Ok(Self(Arc::new(Inner {
            limits,
            workers: handles,
            chat: Chat::new(storage.clone()),
            storage,
            crew,
            next_follower: AtomicU64::new(1),
            next_connection: AtomicU64::new(1),
            identities: Mutex::default(),
            is_draining: watch::Sender::new(false),
            threads: Mutex::new(threads),
        })))
    }

    /// Sends all followers away, commits everything, and closes the store. Ports that are still open get nothing more.
    ///
    /// While the disk refuses, this does not end before it takes what waits.
    pub async fn drain(&self) {
        self.0.is_draining.send_replace(true);
        let mut drained = Vec::new();
        for worker in &self.0.workers {
            let (done, is_done) = oneshot::channel();
            if worker.notices.send(Notice::Drain(done)).is_ok() {
                drained.push(is_done);
            }
        }
        for is_done in drained {
            let _ = is_done.await;
        }
        let this = self.clone();
        let _ = tokio::task::spawn_blocking(move || this.stop()).await;
    }

    /// Ends all threads, whatever they are doing. What is not committed is lost, and was never acknowledged.
    pub fn stop(&self) {
        self.0.is_draining.send_replace(true);
        for worker in &self.0.workers {
            let _ = worker.notices.send(Notice::Stop);
        }
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
        self.0.crew.stop();
        self.0.storage.stop();
    }

    /// Waits until the process is about to end.
    pub(crate) async fn draining(&self) {
        let mut watched = self.watch_draining();
        let _ = watched.wait_for(|is_draining| *is_draining).await;
    }

    /// Whether the process is about to end.
    pub(crate) fn watch_draining(&self) -> watch::Receiver<bool> {
        self.0.is_draining.subscribe()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub(crate) fn crew(&self) -> &Crew<()> {
        &self.0.crew
    }

    /// The log of what was said in rooms.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.0.chat
    }

    pub(crate) fn worker_of(&self, doc: &DocName) -> Option<&WorkerHandle> {
        // The same in every process, so that what is seen once is seen again.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(doc);
        let index = hash.checked_rem(self.0.workers.len() as u64)?;
        self.0.workers.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn next_follower(&self) -> FollowerId {
        FollowerId(self.0.next_follower.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// A place for one more document of an identity; given back when dropped.
    pub(crate) fn seat(&self, identity: Option<&Arc<str>>) -> Option<Seat> {
        let Some(identity) = identity else { return Some(Seat { taken: None }) };
        let mut identities = self.identities();
        let count = identities.entry(Arc::clone(identity)).or_default();
        if *count >= self.0.limits.identity_documents {
            return None;
        }
        *count += 1;
        Some(Seat { taken: Some((self.clone(), Arc::clone(identity))) })
    }

    /// Has the worker of a document fail at a place of the test's choice: in the middle of a turn.
    #[cfg(test)]
    pub(crate) fn break_worker_of(&self, doc: &DocName) {
        #[expect(clippy::disallowed_methods, reason = "nothing is measured")]
        let now = std::time::Instant::now();
        let worker = self.worker_of(doc).expect("there are workers");
        let _ = worker.notices.send(Notice::Committed(crate::worker::BatchDone::of_nobody(now)));
    }

    fn identities(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        self.0.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request(&self, doc: &DocName, what: What) -> Result<Answer, RequestFailure> {
        let (answer, answered) = oneshot::channel();
        let request = Request { doc: doc.clone(), what, answer };
        let worker = self.worker_of(doc).ok_or(RequestFailure::Lost)?;
        worker.send(Command::Request(request)).await;
        answered.await.map_err(|_| RequestFailure::Lost)?
    }

    /// What a document is now.
    pub(crate) async fn read(&self, doc: &DocName) -> Result<State, RequestFailure> {
        match self.request(doc, What::Read).await? {
            Answer::State(state) => Ok(state),
            Answer::Edited { .. } | Answer::Erased => Err(RequestFailure::Lost),
        }
    }

    /// Changes a document; returns when that is committed.
    pub(crate) async fn edit(
        &self,
        doc: &DocName,
        update: Bytes,
        expected: Option<(Epoch, u64)>,
    ) -> Result<(Epoch, u64), RequestFailure> {
        match self.request(doc, What::Edit { update, expected }).await? {
            Answer::Edited { epoch, seq } => Ok((epoch, seq)),
            Answer::State(_) | Answer::Erased => Err(RequestFailure::Lost),
        }
    }

    /// Erases a document; returns when that is committed.
    pub(crate) async fn erase(&self, doc: &DocName) -> Result<(), RequestFailure> {
        self.request(doc, What::Erase).await.map(|_| ())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// One document of one identity.
#[derive(Debug)]
pub(crate) struct Seat {
    taken: Option<(Documents, Arc<str>)>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((documents, identity)) = &self.taken else { return };
        let mut identities = documents.identities();
        if let Some(count) = identities.get_mut(identity) {
            *count -= 1;
            if *count == 0 {
                identities.remove(identity);
            }
        }
    }
}

impl WorkerHandle {
    /// Waits while too much is being worked on.
    pub(crate) async fn send(&self, command: Command) {
        // A worker that is gone answers nobody any more.
        let _ = self.commands.send(command).await;
    }

    /// Room for a message of that length; small ones need none, their number is bounded.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL_BYTES {
            return None;
        }
        let wanted = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).min(ROOM_KIB);
        Arc::clone(&self.room).acquire_many_owned(wanted).await.ok()
    }

    /// For what must be said and cannot wait here. Each is said at most once for each follower.
    pub(crate) fn say(&self, command: Command) {
        let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(command) else { return };
        let commands = self.commands.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { commands.send(command).await });
        } else {
            let _ = commands.blocking_send(command);
        }
    }

    pub(crate) fn written(&self, follower: FollowerId, cost: usize) {
        let _ = self.notices.send(Notice::Written { follower, cost });
    }
}

type Receivers = (mpsc::Receiver<Command>, mpsc::UnboundedReceiver<Notice>);

fn channels() -> (WorkerHandle, Receivers) {
    let (commands, their_commands) = mpsc::channel(COMMANDS);
    let (notices, their_notices) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
    (WorkerHandle { commands, notices, room }, (their_commands, their_notices))
}

const MOST_WORKERS: usize = 4;

/// Commands that wait for one worker.
const COMMANDS: usize = 1024;

/// A message of so many bytes needs no room of its own.
const SMALL_BYTES: usize = 4 << 10;

/// Large messages that wait for one worker.
const ROOM_KIB: u32 = 64 << 10;

#[cfg(test)]
mod tests;
