//! How updates are taken: judged, logged, handed on, or held until others come.
use bytes::Bytes;
use stoa_base_types::{Access, FollowerId};

use super::Document;
use super::held::HeldUpdate;
use crate::hub::{Context, Dialect, Event};
use crate::update::{StateVector, Update, merge};
use crate::wire::{CloseCode, RefuseCode, ServerMessage, Storage};

/// Why an update is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reject {
    /// Its sender is told, and goes on.
    Refuse(RefuseCode),
    /// Its sender shall come again and send it anew.
    Close(CloseCode),
}

impl Document {
    /// A follower sent a step 2 or an update. It settles when the number of the log is committed that [`Self::judge`] tells.
    pub(super) fn update(&mut self, cx: &mut Context<'_>, id: FollowerId, bytes: Bytes, is_step_2: bool) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        follower.acks.received += 1;
        let is_counted = !is_step_2 || follower.questions.answered();
        match self.judge(cx, id, bytes, is_step_2) {
            Ok(seq) if is_counted => self.settle(cx, id, seq),
            Ok(_) => {}
            Err(Reject::Refuse(code)) => self.refuse(cx, id, code),
            Err(Reject::Close(code)) => self.close(cx, id, code),
        }
    }

    /// A follower sent an update so large that nobody kept it.
    pub(super) fn oversized(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        if let Some(follower) = self.followers.get_mut(&id) {
            follower.acks.received += 1;
            self.refuse(cx, id, RefuseCode::TooLarge);
        }
    }

    fn settle(&mut self, cx: &mut Context<'_>, id: FollowerId, seq: u64) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        follower.acks.settle_at(seq, self.log.committed_through());
        if follower.acks.is_waiting() {
            self.acks_waiting.insert(id);
        }
        if follower.acks.is_due() {
            self.acks_due.push(id);
            self.want_flush(cx);
        }
    }

    fn refuse(&mut self, cx: &mut Context<'_>, id: FollowerId, code: RefuseCode) {
        cx.out.stats.refused += 1;
        let Some(follower) = self.followers.get(&id) else { return };
        let (number, dialect) = (follower.acks.received, follower.dialect);
        match (dialect, code) {
            (Dialect::Plain, RefuseCode::Malformed) => return self.close(cx, id, CloseCode::Malformed),
            // It is asked again when there is room; that is nothing to tell a user.
            (Dialect::Plain, RefuseCode::TooManyHeld) => return,
            (Dialect::Hocuspocus, _) => return self.send(cx, id, ServerMessage::SyncStatus { is_saved: false }),
            (Dialect::Native | Dialect::Plain, _) => {}
        }
        self.send(cx, id, ServerMessage::Refused { number, code });
        if dialect == Dialect::Native {
            self.settle(cx, id, 0);
        }
    }

    /// The number of the log whose commit settles the update.
    fn judge(&mut self, cx: &mut Context<'_>, id: FollowerId, bytes: Bytes, is_step_2: bool) -> Result<u64, Reject> {
        if bytes.len() > cx.limits.update_bytes {
            return Err(Reject::Refuse(RefuseCode::TooLarge));
        }
        let update = Update::read(bytes).map_err(|_| Reject::Refuse(RefuseCode::Malformed))?;
        if self.content.knows(&update) {
            cx.out.stats.duplicates += 1;
            return Ok(self.log.needed_for(&update));
        }
        if self.followers.get(&id).is_none_or(|follower| follower.access == Access::Read) {
            return Err(Reject::Refuse(RefuseCode::ReadOnly));
        }
        if self.is_of_former_epoch(&update) {
            return Err(Reject::Close(CloseCode::Gone));
        }
        self.accept(cx, update, Some(id), is_step_2)
    }

    fn is_of_former_epoch(&self, update: &Update) -> bool {
        !self.former_authors.is_empty()
            && (update.authors().any(|(client, _)| self.is_former(client))
                || update.deletes().iter().any(|(client, _)| self.is_former(client)))
    }

