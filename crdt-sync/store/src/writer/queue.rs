use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::write::Write;
use crate::writer::{Batch, Done, Haste, Rejected, StorageState, WriterOptions, WriterStats, now};

/// What waits for the writer. Bounded in number and bytes; who comes when it is full gets the batch back.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something came that the writer waits for.
    changed: Condvar,
    options: WriterOptions,
}

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<Held>,
    /// Bytes of those that wait and of the group that is being committed.
    held_bytes: usize,
    /// The number of both.
    held: usize,
    /// Bytes of those that wait.
    waiting_bytes: usize,
    /// How many of those that wait have the usual haste.
    waiting_usual: usize,
    /// How many of those that wait must not.
    waiting_urgent: usize,
    /// When the newest group was taken.
    taken_at: Option<Instant>,
    /// How many writes it had.
    taken_writes: usize,
    /// What the writer waits for.
    sleep: Sleep,
    is_closed: bool,
    /// Until when failed attempts are repeated; set when nothing more is taken.
    stop_at: Option<Instant>,
    state: StorageState,
    stats: WriterStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It works, and looks here when it is done.
    Awake,
    /// For the first batch.
    Idle,
    /// For the end of the interval; only a full group or more haste wakes it.
    Gathering,
}

impl Inner {
    /// A batch came, or went.
    const fn count(&mut self, haste: Haste, change: isize) {
        let counted = match haste {
            Haste::Late => return,
            Haste::Gather => &mut self.waiting_usual,
            Haste::AtOnce => &mut self.waiting_urgent,
        };
        *counted = counted.saturating_add_signed(change);
    }

    /// Whether the batch that came last is the only one that cannot wait longer than late ones.
    const fn is_first_with(&self, haste: Haste) -> bool {
        match haste {
            Haste::Late => false,
            Haste::Gather => self.waiting_usual == 1,
            Haste::AtOnce => true,
        }
    }
}

/// A batch that was taken.
#[derive(Debug)]
pub(super) struct Held {
    writes: Vec<Write>,
    cost: usize,
    haste: Haste,
    answer: Answer,
}

/// Whoever takes a batch owes an answer; if it is lost, because the writer's thread panicked, the answer is that it stopped.
pub(super) struct Answer(Option<Done>);

impl Answer {
    pub(super) fn give(mut self, result: Result<(), StoreError>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(StoreError::Stopped));
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// What one transaction holds.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) writes: Vec<Write>,
    pub(super) parts: Vec<Part>,
}

/// One batch of a group.
#[derive(Debug)]
pub(super) struct Part {
    /// How many of the group's writes are its own.
    pub(super) writes: usize,
    pub(super) cost: usize,
    pub(super) answer: Answer,
}

/// What the writer shall do.
#[derive(Debug)]
pub(super) enum Next {
    Group(Group),
    Tend,
    Stop,
}

