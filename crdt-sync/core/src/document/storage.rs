//! A document and the disk: what was committed, what came back.
use std::sync::Arc;

use stoa_base_types::Epoch;

use super::Document;
use super::log::Edit;
use crate::follower::Audience;
use crate::hub::{Context, DocTimer, Event, Timer};
use crate::wire::{ServerMessage, Storage};

impl Document {
    /// How the disk is, as far as this document is concerned.
    pub(super) const fn storage(&self, cx: &Context<'_>) -> Storage {
        if self.is_failing || cx.situation.failing.is_some() { Storage::Failing } else { Storage::Well }
    }

    /// Everything up to `through` is on disk.
    pub(crate) fn committed(&mut self, cx: &mut Context<'_>, epoch: Epoch, through: u64) {
        if epoch != self.epoch {
            return;
        }
        self.is_erasing = false;
        let news = self.log.committed(through);
        cx.out.stats.dirty_bytes -= news.bytes;
        if self.followers.values().any(|follower| follower.is_native()) {
            self.durable.0.join(&news.vector);
            self.durable.1.union(&news.deletes);
        }
        for Edit { request, seq } in news.edits {
            cx.out.event(Event::Edited { request, epoch, seq });
        }
        self.settle_committed();
        self.want_flush(cx);
        if self.is_failing && !self.log.is_given_back() {
            self.is_failing = false;
            self.tell_storage(cx, &"".into());
        }
        self.finish_compaction(cx);
        self.try_close(cx);
    }

    fn settle_committed(&mut self) {
        let (followers, due, committed) = (&mut self.followers, &mut self.acks_due, self.log.committed_through());
        self.acks_waiting.retain(|id| {
            let Some(follower) = followers.get_mut(id) else { return false };
            follower.acks.committed(committed);
            if follower.acks.is_due() {
                due.push(*id);
            }
            follower.acks.is_waiting()
        });
    }

    /// The store does not have what begins at `from`.
    pub(crate) fn commit_failed(&mut self, cx: &mut Context<'_>, epoch: Epoch, from: u64, reason: &Arc<str>) {
        if epoch != self.epoch || self.log.is_clean() {
            return;
        }
        self.log.give_back(from);
        let before = self.storage(cx);
        self.is_failing = true;
        if before == Storage::Well {
            self.tell_storage(cx, reason);
        }
        cx.out.timers.set(Timer::Document(self.key, DocTimer::Retry), cx.now + cx.limits.retry_after);
    }

    /// Offers to the store again what it gave back, unless it is known to fail.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>) {
        if cx.situation.failing.is_some() {
            return;
        }
        for (seq, body) in self.log.retry() {
            let (doc, epoch) = (self.name.clone(), self.epoch);
            cx.out.event(Event::Append { doc, epoch, seq, body, is_awaited: true });
        }
    }

    /// The store changed its mind about committing anything at all.
    pub(crate) fn storage_changed(&mut self, cx: &mut Context<'_>, reason: &Arc<str>) {
        self.retry(cx);
        if !self.is_failing {
            self.tell_storage(cx, reason);
        }
        self.consider_compaction(cx);
    }

    fn tell_storage(&mut self, cx: &mut Context<'_>, reason: &Arc<str>) {
        let storage = self.storage(cx);
        self.broadcast(cx, Audience::Native, &[], ServerMessage::Storage { storage, reason: reason.clone() });
    }
}
