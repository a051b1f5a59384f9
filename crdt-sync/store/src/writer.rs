mod queue;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::store::Store;
use crate::write::Write;
use crate::writer::queue::{Answer, Group, Next, Queue};

/// Writes that become durable together, or not at all, and who wants to know.
pub struct Batch {
    writes: Vec<Write>,
    haste: Haste,
    done: Done,
}

/// How long a batch may wait for others, so that one transaction holds many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Haste {
    /// Nobody will be told when it is on disk: for some [intervals](WriterOptions::commit_interval).
    Late,
    /// For one interval.
    #[default]
    Gather,
    /// Somebody does nothing else until it is on disk: not at all. It takes what waits with it.
    AtOnce,
}

/// Called on the writer's thread: it must be quick and must not panic.
type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Batch {
    /// `done` is called exactly once if the batch is taken: with `Ok` when the writes are on disk, with a
    /// [final](StoreError::is_final) error if they do not fit what is stored or touch what is damaged there, and with
    /// [`StoreError::Stopped`] if the writer had to stop before.
    #[must_use]
    pub fn new(writes: Vec<Write>, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) -> Self {
        Self { writes, haste: Haste::default(), done: Box::new(done) }
    }

    /// The same, with that haste.
    #[must_use]
    pub fn with_haste(self, haste: Haste) -> Self {
        Self { haste, ..self }
    }

    /// What shall be written.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    fn cost(&self) -> usize {
        self.writes.iter().map(Write::cost).sum::<usize>() + size_of::<Self>()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("writes", &self.writes).finish_non_exhaustive()
    }
}

/// Why a batch was not taken; it is handed back, nothing is lost.
#[derive(Debug)]
pub enum Rejected {
    /// The queue is full: the disk is too slow, or does not obey.
    Full(Batch),
    /// The writer has stopped.
    Stopped(Batch),
}

/// Bounds of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// Under load, a transaction begins this long after the one before began, so that more is gathered into it; half as long
    /// after one with few writes. After a quiet time it begins at once. A batch may have [another haste](Haste).
    pub commit_interval: Duration,
    /// Batches that may wait, those included that are being committed.
    pub queue_batches: usize,
    /// Bytes that may wait; one larger batch is taken if nothing waits.
    pub queue_bytes: usize,
    /// Batches after which a transaction is not gathered further.
    pub group_batches: usize,
    /// Bytes after which a transaction is not gathered further.
    pub group_bytes: usize,
    /// The pause after a failed attempt; it doubles with each further one.
    pub retry_first: Duration,
    /// The longest pause between attempts.
    pub retry_most: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_millis(12),
            queue_batches: 1 << 16,
            queue_bytes: 64 << 20,
            group_batches: 1 << 12,
            group_bytes: 8 << 20,
            retry_first: Duration::from_millis(100),
            retry_most: Duration::from_secs(2),
        }
    }
}

/// Whether the disk takes what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageState {
    /// It does.
    Well,
    /// It does not; everything is kept and tried again.
    Failing {
        /// What the disk says.
        reason: String,
    },
}

/// Told what happens to the storage, on the writer's thread: it must be quick.
pub trait Observer: Send {
    /// The state changed. It begins as [`StorageState::Well`].
    fn state_changed(&mut self, state: &StorageState);

    /// A transaction is on disk.
    fn committed(&mut self, _committed: Committed) {}
}

impl<F: FnMut(&StorageState) + Send> Observer for F {
    fn state_changed(&mut self, state: &StorageState) {
        self(state);
    }
}

/// One transaction that is on disk.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    /// How many batches it held.
    pub batches: usize,
    /// How long it took, pauses after failed attempts included.
    pub took: Duration,
}

/// What the writer has done and what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Batches that wait, those included that are being committed.
    pub waiting_batches: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Transactions that are on disk.
    pub commits: u64,
    /// Batches that are on disk.
    pub batches: u64,
    /// Attempts that failed.
    pub failures: u64,
}

/// The thread that writes: it owns the store, and commits everything that waits in one transaction.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    thread: JoinHandle<usize>,
}

