use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::layer::{Active, Choice, Quality, Selection};
use crate::packet::{Codec, Kind, Outgoing, Prefix, Sink, Stream, TrackId, low_u16};
use crate::retransmit::Cached;
use crate::rewrite::{Begin, Origin, Rewriter, Rewritten};

use super::Wish;
use super::track::{Layer, Received};

/// One sink's share of one track.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) sink: Sink,
    pub(super) wish: Wish,
    /// What the allocator gave; `None` while it had nothing to say.
    pub(super) given: Option<Quality>,
    pub(super) was_starved: bool,
    selection: Selection,
    rewriter: Rewriter,
    /// The next packet from the cache, while the sink catches up.
    replay: Option<u64>,
    rtx: u64,
    keyframe_at: Option<Instant>,
}

impl Subscription {
    pub(super) fn new(sink: Sink, codec: Codec, kind: Kind, wish: Wish, now: Instant) -> Self {
        let sent = if kind == Kind::Audio { AUDIO_SENT } else { VIDEO_SENT };
        Self {
            sink,
            wish,
            given: None,
            was_starved: false,
            selection: Selection::default(),
            rewriter: Rewriter::new(codec, sent, now),
            replay: None,
            rtx: 0,
            keyframe_at: None,
        }
    }

    /// Sets what the sink shall get. Returns the layer that a keyframe is needed of.
    pub(super) fn aim(&mut self, target: Option<Quality>, active: Active) -> Option<u8> {
        let wanted = self.selection.aim(target, active);
        if self.selection.current().is_none() {
            self.replay = None;
        }
        wanted
    }

    pub(super) fn refresh(&mut self, active: Active) -> Option<u8> {
        self.selection.refresh(active)
    }

    pub(super) fn waits_for(&self) -> Option<u8> {
        self.selection.waits_for()
    }

    pub(super) const fn desired(&self) -> Option<u8> {
        self.selection.desired()
    }

    pub(super) fn current(&self) -> Option<Origin> {
        self.selection.current()
    }

    pub(super) const fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The stream of `layer` began anew.
    pub(super) fn restarted(&mut self, layer: u8) {
        if self.selection.current().is_some_and(|current| current.layer == layer) {
            self.interrupt();
        }
    }

    /// What comes next begins with a keyframe.
    pub(super) const fn interrupt(&mut self) {
        self.selection.interrupt();
        self.replay = None;
    }

