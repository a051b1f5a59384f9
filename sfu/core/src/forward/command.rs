use std::time::Instant;

use super::subscription::Subscription;
use super::track::{Track, TrackConfig};
use super::{
    Before, CommandError, Forwarder, MOST_SINK_TRACKS, MOST_SUBSCRIPTIONS, MOST_TRACKS, REPLAY_INTERVAL, Timer, Wish,
};
use crate::layer::Quality;
use crate::packet::{Publisher, Sink, TrackId};
use crate::rewrite::LastNumbers;

impl Forwarder {
    /// A track is published.
    ///
    /// # Errors
    /// If the id or the publisher's mid is in use, or the room is full.
    pub fn publish(&mut self, id: TrackId, config: TrackConfig) -> Result<(), CommandError> {
        let key = (config.publisher, config.mid);
        if self.tracks.contains_key(&id) || self.by_mid.contains_key(&key) {
            return Err(CommandError::Duplicate(id));
        }
        if self.tracks.len() >= MOST_TRACKS {
            return Err(CommandError::Full);
        }
        self.by_mid.insert(key, id);
        self.tracks.insert(id, Track::new(config));
        Ok(())
    }

    /// A track is gone.
    pub fn unpublish(&mut self, id: TrackId) {
        let Some(track) = self.tracks.remove(&id) else { return };
        self.by_mid.remove(&(track.config.publisher, track.config.mid));
        self.by_ssrc.retain(|_, (found, _)| *found != id);
        for (place, _) in (0_u8..).zip(&track.layers) {
            self.deadlines.clear(Timer::Keyframe(id, place));
            self.deadlines.clear(Timer::Gaps(id, place));
        }
        self.deadlines.clear(Timer::Layers(id));
        for subscription in &track.subscriptions {
            self.forget(subscription.sink, id);
        }
        self.speakers.remove(id);
    }

    /// All tracks of a publisher are gone.
    pub fn remove_publisher(&mut self, publisher: Publisher) {
        let theirs = |(id, track): (&TrackId, &Track)| (track.config.publisher == publisher).then_some(*id);
        let gone: Vec<_> = self.tracks.iter().filter_map(theirs).collect();
        gone.into_iter().for_each(|id| self.unpublish(id));
    }

    /// A sink shall get a track. It starts at once if the cache holds a fresh keyframe, else one is asked for.
    ///
    /// # Errors
    /// If there is no such track, the sink has it already, or there are too many.
    pub fn subscribe(&mut self, sink: Sink, id: TrackId, wish: Wish, now: Instant) -> Result<(), CommandError> {
        self.subscribe_after(sink, id, wish, Before::default(), now)
    }

