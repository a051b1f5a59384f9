//! The store as everything else here sees it: writes go to the writer's thread, reads to the readers'.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stoa_crdt_sync_store::{
    Batch, Haste, Observer, ReadStore, Rejected, Store, StoreError, Write, Writer, WriterHandle, WriterOptions,
};
use tokio::sync::oneshot;
use tracing::error;

use crate::config::Config;
use crate::crew::{Crew, CrewError};
use crate::versions::now_ms;

/// The store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Storage(Arc<Inner>);

struct Inner {
    /// Until it is stopped.
    writer: Mutex<Option<Writer>>,
    handle: WriterHandle,
    readers: Crew<Box<dyn ReadStore>>,
    /// Batches that the writer has not finished, and their bytes.
    in_flight: AtomicUsize,
    in_flight_bytes: AtomicUsize,
    house: House,
}

/// What is looked after now and then.
struct House {
    observe: Box<dyn Fn(StorageState) + Send + Sync>,
    quota_bytes: u64,
    keep_generations_ms: u64,
    is_full: AtomicBool,
    /// Since the size was looked at.
    written_bytes: AtomicU64,
    /// When old generations were forgotten.
    pruned_at_ms: AtomicU64,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StorageState {
    Failing(Arc<str>),
    Well,
    Quota { is_full: bool },
}

/// Room for one batch.
pub(crate) struct Ticket {
    inner: Arc<Inner>,
    bytes: usize,
}

impl Storage {
    /// Takes the store over. `observe` is called from the writer's thread.
    pub(crate) fn start(
        store: Box<dyn Store>,
        config: &Config,
        observe: impl Fn(StorageState) + Clone + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let readers = (0..READERS).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
        let readers = Crew::start("stoa-doc-reader", STACK_BYTES, readers)?;
        let house = House {
            observe: Box::new(observe.clone()),
            quota_bytes: config.limits.quota_bytes,
            keep_generations_ms: u64::try_from(config.limits.generations.as_millis()).unwrap_or(u64::MAX),
            is_full: AtomicBool::new(false),
            written_bytes: AtomicU64::new(0),
            pruned_at_ms: AtomicU64::new(0),
        };
        // What waits is bounded here, before anything is given up that cannot be offered again.
        let options = WriterOptions {
            commit_interval: config.commit_interval,
            queue_bytes: usize::MAX,
            ..WriterOptions::default()
        };
        let writer = Writer::start(store, options, Box::new(Watch { observe }))?;
        let handle = writer.handle();
        let (in_flight, in_flight_bytes) = Default::default();
        let writer = Mutex::new(Some(writer));
        let storage = Self(Arc::new(Inner { writer, handle, readers, in_flight, in_flight_bytes, house }));
        storage.0.look_at_size();
        Ok(storage)
    }

    /// Whether the quota is used up. What people want to add is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.0.house.is_full.load(Ordering::Relaxed)
    }

    /// Room for one batch, if the writer is not too far behind.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        let (batches, bytes) = (&self.0.in_flight, &self.0.in_flight_bytes);
        if batches.load(Ordering::Relaxed) >= MOST_BATCHES || bytes.load(Ordering::Relaxed) >= MOST_BYTES {
            return None;
        }
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Ticket { inner: Arc::clone(&self.0), bytes: 0 })
    }

    /// Writes; `done` is called when that is on disk, never from here.
    pub(crate) fn write_then(&self, writes: Vec<Write>, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        self.write_when(Haste::Gather, writes, done);
    }

    fn write_when(&self, haste: Haste, writes: Vec<Write>, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        match self.ticket() {
            Some(ticket) => ticket.submit(haste, writes, done),
            None => self.0.readers.give(move |_| done(Err(StoreError::Disk("too much waits for it".to_owned())))),
        }
    }

    /// Writes for somebody who waits; returns when that is on disk.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.write_when(Haste::AtOnce, writes, move |result| {
            let _ = answer.send(result);
        });
        answered.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// What waits to be gathered waits no longer.
    pub(crate) fn hurry(&self) {
        if let Some(ticket) = self.ticket() {
            ticket.submit(Haste::AtOnce, Vec::new(), |_| ());
        }
    }

    /// Reads in a reader's thread. The caller bounds how often.
    pub(crate) fn read(&self, job: impl FnOnce(&mut dyn ReadStore) + Send + 'static) {
        self.0.readers.give(move |reader| job(&mut **reader));
    }

    /// Reads on behalf of somebody who waits.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn ReadStore) -> T + Send + 'static,
    ) -> Result<T, CrewError> {
        self.0.readers.ask(move |reader| job(&mut **reader)).await
    }

    /// Writes what waits, and closes the store. If the disk does not obey, tries for a while.
    pub(crate) fn stop(&self) {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let given_up = writer.stop(STOP_PATIENCE);
            if given_up > 0 {
                error!(batches = given_up, "the disk did not take everything; nobody was told that it is saved");
            }
        }
        self.0.readers.stop();
    }
}

