//! What a document's followers are sent, and how those are treated who do not read it.
use std::sync::Arc;

use stoa_base_types::{Access, Epoch, FollowerId};

use super::Document;
use crate::follower::{Audience, Follower};
use crate::hub::{Context, Dialect, Event, Recipients};
use crate::update::StateVector;
use crate::wire::{CloseCode, ServerMessage};

/// Who is in which audience, until somebody comes or goes.
#[derive(Debug, Default)]
pub(super) struct Lists {
    updates: Option<Arc<[FollowerId]>>,
    awareness: Option<Arc<[FollowerId]>>,
    notices: Option<Arc<[FollowerId]>>,
    native: Option<Arc<[FollowerId]>>,
}

impl Lists {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn slot(&mut self, audience: Audience) -> &mut Option<Arc<[FollowerId]>> {
        match audience {
            Audience::Updates => &mut self.updates,
            Audience::Awareness => &mut self.awareness,
            Audience::Notices => &mut self.notices,
            Audience::Native => &mut self.native,
        }
    }
}

impl Document {
    fn list(&mut self, audience: Audience) -> Arc<[FollowerId]> {
        let followers = &self.followers;
        let members = || followers.iter().filter(|(_, follower)| follower.is_in(audience)).map(|(id, _)| *id);
        self.lists.slot(audience).get_or_insert_with(|| members().collect()).clone()
    }

    /// Sends one message to many, except those who have it. One transmit, however many they are.
    pub(super) fn broadcast(
        &mut self,
        cx: &mut Context<'_>,
        audience: Audience,
        except: &[FollowerId],
        message: ServerMessage,
    ) {
        let list = self.list(audience);
        let to = match except {
            [] => Recipients::many(list, None),
            [one] => Recipients::many(list, Some(*one)),
            several => Recipients::many(list.iter().copied().filter(|id| !several.contains(id)).collect(), None),
        };
        let (cost, position) = (message.cost() as u64, self.handed_out);
        let (mut delivered, mut too_slow) = (0, Vec::new());
        for (id, follower) in &mut self.followers {
            if !follower.is_in(audience) || except.contains(id) {
                continue;
            }
            delivered += 1;
            follower.sent_at = cx.now;
            follower.queue.push(cost, position, follower.is_slow);
            if is_too_slow(follower, cx) {
                too_slow.push(*id);
            }
        }
        if delivered == 0 {
            return;
        }
        cx.out.stats.delivered += delivered;
        cx.out.send(&self.name, to, message);
        for id in too_slow {
            self.slow_down(cx, id);
        }
    }