    /// The same, where something is known from before.
    ///
    /// # Errors
    /// As above.
    pub fn subscribe_after(
        &mut self,
        sink: Sink,
        id: TrackId,
        wish: Wish,
        before: Before,
        now: Instant,
    ) -> Result<(), CommandError> {
        let track = self.tracks.get_mut(&id).ok_or(CommandError::UnknownTrack(id))?;
        let Err(place) = track.subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink) else {
            return Err(CommandError::Duplicate(id));
        };
        let tracks = self.sinks.get(&sink).map_or(0, |path| path.tracks.len());
        if track.subscriptions.len() >= MOST_SUBSCRIPTIONS || tracks >= MOST_SINK_TRACKS {
            return Err(CommandError::Full);
        }
        let path = self.sinks.entry(sink).or_default();
        path.estimate = path.estimate.or(before.estimate);
        path.tracks.push(id);
        let mut subscription = Subscription::new(sink, track.config.codec, track.config.kind, wish, now);
        if let Some(last) = before.numbers {
            subscription.rewriter_mut().follow(last);
        }
        track.subscriptions.insert(place, subscription);
        self.allocate(sink, now);
        self.aim(sink, id, now);
        Ok(())
    }

    /// The numbers that a sink has seen of a track; for [`Self::subscribe_after`].
    #[must_use]
    pub fn last_numbers(&self, sink: Sink, id: TrackId) -> Option<LastNumbers> {
        let subscriptions = &self.tracks.get(&id)?.subscriptions;
        let place = subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink).ok()?;
        subscriptions.get(place)?.rewriter().last_numbers()
    }

    /// A sink shall not get a track any more.
    pub fn unsubscribe(&mut self, sink: Sink, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        if let Ok(place) = track.subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink) {
            track.subscriptions.remove(place);
        }
        self.forget(sink, id);
        self.ask_for_waiting(id, now);
    }

    /// A sink is gone.
    pub fn remove_sink(&mut self, sink: Sink, now: Instant) {
        let tracks = self.sinks.get(&sink).map(|path| path.tracks.clone()).unwrap_or_default();
        tracks.into_iter().for_each(|id| self.unsubscribe(sink, id, now));
    }

    /// A sink wants something else of a track.
    ///
    /// # Errors
    /// If it does not get the track.
    pub fn set_wish(&mut self, sink: Sink, id: TrackId, wish: Wish, now: Instant) -> Result<(), CommandError> {
        let track = self.tracks.get_mut(&id).ok_or(CommandError::UnknownTrack(id))?;
        let subscription = track.subscription_mut(sink).ok_or(CommandError::NotSubscribed(sink, id))?;
        subscription.wish = wish;
        self.allocate(sink, now);
        self.aim(sink, id, now);
        Ok(())
    }

    /// What the way to a sink is thought to carry, in bit/s. Audio is never cut for it, video is.
    pub fn set_estimate(&mut self, sink: Sink, bitrate: u64, now: Instant) {
        let Some(path) = self.sinks.get_mut(&sink) else { return };
        (path.estimate, path.estimated_at) = (Some(bitrate), Some(now));
        self.allocate(sink, now);
    }

    /// Whether packets to a sink are lost, or take so long that a queue must have filled.
    pub fn set_congested(&mut self, sink: Sink, is_congested: bool, now: Instant) {
        if let Some(path) = self.sinks.get_mut(&sink) {
            path.calm.note(is_congested, now);
        }
    }

    /// The server silences a track, or lets it be heard again. Sinks go on as if it had paused.
    ///
    /// # Errors
    /// If there is no such track.
    pub fn set_muted(&mut self, id: TrackId, is_muted: bool, now: Instant) -> Result<(), CommandError> {
        let track = self.tracks.get_mut(&id).ok_or(CommandError::UnknownTrack(id))?;
        if track.is_muted == is_muted {
            return Ok(());
        }
        track.is_muted = is_muted;
        // Nothing was followed while it was muted.
        track.layers.iter_mut().for_each(super::track::Layer::interrupt);
        for subscription in &mut track.subscriptions {
            subscription.interrupt();
        }
        if is_muted {
            self.speakers.remove(id);
        }
        self.ask_for_waiting(id, now);
        Ok(())
    }

    /// Whether a track is silenced.
    #[must_use]
    pub fn is_muted(&self, id: TrackId) -> bool {
        self.tracks.get(&id).is_some_and(|track| track.is_muted)
    }

    /// Makes what a sink wishes and may have of a track its target.
    pub(super) fn aim(&mut self, sink: Sink, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let (active, is_audio) = (track.active, track.is_audio());
        let estimate = self.sinks.get(&sink).and_then(|path| path.estimate);
        let most_bytes = estimate.map_or(usize::MAX, |rate| usize::try_from(rate / 8).unwrap_or(usize::MAX));
        let (layers, subscriptions) = (&track.layers, &mut track.subscriptions);
        let Ok(place) = subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink) else { return };
        let Some(subscription) = subscriptions.get_mut(place) else { return };
        let wish = subscription.wish;
        let most = subscription.given.map_or(wish.most, |given| capped(given, wish.most));
        let is_off = wish.is_paused || !is_audio && subscription.was_starved;
        subscription.aim((!is_off).then_some(most), active);
        if is_audio {
            return;
        }
        // The best layer that can be had at once, not above the one desired.
        let desired = subscription.desired();
        let candidates = desired.into_iter().flat_map(|desired| (0..=desired).rev());
        let is_started = candidates
            .filter_map(|place| Some((place, layers.get(usize::from(place))?)))
            .any(|(place, layer)| subscription.start_from_cache(place, layer, most_bytes, now));
        if is_started {
            self.deadlines.set(Timer::Replay(sink, id), now + REPLAY_INTERVAL);
        }
        self.ask_for_waiting(id, now);
    }

    fn forget(&mut self, sink: Sink, id: TrackId) {
        self.deadlines.clear(Timer::Replay(sink, id));
        let Some(path) = self.sinks.get_mut(&sink) else { return };
        path.tracks.retain(|track| *track != id);
        if path.tracks.is_empty() {
            self.sinks.remove(&sink);
            self.deadlines.clear(Timer::Allocate(sink));
        }
    }
}

/// No better than `most`.
pub(super) fn capped(given: Quality, most: Quality) -> Quality {
    Quality { layer: given.layer.min(most.layer), temporal: given.temporal.min(most.temporal) }
}