    /// Takes an update that brings something: appends it, hands on what is ready, holds the rest.
    pub(super) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        update: Update,
        sender: Option<FollowerId>,
        is_step_2: bool,
    ) -> Result<u64, Reject> {
        self.has_room(cx, update.byte_len())?;
        let split = update.split(self.content.vector());
        let result = match split.rest {
            None => Ok(self.accept_whole(cx, update, sender, is_step_2)),
            Some(rest) => {
                let (ready, rest) = (split.ready.map(Update::read).transpose(), Update::read(rest));
                // Both halves of an update are updates. What the server itself writes has no gaps.
                let (Ok(ready), Ok(rest), Some(sender)) = (ready, rest, sender) else {
                    return Err(Reject::Refuse(RefuseCode::Malformed));
                };
                // Every step 2 has known deletes in it.
                let ready = ready.filter(|ready| !self.content.knows(ready));
                let halves = Halves { ready, rest, missing: split.missing };
                self.accept_halves(cx, &update, halves, sender, is_step_2)
            }
        };
        self.note_tail(cx);
        result
    }

    fn accept_whole(
        &mut self,
        cx: &mut Context<'_>,
        update: Update,
        sender: Option<FollowerId>,
        is_step_2: bool,
    ) -> u64 {
        let update = self.trimmed(update);
        let seq = self.append(cx, update.bytes().clone(), true);
        self.release(cx, &update, sender.as_slice());
        self.release_held(cx);
        if is_step_2 {
            self.ask_refused(cx);
        }
        seq
    }

    fn accept_halves(
        &mut self,
        cx: &mut Context<'_>,
        update: &Update,
        halves: Halves,
        sender: FollowerId,
        is_step_2: bool,
    ) -> Result<u64, Reject> {
        let Halves { ready, rest, missing } = halves;
        let held_at = self.content.held.find(&rest, Some(sender));
        let may_hold = self.may_hold(cx, rest.byte_len());
        let result = match (held_at, &ready) {
            (Some(seq), None) => {
                cx.out.stats.duplicates += 1;
                // What of it is not held may be on its way to the disk, too.
                Ok(seq.max(self.log.needed_for(update)))
            }
            (None, _) if !may_hold => {
                // What can be taken is taken all the same: a client must not be stopped by what others left behind.
                ready.as_ref().map(|ready| self.append(cx, ready.bytes().clone(), true));
                Err(Reject::Refuse(RefuseCode::TooManyHeld))
            }
            _ => Ok(self.append(cx, update.bytes().clone(), true)),
        };
        if let Some(ready) = &ready {
            self.release(cx, ready, &[sender]);
        }
        if let (None, Ok(seq)) = (held_at, result) {
            self.content.held.push(HeldUpdate { seq, senders: vec![sender], update: rest, missing });
            cx.out.stats.held_updates += 1;
        }
        if ready.is_some() {
            self.release_held(cx);
        }
        if result.is_err()
            && let Some(follower) = self.followers.get_mut(&sender)
        {
            follower.owes_refused = true;
        }
        // A step 2 that brings nothing comes from someone who lacks the same; to ask again would never end.
        if !is_step_2 || ready.is_some() {
            self.ask_for_gap(cx, sender);
        }
        result
    }

    fn has_room(&self, cx: &Context<'_>, length: usize) -> Result<(), Reject> {
        if cx.situation.is_full {
            return Err(Reject::Refuse(RefuseCode::Quota));
        }
        if self.content.byte_len() + length > cx.limits.document_bytes {
            return Err(Reject::Refuse(RefuseCode::TooLarge));
        }
        // What is not on disk is never dropped, so there is an end to it; a disk that is merely slow has more credit.
        let most = match self.storage(cx) {
            Storage::Failing => cx.limits.dirty_bytes,
            Storage::Well => cx.limits.dirty_bytes.saturating_mul(4),
        };
        if self.log.pending_bytes() > 0 && self.log.pending_bytes() + length > most {
            return Err(Reject::Close(CloseCode::Unavailable));
        }
        Ok(())
    }

    fn may_hold(&self, cx: &Context<'_>, length: usize) -> bool {
        let held = &self.content.held;
        held.len() < cx.limits.held_updates && held.bytes() + length <= cx.limits.held_bytes
    }

    /// A step 2 comes with all deletes that its sender ever saw; most are known, and need not be logged and told again.
    fn trimmed(&self, update: Update) -> Update {
        if update.deletes().len() < MANY_DELETES {
            return update;
        }
        let news = update.deletes().difference(self.content.deletes());
        if news.len() * 2 > update.deletes().len() {
            return update;
        }
        let trimmed = merge(&[&update], self.content.vector(), &news);
        Update::read(trimmed.into()).unwrap_or(update)
    }

    /// Appends an update to the log, and hands it to the store.
    pub(super) fn append(&mut self, cx: &mut Context<'_>, body: Bytes, is_new: bool) -> u64 {
        cx.out.stats.dirty_bytes += body.len();
        if is_new {
            cx.out.stats.updates += 1;
        }
        let seq = self.log.append(body.clone(), is_new);
        if !self.log.is_given_back() {
            let is_awaited = self.followers.values().any(|follower| follower.dialect != Dialect::Plain);
            let (doc, epoch) = (self.name.clone(), self.epoch);
            cx.out.event(Event::Append { doc, epoch, seq, body, is_awaited });
        }
        seq
    }

    /// Makes an update part of the document, and tells everybody who does not have it.
    fn release(&mut self, cx: &mut Context<'_>, update: &Update, senders: &[FollowerId]) {
        let delta = self.content.add(update);
        self.log.note(delta);
        self.hand_on(cx, update.bytes().clone(), senders);
    }

    /// Something new is known: held updates that waited for it go on, and those that waited for them.
    fn release_held(&mut self, cx: &mut Context<'_>) {
        let before = self.content.held.len();
        if before == 0 {
            return;
        }
        for (update, delta, senders) in self.content.release_held() {
            self.log.note(delta);
            self.hand_on(cx, update.bytes().clone(), &senders);
        }
        let released = before - self.content.held.len();
        cx.out.stats.held_updates -= released;
        if released > 0 {
            self.ask_refused(cx);
        }
    }

    /// What was refused because too much was held may find room now, or what it waits for.
    fn ask_refused(&mut self, cx: &mut Context<'_>) {
        let owing: Vec<_> =
            self.followers.iter().filter(|(_, follower)| follower.owes_refused).map(|(id, _)| *id).collect();
        for id in owing {
            if let Some(follower) = self.followers.get_mut(&id) {
                follower.owes_refused = false;
                self.ask_for_gap(cx, id);
            }
        }
    }
}

/// An update of which something must wait.
struct Halves {
    ready: Option<Update>,
    rest: Update,
    missing: StateVector,
}

/// A delete set of so many ranges is worth a look.
const MANY_DELETES: usize = 16;