    /// Sends one message to one.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, id: FollowerId, message: ServerMessage) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        follower.sent_at = cx.now;
        follower.queue.push(message.cost() as u64, self.handed_out, follower.is_slow);
        let is_hopeless = follower.is_slow && is_too_slow(follower, cx);
        cx.out.stats.delivered += 1;
        cx.out.send(&self.name, Recipients::one(id), message);
        if is_hopeless {
            self.close(cx, id, CloseCode::Unavailable);
        }
    }

    /// Nothing more is queued for the follower; the driver drops what it may.
    fn slow_down(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        if follower.is_slow {
            return self.close(cx, id, CloseCode::Unavailable);
        }
        follower.is_slow = true;
        self.lists.clear();
        cx.out.stats.slow_followers += 1;
        cx.out.event(Event::DropQueue { follower: id });
    }

    /// Messages for a follower were written, or dropped.
    pub(crate) fn written(&mut self, cx: &mut Context<'_>, id: FollowerId, cost: usize) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        follower.queue.written(cost as u64, follower.is_slow);
        if follower.is_slow && follower.queue.in_flight() == 0 {
            self.catch_up(cx, id);
        }
    }

    /// A slow follower has read everything: it is sent what it missed.
    pub(super) fn catch_up(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        let missed = match &follower.asked {
            None if follower.is_synced => self.content.since(follower.queue.floor()),
            _ => Ok(None),
        };
        let missed = match missed {
            Ok(missed) => missed,
            Err(away) => {
                follower.awaits_snapshot = true;
                return self.ask_snapshot(cx, away);
            }
        };
        follower.is_slow = false;
        follower.queue.resume();
        let (is_native, has_asked) = (follower.is_native(), follower.asked.is_some());
        self.lists.clear();
        if let Some(missed) = missed {
            self.send(cx, id, ServerMessage::Update(missed));
        }
        if has_asked {
            self.answer(cx, id);
        }
        let awareness = self.awareness.all_and_gone();
        self.send(cx, id, ServerMessage::Awareness(awareness));
        if is_native {
            self.tell_durable(cx, id);
        }
        self.acks_due.push(id);
        self.want_flush(cx);
        self.note_forgettable(cx);
    }

    /// Says to a new follower what it must know before anything else.
    pub(super) fn welcome(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let (epoch, storage) = (self.epoch, self.storage(cx));
        let Some(follower) = self.followers.get(&id).filter(|follower| follower.is_native()) else { return };
        let access = follower.access;
        self.send(cx, id, ServerMessage::Opened { epoch, access, storage });
        self.tell_durable(cx, id);
    }

    fn tell_durable(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let (vector, deletes) = self.log.durable(self.content.vector(), self.content.deletes());
        let (vector, deletes) = (vector.encode().into(), deletes.encode().into());
        self.send(cx, id, ServerMessage::Durable { vector, deletes });
    }

    /// A follower asks for what it lacks.
    pub(super) fn step_1(&mut self, cx: &mut Context<'_>, id: FollowerId, vector: &[u8]) {
        let Ok(vector) = StateVector::decode(vector) else { return self.close(cx, id, CloseCode::Malformed) };
        if vector.iter().any(|(client, _)| self.is_former(client)) {
            return self.close(cx, id, CloseCode::Gone);
        }
        let Some(follower) = self.followers.get_mut(&id) else { return };
        follower.asked = Some(vector);
        if follower.dialect == Dialect::Hocuspocus {
            follower.acks.start_over();
        }
        if follower.is_slow {
            return;
        }
        // Who asks and asks, and reads nothing, gets one answer.
        if is_too_slow(follower, cx) { self.slow_down(cx, id) } else { self.answer(cx, id) }
    }

    /// Answers a step 1 with step 2, with who is there, and with a step 1 of the server's own.
    pub(super) fn answer(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        let Some(asked) = &follower.asked else { return };
        let lacking = match self.content.lacking(asked) {
            Ok(lacking) => lacking,
            Err(away) => {
                follower.awaits_snapshot = true;
                return self.ask_snapshot(cx, away);
            }
        };
        follower.asked = None;
        follower.is_synced = true;
        follower.queue.start_at(self.handed_out);
        // Hocuspocus's provider counts the answer to this among its changes, so it is asked even if it may not write.
        let is_asked = follower.access == Access::Write || follower.dialect == Dialect::Hocuspocus;
        self.lists.clear();
        self.send(cx, id, ServerMessage::Step2(lacking));
        if !self.awareness.is_empty() {
            let all = self.awareness.all();
            self.send(cx, id, ServerMessage::Awareness(all));
        }
        if is_asked {
            self.ask(cx, id, true);
        }
        self.note_forgettable(cx);
    }

    /// Asks a follower for what the server lacks. Whether it counts its answer depends on what the question follows.
    fn ask(&mut self, cx: &mut Context<'_>, id: FollowerId, is_counted: bool) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        if follower.dialect == Dialect::Hocuspocus {
            follower.questions.asked(is_counted);
        }
        let vector = self.content.vector().encode().into();
        self.send(cx, id, ServerMessage::Step1(vector));
    }

    /// Asks a follower for what is missing before its update, unless it was asked already.
    pub(super) fn ask_for_gap(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        if !follower.is_slow && !std::mem::replace(&mut follower.is_asked_for_gap, true) {
            self.ask(cx, id, false);
        }
    }

    /// A follower's rights changed.
    pub(crate) fn set_access(&mut self, cx: &mut Context<'_>, id: FollowerId, access: Access) {
        let is_open = self.is_open();
        let Some(follower) = self.followers.get_mut(&id) else { return };
        let before = std::mem::replace(&mut follower.access, access);
        if before == access || !is_open {
            return;
        }
        let (dialect, is_asked) = (follower.dialect, access == Access::Write && follower.is_synced);
        if dialect != Dialect::Plain {
            self.send(cx, id, ServerMessage::Access(access));
        }
        if is_asked {
            self.ask(cx, id, false);
        }
    }

    /// Says at the end of a turn what is better said once.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        self.is_flush_due = false;
        if self.has_news() && !self.must_rest(cx) {
            self.announce(cx);
        }
        for id in std::mem::take(&mut self.acks_due) {
            self.acknowledge(cx, id);
        }
    }

    /// Whether there is something to tell many, beside updates.
    fn has_news(&self) -> bool {
        !self.durable.0.is_empty() || !self.durable.1.is_empty() || self.awareness.has_changes()
    }

    /// Tells everybody what became durable, and who came, moved and went.
    pub(super) fn announce(&mut self, cx: &mut Context<'_>) {
        if !self.has_news() {
            return;
        }
        let (vector, deletes) = std::mem::take(&mut self.durable);
        if !vector.is_empty() || !deletes.is_empty() {
            let (vector, deletes) = (vector.encode().into(), deletes.encode().into());
            self.broadcast(cx, Audience::Notices, &[], ServerMessage::Durable { vector, deletes });
        }
        if let Some((update, except)) = self.awareness.take_changes() {
            let message = ServerMessage::Awareness(update);
            self.broadcast(cx, Audience::Awareness, except.as_slice(), message);
        }
        self.rest(cx);
    }

    fn acknowledge(&mut self, cx: &mut Context<'_>, id: FollowerId) {
        let Some(follower) = self.followers.get_mut(&id) else { return };
        if follower.is_slow || !follower.acks.is_due() {
            return;
        }
        let (count, news) = follower.acks.take();
        match follower.dialect {
            Dialect::Native => self.send(cx, id, ServerMessage::Ack { count }),
            Dialect::Hocuspocus => {
                for _ in 0..news {
                    self.send(cx, id, ServerMessage::SyncStatus { is_saved: true });
                }
            }
            Dialect::Plain => {}
        }
    }

    /// The epoch and all former authors, once the document has begun anew; see the requests.
    pub(super) const fn next_epoch(&self) -> Epoch {
        Epoch(self.epoch.0 + 1)
    }

    /// Whether someone wrote in an earlier epoch, and not in this one.
    pub(super) fn is_former(&self, client: u64) -> bool {
        self.former_authors.binary_search(&client).is_ok() && self.content.vector().get(client) == 0
    }
}

/// Whether more is handed out for a follower than it may leave unread.
fn is_too_slow(follower: &Follower, cx: &Context<'_>) -> bool {
    if follower.is_slow {
        follower.queue.slow_bytes() > cx.limits.slow_queue_bytes as u64
    } else {
        follower.queue.in_flight() > cx.limits.queue_bytes as u64
    }
}
