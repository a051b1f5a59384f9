//! How often many followers are written to: writing to a socket costs more than everything else that is done with an update, so
//! what comes within a moment is written as one.
use std::time::Instant;

use bytes::Bytes;
use stoa_base_types::FollowerId;

use super::Document;
use super::tail::merged;
use crate::follower::Audience;
use crate::hub::{Context, DocTimer, Timer};
use crate::wire::ServerMessage;

/// What waits to be handed out, and until when.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Updates that are part of the document, oldest first.
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    /// Who has all of them.
    senders: Vec<FollowerId>,
    /// After followers were written to.
    rests_until: Option<Instant>,
}

impl Pace {
    fn push(&mut self, update: Bytes, senders: &[FollowerId]) {
        if self.waiting.is_empty() {
            self.senders = senders.to_vec();
        } else {
            self.senders.retain(|id| senders.contains(id));
        }
        self.waiting_bytes += update.len();
        self.waiting.push(update);
    }
}

impl Document {
    /// Tells everybody who does not have it of something that became part of the document, now or soon.
    pub(super) fn hand_on(&mut self, cx: &mut Context<'_>, update: Bytes, senders: &[FollowerId]) {
        let is_much = self.pace.waiting_bytes + update.len() >= MUCH;
        self.pace.push(update, senders);
        if is_much || !self.must_rest(cx) {
            self.hand_out(cx);
        }
    }

    /// Tells everybody what waited. Somebody who wrote some of it, but not all, is told all: it knows its own.
    pub(super) fn hand_out(&mut self, cx: &mut Context<'_>) {
        let Pace { waiting, senders, .. } = std::mem::take(&mut self.pace);
        if waiting.is_empty() {
            return;
        }
        // All of these were read before, when they came; damage would be ours.
        let one = if waiting.len() > 1 { merged(waiting.iter()) } else { None };
        // Not before: what is sent meanwhile for other reasons says nothing of these.
        self.handed_out += waiting.len() as u64;
        for update in one.map_or(waiting, |one| vec![one]) {
            self.broadcast(cx, Audience::Updates, &senders, ServerMessage::Update(update));
        }
        self.rest(cx);
    }

    /// Followers were written to: if they are many, the next time is not at once.
    pub(super) fn rest(&mut self, cx: &Context<'_>) {
        let followers = u32::try_from(self.followers.len()).unwrap_or(u32::MAX);
        let pause = cx.limits.pause_each.saturating_mul(followers).min(cx.limits.pause_most);
        self.pace.rests_until = (self.followers.len() > cx.limits.unpaced_followers).then(|| cx.now + pause);
    }

    /// Whether followers were written to a moment ago. Then [`Self::end_rest`] is called when it is over.
    pub(super) fn must_rest(&self, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.pace.rests_until.filter(|until| *until > cx.now) else { return false };
        cx.out.timers.set(Timer::Document(self.key, DocTimer::Rest), until);
        true
    }

    /// Says what waited.
    pub(super) fn end_rest(&mut self, cx: &mut Context<'_>) {
        self.hand_out(cx);
        self.announce(cx);
    }
}

/// So many bytes do not wait: beside them, writing costs little.
const MUCH: usize = 16 << 10;
