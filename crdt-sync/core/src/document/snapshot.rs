//! Snapshots: when one is made, what becomes of it, and when its bytes may leave the memory.
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use stoa_base_types::Epoch;

use super::{Document, Request};
use crate::compaction::{CompactJob, Compacted, policy};
use crate::hub::{Context, DocTimer, Event, RequestError, Timer};
use crate::wire::{CloseCode, Storage};

/// A document's snapshot in the making. There is one at most.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    job: Option<Job>,
    /// The generation that the store is to write.
    writing: Option<u64>,
    /// Of the oldest update that is in no snapshot.
    since: Option<Instant>,
    failures: u32,
    /// After a failure.
    not_before: Option<Instant>,
    /// When the snapshot's body was last needed.
    used_at: Option<Instant>,
}

#[derive(Debug)]
struct Job {
    generation: u64,
    /// Everything up to this number of the log is in it, or in the log again.
    through: u64,
    /// What must be on disk before the snapshot may be.
    needs: u64,
    done: Option<Compacted>,
}

impl Compaction {
    pub(super) const fn is_busy(&self) -> bool {
        self.job.is_some() || self.writing.is_some()
    }
}

impl Document {
    fn size(&self) -> policy::Size {
        let tail = &self.content.tail;
        policy::Size { snapshot_bytes: self.content.snapshot_bytes(), updates: tail.updates(), bytes: tail.bytes() }
    }

    /// Something is in no snapshot.
    pub(super) fn note_tail(&mut self, cx: &mut Context<'_>) {
        if self.content.tail.is_empty() {
            return;
        }
        if self.compaction.since.is_none() {
            self.compaction.since = Some(cx.now);
            cx.out.timers.set(Timer::Document(self.key, DocTimer::Compact), cx.now + cx.limits.compact_after);
        }
        if policy::is_due(self.size(), cx.limits) {
            self.consider_compaction(cx);
        }
    }

    /// Makes a snapshot if it is worthwhile and nothing speaks against it.
    pub(super) fn consider_compaction(&mut self, cx: &mut Context<'_>) {
        let Some(since) = self.compaction.since else { return };
        let size = self.size();
        let is_old = cx.now.saturating_duration_since(since) >= cx.limits.compact_after;
        if policy::is_due(size, cx.limits) || (is_old && policy::is_worthwhile(size, cx.limits)) {
            self.compact(cx);
        }
        if !self.compaction.is_busy() {
            let next = if is_old { cx.now } else { since } + cx.limits.compact_after;
            let next = self.compaction.not_before.map_or(next, |at| next.max(at));
            cx.out.timers.set(Timer::Document(self.key, DocTimer::Compact), next);
        }
    }

    /// The last chance before the document is forgotten.
    pub(super) fn compact_before_closing(&mut self, cx: &mut Context<'_>) {
        if policy::is_worthwhile(self.size(), cx.limits) {
            self.compact(cx);
        }
    }

    fn compact(&mut self, cx: &mut Context<'_>) {
        let is_too_early = self.compaction.not_before.is_some_and(|at| cx.now < at);
        let is_hindered = is_too_early || cx.situation.is_draining || self.storage(cx) == Storage::Failing;
        if self.compaction.is_busy() || is_hindered || self.content.tail.is_empty() {
            return;
        }
        let parts = match self.content.parts() {
            Ok(parts) => parts,
            Err(away) => return self.ask_snapshot(cx, away),
        };
        let (generation, through) = (self.content.generation() + 1, self.log.last());
        self.content.tail.begin_snapshot();
        self.log_held_again(cx);
        self.compaction.job = Some(Job { generation, through, needs: self.log.last(), done: None });
        cx.out.event(Event::Compact(CompactJob::new(self.name.clone(), self.epoch, generation, parts)));
    }

    /// Held updates are in no snapshot, and the log loses what came before it: they are logged again behind it.
    fn log_held_again(&mut self, cx: &mut Context<'_>) {
        let mut held = std::mem::take(&mut self.content.held);
        held.renumber(|body| self.append(cx, body.clone(), false));
        self.content.held = held;
    }

    /// A worker is done.
    pub(crate) fn compacted(
        &mut self,
        cx: &mut Context<'_>,
        epoch: Epoch,
        generation: u64,
        result: Result<Compacted, Arc<str>>,
    ) {
        let Some(job) = self.compaction.job.as_mut().filter(|job| job.generation == generation) else { return };
        if epoch != self.epoch {
            return;
        }
        match result {
            Ok(compacted) => {
                job.done = Some(compacted);
                self.finish_compaction(cx);
            }
            Err(reason) => {
                self.compaction.job = None;
                self.content.tail.end_snapshot();
                self.compaction_failed(cx, &reason);
            }
        }
        self.try_close(cx);
    }