/// Gives batches to the writer, from any thread.
#[derive(Debug, Clone)]
pub struct WriterHandle(Arc<Queue>);

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(
        store: Box<dyn Store>,
        options: WriterOptions,
        observer: Box<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::new(options));
        let worker_queue = Arc::clone(&queue);
        let retry = options.retry_first;
        let worker = Worker { store, queue: worker_queue, options, observer, retry, has_given_up: false };
        let run = move || worker.run();
        let thread: io::Result<_> = Builder::new().name("stoa-writer".into()).spawn(run);
        Ok(Self { queue, thread: thread? })
    }

    /// For those who write.
    #[must_use]
    pub fn handle(&self) -> WriterHandle {
        WriterHandle(Arc::clone(&self.queue))
    }

    /// Takes no more batches, writes what waits and closes the store. If the disk does not obey, tries again for `patience`.
    /// Returns how many batches were given up.
    pub fn stop(self, patience: Duration) -> usize {
        self.queue.stop(now() + patience);
        // A panic there was reported by its own thread; what waited was answered with `Stopped`.
        self.thread.join().unwrap_or_default()
    }
}

impl WriterHandle {
    /// Queues a batch. Batches are committed in the order in which they are given.
    ///
    /// # Errors
    ///
    /// When the queue is full or the writer has stopped; the batch is handed back.
    pub fn submit(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.push(batch)
    }

    /// Whether the disk takes what it is given.
    #[must_use]
    pub fn state(&self) -> StorageState {
        self.0.state()
    }

    /// What was done and what waits.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.0.stats()
    }
}

struct Worker {
    store: Box<dyn Store>,
    queue: Arc<Queue>,
    options: WriterOptions,
    observer: Box<dyn Observer>,
    /// The next pause after a failed attempt.
    retry: Duration,
    /// Nothing is written any more: what comes later must not overtake what was given up.
    has_given_up: bool,
}

impl Worker {
    fn run(mut self) -> usize {
        // Whatever ends this thread, nobody waits for an answer for ever.
        let closing = Closing(Arc::clone(&self.queue));
        let (mut given_up, mut tend_at) = (0, None);
        loop {
            match self.queue.next(tend_at) {
                Next::Group(group) => {
                    given_up += self.settle(group);
                    tend_at = self.tend(self.queue.is_empty());
                }
                Next::Tend => tend_at = self.tend(true),
                Next::Stop => break,
            }
        }
        drop(closing);
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the store was not closed well");
        }
        given_up
    }

    fn tend(&mut self, is_idle: bool) -> Option<Instant> {
        self.store.tend(is_idle).map(|pause| now() + pause)
    }

    /// Writes a group and answers its batches. Returns how many were given up.
    fn settle(&mut self, group: Group) -> usize {
        let Group { writes, parts } = group;
        let result = self.persist(&writes, parts.len());
        if parts.len() < 2 || !matches!(&result, Err(error) if error.is_final()) {
            let given_up = if result == Err(StoreError::Stopped) { parts.len() } else { 0 };
            parts.into_iter().for_each(|part| self.answer(part.cost, part.answer, result.clone()));
            return given_up;
        }
        // One of them does not fit, or touches what is damaged: the others shall not suffer for it.
        let (mut rest, mut given_up) = (&writes[..], 0);
        for part in parts {
            let (own, others) = rest.split_at_checked(part.writes).unwrap_or((rest, &[]));
            rest = others;
            let result = self.persist(own, 1);
            given_up += usize::from(result == Err(StoreError::Stopped));
            self.answer(part.cost, part.answer, result);
        }
        given_up
    }

    fn answer(&self, cost: usize, answer: Answer, result: Result<(), StoreError>) {
        self.queue.release(cost);
        answer.give(result);
    }

    /// Commits in one transaction, and tries until it is on disk, failed for good, or the time to stop has come.
    fn persist(&mut self, writes: &[Write], batches: usize) -> Result<(), StoreError> {
        let began = now();
        while !self.has_given_up {
            match self.store.commit(writes) {
                Ok(()) => {
                    self.retry = self.options.retry_first;
                    self.announce(StorageState::Well);
                    self.queue.count_commit(batches);
                    let took = now().saturating_duration_since(began);
                    self.observer.committed(Committed { batches, took });
                    return Ok(());
                }
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    self.queue.count_failure();
                    self.announce(StorageState::Failing { reason: error.to_string() });
                    self.has_given_up = !self.queue.pause(self.retry);
                    self.retry = self.retry.saturating_mul(2).min(self.options.retry_most);
                }
            }
        }
        Err(StoreError::Stopped)
    }

    fn announce(&mut self, state: StorageState) {
        if self.queue.set_state(&state) {
            match &state {
                StorageState::Well => tracing::info!("the disk takes writes again"),
                StorageState::Failing { reason } => tracing::error!(reason, "writes are kept and tried again"),
            }
            self.observer.state_changed(&state);
        }
    }
}

/// Answers what still waits when the thread ends.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