type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Ticket {
    /// Hands a batch to the writer. `done` is called from another thread.
    pub(crate) fn submit(
        mut self,
        haste: Haste,
        writes: Vec<Write>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.bytes = writes.iter().map(Write::cost).sum();
        let inner = Arc::clone(&self.inner);
        inner.in_flight_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        // A batch that is not taken comes back with what is to be called, but keeps that to itself.
        let answer: Arc<Mutex<Option<Done>>> = Arc::new(Mutex::new(Some(Box::new(done))));
        let theirs = Arc::clone(&answer);
        let batch = Batch::new(writes, move |result| {
            self.inner.keep_house(self.bytes as u64);
            drop(self);
            call(&theirs, result);
        });
        let error = match inner.handle.submit(batch.with_haste(haste)) {
            Ok(()) => return,
            Err(Rejected::Full(_)) => StoreError::Disk("too much waits for it".to_owned()),
            Err(Rejected::Stopped(_)) => StoreError::Stopped,
        };
        inner.readers.give(move |_| call(&answer, Err(error)));
    }
}

fn call(answer: &Mutex<Option<Done>>, result: Result<(), StoreError>) {
    let done = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(done) = done {
        done(result);
    }
}

/// Hears from the writer.
struct Watch<F> {
    observe: F,
}

impl<F: Fn(StorageState) + Send> Observer for Watch<F> {
    fn state_changed(&mut self, state: &stoa_crdt_sync_store::StorageState) {
        let is_failing = match state {
            stoa_crdt_sync_store::StorageState::Failing { reason } => {
                (self.observe)(StorageState::Failing(reason.as_str().into()));
                true
            }
            stoa_crdt_sync_store::StorageState::Well => {
                (self.observe)(StorageState::Well);
                false
            }
        };
        metrics::gauge!("stoa_documents_storage_failing").set(if is_failing { 1.0 } else { 0.0 });
    }

    fn committed(&mut self, committed: stoa_crdt_sync_store::Committed) {
        metrics::counter!("stoa_documents_transactions_total").increment(1);
        metrics::histogram!("stoa_documents_transaction_seconds").record(committed.took.as_secs_f64());
    }
}

impl Inner {
    /// Something was written.
    fn keep_house(self: &Arc<Self>, bytes: u64) {
        let house = &self.house;
        let written = house.written_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if house.quota_bytes > 0 && (written >= LOOK_AFTER || house.is_full.load(Ordering::Relaxed)) {
            house.written_bytes.store(0, Ordering::Relaxed);
            self.look_at_size();
        }
        let now = now_ms();
        let before = house.pruned_at_ms.load(Ordering::Relaxed);
        if now >= before.saturating_add(PRUNE_EVERY_MS) {
            house.pruned_at_ms.store(now, Ordering::Relaxed);
            let this = Arc::clone(self);
            // Not from the writer's own thread.
            self.readers.give(move |_| {
                let before_ms = now.saturating_sub(this.house.keep_generations_ms);
                let storage = Storage(this);
                storage.write_then(vec![Write::Prune { before_ms }], |_| ());
            });
        }
    }

    fn look_at_size(self: &Arc<Self>) {
        if self.house.quota_bytes == 0 {
            return;
        }
        let this = Arc::clone(self);
        self.readers.give(move |reader| {
            let Ok(size) = reader.size() else { return };
            metrics::gauge!("stoa_documents_disk_bytes").set(as_float(size.used));
            let is_full = size.used >= this.house.quota_bytes;
            if this.house.is_full.swap(is_full, Ordering::Relaxed) != is_full {
                (this.house.observe)(StorageState::Quota { is_full });
            }
        });
    }
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.inner.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.inner.in_flight_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("in_flight", &self.0.in_flight).finish_non_exhaustive()
    }
}

const READERS: usize = 2;
const STACK_BYTES: usize = 1 << 20;

/// After so many bytes the size is looked at again.
const LOOK_AFTER: u64 = 1 << 20;
const PRUNE_EVERY_MS: u64 = 3_600_000;

/// Beyond that the disk is too slow.
pub(crate) const MOST_BATCHES: usize = 4_096;
const MOST_BYTES: usize = 32 << 20;

/// How long the disk is asked to take what waits, at the end.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