    fn compaction_failed(&mut self, cx: &mut Context<'_>, reason: &str) {
        cx.out.stats.compactions_failed += 1;
        cx.out.event(Event::Fault { doc: self.name.clone(), message: format!("no snapshot: {reason}") });
        let compaction = &mut self.compaction;
        compaction.failures = (compaction.failures + 1).min(10);
        let not_before = cx.now + cx.limits.compact_retry * compaction.failures;
        compaction.not_before = Some(not_before);
        cx.out.timers.set(Timer::Document(self.key, DocTimer::Compact), not_before);
    }

    /// Puts the snapshot in its place, and on disk, if all that it may replace is there.
    pub(super) fn finish_compaction(&mut self, cx: &mut Context<'_>) {
        let committed = self.log.committed_through();
        let is_ready = |job: &mut Job| job.needs <= committed && job.done.is_some();
        let Some(Job { generation, through, done: Some(compacted), .. }) = self.compaction.job.take_if(is_ready) else {
            return;
        };
        self.content.replace_snapshot(generation, &compacted);
        cx.out.stats.compactions += 1;
        self.compaction.writing = Some(generation);
        self.compaction.since = (!self.content.tail.is_empty()).then_some(cx.now);
        let timer = Timer::Document(self.key, DocTimer::Compact);
        match self.compaction.since {
            Some(since) => cx.out.timers.set(timer, since + cx.limits.compact_after),
            None => cx.out.timers.clear(timer),
        }
        cx.out.event(Event::Snapshot {
            doc: self.name.clone(),
            epoch: self.epoch,
            generation,
            through,
            body: compacted.body,
            vector: compacted.encoded_vector,
            deletes: compacted.encoded_deletes,
        });
    }

    /// The store has written the snapshot, or has not.
    pub(crate) fn snapshot_written(&mut self, cx: &mut Context<'_>, epoch: Epoch, generation: u64, is_committed: bool) {
        if epoch != self.epoch || self.compaction.writing != Some(generation) {
            return;
        }
        self.compaction.writing = None;
        if is_committed {
            (self.compaction.failures, self.compaction.not_before) = (0, None);
            self.content.snapshot_written(generation);
            self.note_forgettable(cx);
            self.note_tail(cx);
        } else {
            self.compaction_failed(cx, "the store did not take it");
        }
        self.try_close(cx);
    }

    /// The snapshot's body is here again: everything that waited for it goes on.
    pub(crate) fn snapshot_read(&mut self, cx: &mut Context<'_>, generation: u64, result: Result<Bytes, Arc<str>>) {
        if !std::mem::take(&mut self.is_snapshot_asked) {
            return;
        }
        let waiting = self.followers.iter_mut().filter(|(_, follower)| follower.awaits_snapshot);
        let waiting: Vec<_> = waiting
            .map(|(id, follower)| {
                follower.awaits_snapshot = false;
                *id
            })
            .collect();
        match result {
            Ok(body) => {
                self.content.snapshot_read(generation, body);
                self.note_forgettable(cx);
                for id in waiting {
                    let is_slow = self.followers.get(&id).is_some_and(|follower| follower.is_slow);
                    if is_slow { self.catch_up(cx, id) } else { self.answer(cx, id) }
                }
                for request in std::mem::take(&mut self.requests) {
                    self.request(cx, request);
                }
                self.consider_compaction(cx);
            }
            Err(reason) => {
                let message = format!("the snapshot cannot be read: {reason}");
                cx.out.event(Event::Fault { doc: self.name.clone(), message });
                waiting.into_iter().for_each(|id| self.close(cx, id, CloseCode::Unavailable));
                self.fail_requests(cx);
                self.compaction.not_before = Some(cx.now + cx.limits.compact_retry);
            }
        }
        self.try_close(cx);
    }

    fn fail_requests(&mut self, cx: &mut Context<'_>) {
        for request in std::mem::take(&mut self.requests) {
            let (request, error) = (Request::number(&request), RequestError::Unavailable);
            cx.out.event(Event::RequestFailed { request, error });
        }
    }

    /// The snapshot's body is in memory and was just needed.
    pub(super) fn note_forgettable(&mut self, cx: &mut Context<'_>) {
        self.compaction.used_at = Some(cx.now);
        let timer = Timer::Document(self.key, DocTimer::Forget);
        if cx.out.timers.at(timer).is_none() && self.content.has_forgettable() {
            cx.out.timers.set(timer, cx.now + cx.limits.forget_snapshot);
        }
    }

    /// Lets go of bytes that nobody has needed for a while.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>) {
        let due = self.compaction.used_at.map_or(cx.now, |used_at| used_at + cx.limits.forget_snapshot);
        if due > cx.now {
            cx.out.timers.set(Timer::Document(self.key, DocTimer::Forget), due);
        } else {
            self.content.forget();
        }
    }
}