    /// A decoder asks for a keyframe. Returns the layer to ask for, unless one has just been sent.
    pub(super) fn keyframe_layer(&self, now: Instant) -> Option<u8> {
        let is_under_way = self.keyframe_at.is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_UNDER_WAY);
        if is_under_way { None } else { self.selection.desired() }
    }

    /// A packet of `layer` is in the cache under its number. Appends what the sink gets of it.
    #[inline]
    pub(super) fn forward(
        &mut self,
        track: TrackId,
        place: u8,
        layer: &Layer,
        received: &Received,
        is_audio: bool,
        out: &mut Vec<Outgoing>,
    ) {
        let origin = layer.origin(place);
        match self.selection.choose(origin, is_audio || received.description.is_keyframe) {
            Choice::Forward => {
                if self.replay.is_none_or(|next| received.sequence < next)
                    && let Some(cached) = layer.cache.at(received.sequence)
                {
                    self.send(track, cached, out);
                }
            }
            Choice::Switch => self.switch(track, origin, layer, received.sequence, out),
            Choice::Ignore => {}
        }
    }

    /// Switches to the keyframe that begins at `first`.
    fn switch(&mut self, track: TrackId, origin: Origin, layer: &Layer, first: u64, out: &mut Vec<Outgoing>) {
        let Some(cached) = layer.cache.at(first) else { return };
        let begin = if self.selection.was_refused() { Begin::Forced } else { Begin::Live };
        if self.rewriter.begin(origin, cached, &layer.clock, begin).is_err() {
            self.selection.refused();
            return;
        }
        self.selection.switched(origin);
        self.replay = None;
        // What overtook the keyframe's first packet is there already.
        for number in first..layer.cache.end() {
            if let Some(cached) = layer.cache.at(number) {
                self.send(track, cached, out);
            }
        }
    }

    /// Begins with what is in the cache of a layer, if there is a keyframe fresh enough and no more than `most` bytes since. The rest follows by
    /// [`Self::catch_up`].
    pub(super) fn start_from_cache(&mut self, place: u8, layer: &Layer, most: usize, now: Instant) -> bool {
        let is_idle = self.selection.current().is_none() && self.selection.desired().is_some();
        let Some(start) = layer.cache.start(most, now).filter(|_| is_idle) else { return false };
        let Some(cached) = layer.cache.at(start) else { return false };
        let origin = layer.origin(place);
        if self.rewriter.begin(origin, cached, &layer.clock, Begin::Replayed).is_err() {
            return false;
        }
        self.selection.switched(origin);
        self.replay = Some(start);
        true
    }

    /// Sends up to `bytes` from the cache. Returns whether there is more.
    pub(super) fn catch_up(&mut self, track: TrackId, layer: &Layer, bytes: usize, out: &mut Vec<Outgoing>) -> bool {
        let Some(mut next) = self.replay else { return false };
        if next < layer.cache.begin() {
            // It was forgotten before it was sent.
            self.interrupt();
            return false;
        }
        let mut left = bytes;
        while next < layer.cache.end() && left > 0 {
            if let Some(cached) = layer.cache.at(next) {
                left = left.saturating_sub(cached.packet.payload.len());
                self.send(track, cached, out);
            }
            next += 1;
        }
        self.replay = (next < layer.cache.end()).then_some(next);
        self.replay.is_some()
    }

    #[inline]
    fn send(&mut self, track: TrackId, cached: &Cached, out: &mut Vec<Outgoing>) {
        if let Some(rewritten) = self.rewriter.rewrite(cached, self.selection.temporal()) {
            if cached.description.is_keyframe {
                self.keyframe_at = Some(cached.at);
            }
            let stream = Stream::Media { sequence: rewritten.sequence };
            out.push(outgoing(self.sink, track, stream, &rewritten, cached));
        }
    }

    /// Sends again what a NACK asks for.
    pub(super) fn resend(
        &mut self,
        track: TrackId,
        layers: &[Layer],
        sequence: u16,
        now: Instant,
        rtt: Duration,
    ) -> Option<Outgoing> {
        let (origin, resend) = self.rewriter.resend(sequence, now, rtt)?;
        let mut prefix = Prefix::NONE;
        for byte in low_u16(resend.sequence).to_be_bytes() {
            prefix.push(byte);
        }
        let layer = layers.get(usize::from(origin.layer)).filter(|layer| layer.generation == origin.generation)?;
        let source = extend(layer.cache.end(), resend.sent.source);
        let cached = if resend.sent.is_filler { None } else { Some(layer.cache.at(source)?) };
        let rewritten = self.rewriter.repeat(&resend, cached, prefix)?;
        let stream = Stream::Rtx { sequence: self.rtx, original: resend.sequence };
        self.rtx += 1;
        Some(match cached {
            Some(cached) => outgoing(self.sink, track, stream, &rewritten, cached),
            None => filler(self.sink, track, stream, &rewritten),
        })
    }

    pub(super) const fn rewriter(&self) -> &Rewriter {
        &self.rewriter
    }

    pub(super) const fn rewriter_mut(&mut self) -> &mut Rewriter {
        &mut self.rewriter
    }
}

fn outgoing(sink: Sink, track: TrackId, stream: Stream, rewritten: &Rewritten, cached: &Cached) -> Outgoing {
    if rewritten.is_filler {
        return filler(sink, track, stream, rewritten);
    }
    let packet = &cached.packet;
    Outgoing {
        sink,
        track,
        stream,
        timestamp: rewritten.timestamp,
        marker: rewritten.marker,
        prefix: rewritten.prefix,
        payload: packet.payload.clone(),
        audio_level: packet.extensions.audio_level,
        voice_activity: packet.extensions.voice_activity,
        dependency_descriptor: packet.extensions.dependency_descriptor.clone(),
        frame_number: rewritten.frame_number,
    }
}

/// A packet without content: it stands for a number whose packet came too late to be left out.
const fn filler(sink: Sink, track: TrackId, stream: Stream, rewritten: &Rewritten) -> Outgoing {
    Outgoing {
        sink,
        track,
        stream,
        timestamp: rewritten.timestamp,
        marker: false,
        prefix: rewritten.prefix,
        payload: Bytes::new(),
        audio_level: None,
        voice_activity: None,
        dependency_descriptor: None,
        frame_number: None,
    }
}

/// The number below `end` that ends in `low`.
fn extend(end: u64, low: u16) -> u64 {
    let behind = low_u16(end).wrapping_sub(low);
    end.saturating_sub(u64::from(behind))
}

/// How many numbers can be asked for again: half a second of 5 Mbit/s, and two seconds of audio.
const VIDEO_SENT: usize = 256;
const AUDIO_SENT: usize = 128;

/// A decoder that asks for a keyframe so soon after one was sent has asked before it came.
const KEYFRAME_UNDER_WAY: Duration = Duration::from_millis(100);
