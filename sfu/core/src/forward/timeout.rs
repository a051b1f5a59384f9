use std::time::Instant;

use super::command::capped;
use super::{
    ALLOCATE_INTERVAL, CATCH_UP, Event, Forwarder, LAYER_SILENCE, NUDGE, PROBE_AGAIN, PROBE_STARVED, REPLAY_INTERVAL,
    REPLAY_RATE, RISE_AFTER, SHORT, SLACK, STALE, TRY_AGAIN, Timer,
};
use crate::allocate::{Demand, allocate, least, least_of, wanted};
use crate::layer::Quality;
use crate::packet::{Outgoing, Sink, TrackId};

impl Forwarder {
    /// Does everything that is due. Appends packets for sinks that catch up.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Outgoing>) {
        let before = out.len();
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::Keyframe(id, place) => self.request_keyframe(id, place, now),
                Timer::Gaps(id, place) => self.request_lost(id, place, now),
                Timer::Layers(id) => self.check_layers(id, now),
                Timer::Replay(sink, id) => self.replay(sink, id, now, out),
                Timer::Allocate(sink) => self.allocate(sink, now),
            }
        }
        self.stats.forwarded += u64::try_from(out.len() - before).unwrap_or_default();
        if self.speakers.handle_timeout(now) {
            self.tell(Event::Speakers(self.speakers.active().to_vec()));
        }
    }

    fn request_keyframe(&mut self, id: TrackId, place: u8, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id).filter(|track| !track.is_muted) else { return };
        let publisher = track.config.publisher;
        let Some(layer) = track.layer_mut(place) else { return };
        let is_due = layer.requests.take_due(now);
        if let Some(due) = layer.requests.due() {
            self.deadlines.set(Timer::Keyframe(id, place), due);
        }
        if let Some(ssrc) = layer.ssrc.filter(|_| is_due) {
            self.tell(Event::RequestKeyframe { publisher, ssrc });
        }
    }

    fn request_lost(&mut self, id: TrackId, place: u8, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let publisher = track.config.publisher;
        let Some(layer) = track.layer_mut(place) else { return };
        let mut sequences = Vec::new();
        layer.gaps.take_due(now, layer.rtt, &mut sequences);
        if let Some(due) = layer.gaps.poll_timeout() {
            // More than fits one request waits for the next.
            self.deadlines.set(Timer::Gaps(id, place), due.max(now + REPLAY_INTERVAL));
        }
        if let Some(ssrc) = layer.ssrc.filter(|_| !sequences.is_empty()) {
            self.tell(Event::Nack { publisher, ssrc, sequences });
        }
    }

    fn check_layers(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        // A track that is silent needs no looking after; its next packet sets the deadline anew.
        if track.is_live(now) {
            self.deadlines.set(Timer::Layers(id), now + LAYER_SILENCE);
        }
        if !track.find_vanished() {
            return;
        }
        let active = track.active;
        for subscription in &mut track.subscriptions {
            subscription.refresh(active);
        }
        self.ask_for_waiting(id, now);
    }

    fn replay(&mut self, sink: Sink, id: TrackId, now: Instant, out: &mut Vec<Outgoing>) {
        let estimate = self.sinks.get(&sink).and_then(|path| path.estimate);
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let current = track.subscription_mut(sink).and_then(|subscription| subscription.current());
        let live = current.and_then(|current| track.layer_mut(current.layer)).map_or(0, |layer| layer.bitrate(now));
        let (layers, subscriptions) = (&track.layers, &mut track.subscriptions);
        let Ok(place) = subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink) else { return };
        let Some(subscription) = subscriptions.get_mut(place) else { return };
        let layer = subscription.current().and_then(|current| layers.get(usize::from(current.layer)));
        let Some(layer) = layer.filter(|_| subscription.is_replaying()) else { return };
        // Slower than what comes meanwhile it would never catch up; what the path cannot carry the engine's pacer holds back.
        let rate = estimate.unwrap_or(REPLAY_RATE).max(live * CATCH_UP);
        let bytes = u128::from(rate / 8) * REPLAY_INTERVAL.as_millis() / 1_000;
        if subscription.catch_up(id, layer, usize::try_from(bytes).unwrap_or(usize::MAX), out) {
            self.deadlines.set(Timer::Replay(sink, id), now + REPLAY_INTERVAL);
        } else {
            self.ask_for_waiting(id, now);
        }
    }

    /// Divides a sink's bandwidth.
    pub(super) fn allocate(&mut self, sink: Sink, now: Instant) {
        let Some(path) = self.sinks.get(&sink) else { return };
        let Some(estimate) = path.estimate else { return };
        let may_rise = path.fell_at.is_none_or(|at| now.saturating_duration_since(at) >= RISE_AFTER);
        let (mut audio, mut videos, mut unknown, mut demands) = (0, Vec::new(), Vec::new(), Vec::new());
        for id in &path.tracks {
            let Some(track) = self.tracks.get_mut(id) else { continue };
            let rates = track.rates(now);
            let is_audio = track.is_audio();
            let Some(subscription) = track.subscription_mut(sink) else { continue };
            if subscription.wish.is_paused {
                (subscription.given, subscription.was_starved) = (None, false);
                continue;
            }
            if is_audio {
                audio += rates.iter().flatten().max().copied().unwrap_or_default();
                continue;
            }
            // What has sent nothing yet costs nothing yet: its least is let through until it is known.
            if rates.iter().flatten().all(|rate| *rate == 0) {
                unknown.push(*id);
                continue;
            }
            videos.push(*id);
            demands.push(Demand {
                priority: subscription.wish.priority,
                most: subscription.wish.most,
                current: subscription.given,
                was_starved: subscription.was_starved,
                rates,
            });
        }
        let estimate = self.revised(sink, estimate, audio + least(&demands), now);
        let given = self.divide(sink, estimate, audio, &demands, may_rise, now);
        let has_fallen = demands
            .iter()
            .zip(&given)
            .any(|(demand, given)| *given < demand.current.map(|current| capped(current, demand.most)));
        let is_starved = !given.is_empty() && given.iter().all(Option::is_none);
        self.note_path(sink, has_fallen, audio + wanted(&demands), is_starved, now);
        for (id, given) in videos.into_iter().zip(given) {
            self.give(sink, id, given, now);
        }
        for id in unknown {
            self.give(sink, id, Some(Quality::LEAST), now);
        }
        self.deadlines.set(Timer::Allocate(sink), now + ALLOCATE_INTERVAL);
    }

    /// Divides what audio leaves. An estimate dips now and then for a moment: what is shown is not taken away before that has lasted, unless the
    /// path has just become narrower.
    fn divide(
        &mut self,
        sink: Sink,
        estimate: u64,
        audio: u64,
        demands: &[Demand],
        may_rise: bool,
        now: Instant,
    ) -> Vec<Option<Quality>> {
        let divide = |slack| allocate(estimate.saturating_sub(audio), slack, demands, may_rise);
        let mut given = divide(estimate / SLACK);
        let Some(path) = self.sinks.get_mut(&sink) else { return given };
        if path.calm.is_calm() {
            for (demand, given) in demands.iter().zip(&mut given) {
                if given.is_none() && !demand.was_starved {
                    *given = least_of(demand);
                }
            }
            let starved = demands.iter().zip(&mut given).filter(|(_, given)| given.is_none());
            if let Some((demand, given)) = starved.max_by_key(|(demand, _)| demand.priority)
                && path.calm.try_one(now)
            {
                *given = least_of(demand);
            }
        }
        if demands.iter().zip(&given).all(|(demand, given)| demand.current.is_none() || given.is_some()) {
            path.short_since = None;
            return given;
        }
        let since = *path.short_since.get_or_insert(now);
        if may_rise && now.saturating_duration_since(since) < SHORT { divide(audio + least(demands)) } else { given }
    }

    /// An estimate that nothing renews, because nothing is sent for its sake, is tried again with the least.
    fn revised(&mut self, sink: Sink, estimate: u64, least: u64, now: Instant) -> u64 {
        let Some(path) = self.sinks.get_mut(&sink).filter(|path| path.is_starved && least > estimate) else {
            return estimate;
        };
        if path.estimated_at.is_some_and(|at| now.saturating_duration_since(at) < TRY_AGAIN) {
            return estimate;
        }
        (path.estimate, path.estimated_at) = (Some(least), Some(now));
        least
    }

    fn note_path(&mut self, sink: Sink, has_fallen: bool, wanted: u64, is_starved: bool, now: Instant) {
        let Some(path) = self.sinks.get_mut(&sink) else { return };
        if has_fallen {
            path.fell_at = Some(now);
        }
        let is_known = path.wanted.abs_diff(wanted) <= path.wanted / 10 && path.is_starved == is_starved;
        let is_short = path.estimate.is_some_and(|estimate| estimate < wanted);
        let has_passed = |at: Option<Instant>, time| at.is_some_and(|at| now.saturating_duration_since(at) >= time);
        let is_stale = is_short && has_passed(path.estimated_at, STALE);
        if !is_known {
            (path.wanted, path.is_starved, path.nudge) = (wanted, is_starved, 0);
        } else if is_short && has_passed(path.told_at, if is_starved { PROBE_STARVED } else { PROBE_AGAIN }) {
            // The path is probed when more is wanted than before.
            path.nudge += NUDGE;
        } else if !is_stale {
            return;
        }
        if is_stale {
            path.estimated_at = Some(now);
        }
        path.told_at = Some(now);
        let bitrate = path.wanted + path.nudge;
        self.tell(Event::Wanted { sink, bitrate, is_starved, is_stale });
    }

    fn give(&mut self, sink: Sink, id: TrackId, given: Option<Quality>, now: Instant) {
        let Some(subscription) = self.tracks.get_mut(&id).and_then(|track| track.subscription_mut(sink)) else {
            return;
        };
        if subscription.given == given && subscription.was_starved == given.is_none() {
            return;
        }
        (subscription.given, subscription.was_starved) = (given, given.is_none());
        self.aim(sink, id, now);
    }
}