impl Queue {
    pub(super) const fn new(options: WriterOptions) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            held_bytes: 0,
            held: 0,
            waiting_bytes: 0,
            waiting_usual: 0,
            waiting_urgent: 0,
            taken_at: None,
            taken_writes: 0,
            sleep: Sleep::Awake,
            is_closed: false,
            stop_at: None,
            state: StorageState::Well,
            stats: WriterStats { waiting_batches: 0, waiting_bytes: 0, commits: 0, batches: 0, failures: 0 },
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), options }
    }

    pub(super) fn push(&self, batch: Batch) -> Result<(), Rejected> {
        let cost = batch.cost();
        let mut inner = self.lock();
        if inner.is_closed || inner.stop_at.is_some() {
            return Err(Rejected::Stopped(batch));
        }
        let fits = inner.held < self.options.queue_batches
            && (inner.held == 0 || inner.held_bytes.saturating_add(cost) <= self.options.queue_bytes);
        if !fits {
            return Err(Rejected::Full(batch));
        }
        let Batch { writes, haste, done } = batch;
        inner.waiting.push_back(Held { writes, cost, haste, answer: Answer(Some(done)) });
        inner.count(haste, 1);
        inner.held += 1;
        inner.held_bytes += cost;
        inner.waiting_bytes += cost;
        let wakes = match inner.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Gathering => inner.is_first_with(haste) || self.is_full_group(&inner),
        };
        if wakes {
            inner.sleep = Sleep::Awake;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Waits for the next thing to do. A group is due at once after a quiet time, when it is full, when something in it must not
    /// wait, when the writer stops, and otherwise some time after the last one was taken.
    pub(super) fn next(&self, tend_at: Option<Instant>) -> Next {
        let mut inner = self.lock();
        loop {
            if inner.waiting.is_empty() && inner.stop_at.is_some() {
                return Next::Stop;
            }
            let now = now();
            let due_at = if inner.waiting.is_empty() { None } else { Some(self.due_at(&inner, now)) };
            if due_at.is_some_and(|due_at| due_at <= now) {
                inner.taken_at = Some(now);
                return Next::Group(self.take_group(&mut inner));
            }
            if tend_at.is_some_and(|tend_at| tend_at <= now) {
                return Next::Tend;
            }
            inner.sleep = if due_at.is_some() { Sleep::Gathering } else { Sleep::Idle };
            let wake_at = due_at.into_iter().chain(tend_at).min();
            inner = self.wait(inner, wake_at.map(|wake_at| wake_at.saturating_duration_since(now)));
            inner.sleep = Sleep::Awake;
        }
    }

    fn due_at(&self, inner: &Inner, now: Instant) -> Instant {
        match inner.taken_at {
            Some(taken_at) if inner.stop_at.is_none() && inner.waiting_urgent == 0 && !self.is_full_group(inner) => {
                let interval = self.options.commit_interval;
                let pause = match (inner.waiting_usual, inner.taken_writes) {
                    (0, _) => interval.saturating_mul(LATE_INTERVALS),
                    (_, ..MANY_WRITES) => interval / 2,
                    _ => interval,
                };
                taken_at + pause
            }
            _ => now,
        }
    }

    fn is_full_group(&self, inner: &Inner) -> bool {
        inner.waiting.len() >= self.options.group_batches || inner.waiting_bytes >= self.options.group_bytes
    }

    fn take_group(&self, inner: &mut Inner) -> Group {
        let (mut group, mut bytes) = (Group { writes: Vec::new(), parts: Vec::new() }, 0);
        while group.parts.len() < self.options.group_batches.max(1) {
            let Some(Held { writes, cost, haste, answer }) = inner.waiting.pop_front() else { break };
            if !group.parts.is_empty() && bytes + cost > self.options.group_bytes {
                inner.waiting.push_front(Held { writes, cost, haste, answer });
                break;
            }
            bytes += cost;
            inner.waiting_bytes -= cost;
            inner.count(haste, -1);
            group.parts.push(Part { writes: writes.len(), cost, answer });
            group.writes.extend(writes);
        }
        inner.taken_writes = group.writes.len();
        if inner.waiting.is_empty() && inner.waiting.capacity() > IDLE_CAPACITY {
            inner.waiting = VecDeque::new();
        }
        group
    }

    /// Waits before the next attempt; false if the writer shall give up.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = now() + pause;
        let mut inner = self.lock();
        loop {
            let now = now();
            if inner.stop_at.is_some_and(|stop_at| stop_at <= now) {
                return false;
            }
            if until <= now {
                return true;
            }
            let wake_at = inner.stop_at.map_or(until, |stop_at| stop_at.min(until));
            inner = self.wait(inner, Some(wake_at.saturating_duration_since(now)));
        }
    }

    pub(super) fn stop(&self, at: Instant) {
        self.lock().stop_at = Some(at);
        self.changed.notify_all();
    }

    /// Takes nothing more, and answers what still waits.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        (inner.held, inner.held_bytes, inner.waiting_bytes) = (0, 0, 0);
        (inner.waiting_usual, inner.waiting_urgent) = (0, 0);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(waiting);
    }

    /// A batch was answered.
    pub(super) fn release(&self, cost: usize) {
        let mut inner = self.lock();
        inner.held = inner.held.saturating_sub(1);
        inner.held_bytes = inner.held_bytes.saturating_sub(cost);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Whether it changed. Another reason for the same trouble is news for those who ask, not for those who are told.
    pub(super) fn set_state(&self, state: &StorageState) -> bool {
        let mut inner = self.lock();
        let changes = matches!(inner.state, StorageState::Well) != matches!(state, StorageState::Well);
        inner.state = state.clone();
        changes
    }

    pub(super) fn state(&self) -> StorageState {
        self.lock().state.clone()
    }

    pub(super) fn count_commit(&self, batches: usize) {
        let mut inner = self.lock();
        inner.stats.commits += 1;
        inner.stats.batches += batches as u64;
    }

    pub(super) fn count_failure(&self) {
        self.lock().stats.failures += 1;
    }

    pub(super) fn stats(&self) -> WriterStats {
        let inner = self.lock();
        WriterStats { waiting_batches: inner.held, waiting_bytes: inner.held_bytes, ..inner.stats }
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, most: Option<Duration>) -> MutexGuard<'a, Inner> {
        match most {
            Some(most) => {
                self.changed.wait_timeout(inner, most).map_or_else(|poisoned| poisoned.into_inner().0, |woken| woken.0)
            }
            None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// A panic while holding the lock cannot leave the queue half changed: nothing in between can panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What nobody waits for is gathered for so many intervals.
const LATE_INTERVALS: u32 = 8;

/// So many writes make a transaction worth a whole interval; with fewer, waiting shorter costs little.
const MANY_WRITES: usize = 24;

/// Places that an empty queue may keep.
const IDLE_CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_with_the_most_haste_says_when_a_group_is_due() {
        let interval = Duration::from_secs(1);
        let queue = Queue::new(WriterOptions { commit_interval: interval, ..WriterOptions::default() });
        let taken_at = now();
        (queue.lock().taken_at, queue.lock().taken_writes) = (Some(taken_at), MANY_WRITES);
        let due_after = |haste| {
            queue.push(Batch::new(Vec::new(), |_| ()).with_haste(haste)).unwrap();
            queue.due_at(&queue.lock(), taken_at) - taken_at
        };
        assert_eq!(due_after(Haste::Late), interval * LATE_INTERVALS);
        assert_eq!(due_after(Haste::Gather), interval);
        assert_eq!(due_after(Haste::Late), interval);
        assert_eq!(due_after(Haste::AtOnce), Duration::ZERO);
        assert_eq!(queue.take_group(&mut queue.lock()).parts.len(), 4);
        assert_eq!(due_after(Haste::Late), interval * LATE_INTERVALS, "what was taken does not count");
    }

    #[test]
    fn few_writes_gather_for_half_as_long_as_many() {
        let interval = Duration::from_secs(1);
        let queue = Queue::new(WriterOptions { commit_interval: interval, ..WriterOptions::default() });
        let prune = |count| vec![Write::Prune { before_ms: 0 }; count];
        let push = |writes| queue.push(Batch::new(writes, |_| ())).unwrap();
        let pause_after = |writes| {
            push(writes);
            let taken_at = now();
            queue.lock().taken_at = Some(taken_at);
            drop(queue.take_group(&mut queue.lock()));
            push(prune(1));
            queue.due_at(&queue.lock(), taken_at) - taken_at
        };
        assert_eq!(pause_after(prune(MANY_WRITES - 1)), interval / 2);
        assert_eq!(pause_after(prune(MANY_WRITES)), interval, "with the one that waited");
        assert_eq!(pause_after(Vec::new()), interval / 2);
    }

    #[test]
    fn more_haste_wakes_the_writer() {
        let queue = Queue::new(WriterOptions::default());
        let wakes = |haste| {
            queue.lock().sleep = Sleep::Gathering;
            queue.push(Batch::new(Vec::new(), |_| ()).with_haste(haste)).unwrap();
            queue.lock().sleep == Sleep::Awake
        };
        let hastes = [Haste::Late, Haste::Gather, Haste::Gather, Haste::Late, Haste::AtOnce, Haste::AtOnce];
        assert_eq!(hastes.map(wakes), [false, true, false, false, true, true]);
    }
}
