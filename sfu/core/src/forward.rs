//! Tracks, who gets them, and the way of each packet from the one to the other.
mod calm;
mod command;
mod feedback;
mod meter;
mod subscription;
mod timeout;
mod track;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use stoa_base_types::Deadlines;

use crate::rewrite::LastNumbers;
pub use crate::rewrite::SenderReport;
pub use track::TrackConfig;

use crate::layer::Quality;
use crate::packet::{Outgoing, Packet, Publisher, ShortId, Sink, TrackId};
use crate::payload::opus;
use crate::shard::Holdings;
use crate::speaker::Speakers;
use calm::Calm;
use track::{Dropped, LAYER_SILENCE, Received, Track};

/// The media of one room: what is published, who subscribes, and what goes to whom.
///
/// Packets go in by [`Self::handle_packet`], what shall be sent comes out in the caller's buffer. [`Self::poll_event`] is to be emptied
/// after each call, [`Self::handle_timeout`] to be called at [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Forwarder {
    tracks: BTreeMap<TrackId, Track>,
    by_ssrc: BTreeMap<(Publisher, u32), (TrackId, u8)>,
    by_mid: BTreeMap<(Publisher, ShortId), TrackId>,
    sinks: BTreeMap<Sink, Path>,
    speakers: Speakers,
    deadlines: Deadlines<Timer>,
    events: VecDeque<Event>,
    stats: Stats,
}

/// What is known of the way to a sink.
#[derive(Debug, Default)]
struct Path {
    tracks: Vec<TrackId>,
    /// Bit/s; `None` while nothing was measured, which limits nothing.
    estimate: Option<u64>,
    estimated_at: Option<Instant>,
    /// When it last got less than before.
    fell_at: Option<Instant>,
    /// Since when something that is shown does not fit.
    short_since: Option<Instant>,
    calm: Calm,
    wanted: u64,
    is_starved: bool,
    /// What was added to `wanted` so that the path is probed once more.
    nudge: u64,
    told_at: Option<Instant>,
}

/// What is known of a sink before it gets a track.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// It got another track in the same media section, which ended with these numbers.
    pub numbers: Option<LastNumbers>,
    /// What its path is thought to carry, in bit/s, if nothing newer is known.
    pub estimate: Option<u64>,
}

/// What a sink asks of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The best it has use for, by the size of its picture.
    pub most: Quality,
    /// It wants nothing now.
    pub is_paused: bool,
    /// Tracks with a higher one get bandwidth first.
    pub priority: u8,
}

impl Default for Wish {
    fn default() -> Self {
        Self { most: Quality::BEST, is_paused: false, priority: 0 }
    }
}

/// Something to be told or sent, beside packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Ask the publisher for a keyframe of this stream (PLI or FIR).
    RequestKeyframe {
        /// Whom to ask.
        publisher: Publisher,
        /// Which stream.
        ssrc: u32,
    },
    /// Ask the publisher for lost packets.
    Nack {
        /// Whom to ask.
        publisher: Publisher,
        /// Which stream.
        ssrc: u32,
        /// Their sequence numbers.
        sequences: Vec<u16>,
    },
    /// The active speakers, the one who speaks most first.
    Speakers(Vec<TrackId>),
    /// All of a sink's video together would take this many bit/s: what its path should be probed for.
    Wanted {
        /// Whose path.
        sink: Sink,
        /// Bit/s.
        bitrate: u64,
        /// No picture gets anything, for want of bandwidth.
        is_starved: bool,
        /// The estimate is too low and does not move any more: it should be begun anew.
        is_stale: bool,
    },
}

/// Counters; they only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Packets that came.
    pub received: u64,
    /// Packets for sinks.
    pub forwarded: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Packets of streams that nobody announced.
    pub unknown: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Packets too old to be of use.
    pub too_old: u64,
    /// Packets whose numbers fit no stream.
    pub unbelievable: u64,
    /// Packets of muted tracks.
    pub muted: u64,
    /// Events that were lost because nobody took them.
    pub lost_events: u64,
}

/// The driver gave an order that makes no sense. A mistake of ours, not of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such track.
    UnknownTrack(TrackId),
    /// The sink does not get this track.
    NotSubscribed(Sink, TrackId),
    /// The room has as much of this as it may.
    Full,
    /// The id, or the publisher's mid, is in use.
    Duplicate(TrackId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Keyframe(TrackId, u8),
    Gaps(TrackId, u8),
    Layers(TrackId),
    Replay(Sink, TrackId),
    Allocate(Sink),
}

impl Forwarder {
    /// An empty room.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tracks: BTreeMap::new(),
            by_ssrc: BTreeMap::new(),
            by_mid: BTreeMap::new(),
            sinks: BTreeMap::new(),
            speakers: Speakers::new(MOST_SPEAKERS),
            deadlines: Deadlines::new(),
            events: VecDeque::new(),
            stats: Stats {
                received: 0,
                forwarded: 0,
                resent: 0,
                unknown: 0,
                duplicates: 0,
                too_old: 0,
                unbelievable: 0,
                muted: 0,
                lost_events: 0,
            },
        }
    }

    /// Takes a packet from a publisher; appends what sinks get of it. Nothing is allocated unless `out` must grow.
    ///
    /// The packet must be authentic: its SSRC, mid and rid are believed.
    pub fn handle_packet(&mut self, publisher: Publisher, packet: &Packet, now: Instant, out: &mut Vec<Outgoing>) {
        self.stats.received += 1;
        let Some((id, place)) = self.locate(publisher, packet, now) else {
            self.stats.unknown += 1;
            return;
        };
        let before = out.len();
        let Some(track) = self.tracks.get_mut(&id) else { return };
        if track.is_muted {
            self.stats.muted += 1;
            return;
        }
        let codec = track.config.codec;
        let Some(layer) = track.layer_mut(place) else { return };
        let received = match layer.receive(packet, codec, now) {
            Ok(received) => received,
            Err(dropped) => return self.stats.count(dropped),
        };
        if received.has_restarted {
            track.subscriptions.iter_mut().for_each(|subscription| subscription.restarted(place));
        }
        let is_new = received.has_restarted || !track.active.has(place);
        track.active.set(place, true);
        let is_audio = track.is_audio();
        if let Some(layer) = track.layers.get(usize::from(place)) {
            if is_new {
                track.subscriptions.iter_mut().for_each(|subscription| {
                    subscription.refresh(track.active);
                });
            }
            for subscription in &mut track.subscriptions {
                subscription.forward(id, place, layer, &received, is_audio, out);
            }
        }
        self.stats.forwarded += u64::try_from(out.len() - before).unwrap_or_default();
        if is_audio {
            self.hear(id, packet, now);
        } else {
            self.follow_up(id, place, &received, is_new, now);
        }
    }

    /// What is to be told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadlines.next(), self.speakers.poll_timeout()].into_iter().flatten().min()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Adds what is held.
    pub(crate) fn count(&self, holdings: &mut Holdings) {
        holdings.tracks += self.tracks.len();
        holdings.streams += self.by_ssrc.len();
        holdings.paths += self.sinks.len();
        holdings.subscriptions += self.tracks.values().map(|track| track.subscriptions.len()).sum::<usize>();
    }

    /// The layer of `track` that `sink` gets now.
    #[must_use]
    pub fn current_layer(&self, sink: Sink, track: TrackId) -> Option<u8> {
        let track = self.tracks.get(&track)?;
        let place = track.subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink).ok()?;
        track.subscriptions.get(place)?.current().map(|origin| origin.layer)
    }

    /// Whether what `sink` gets of `track` still comes from the cache, because it joined late.
    #[must_use]
    pub fn is_catching_up(&self, sink: Sink, track: TrackId) -> bool {
        let subscriptions = self.tracks.get(&track).map(|track| &track.subscriptions);
        subscriptions.into_iter().flatten().any(|subscription| subscription.sink == sink && subscription.is_replaying())
    }

    /// Finds out which layer a packet is of. Senders name mid and rid only at first, so the SSRC is remembered; there are never more
    /// remembered than layers, whatever a sender makes up.
    fn locate(&mut self, publisher: Publisher, packet: &Packet, now: Instant) -> Option<(TrackId, u8)> {
        if let Some(found) = self.by_ssrc.get(&(publisher, packet.ssrc)) {
            return Some(*found);
        }
        let id = *self.by_mid.get(&(publisher, packet.extensions.mid?))?;
        let track = self.tracks.get_mut(&id)?;
        let place = track.layer_of(packet.extensions.rid)?;
        let layer = track.layer_mut(place).filter(|layer| layer.accepts(packet.ssrc, now))?;
        if let Some(before) = layer.bind(packet.ssrc, now) {
            self.by_ssrc.remove(&(publisher, before));
            // Its first packet counts as news.
            track.active.set(place, false);
            track.subscriptions.iter_mut().for_each(|subscription| subscription.restarted(place));
        }
        self.by_ssrc.insert((publisher, packet.ssrc), (id, place));
        Some((id, place))
    }

    /// Who speaks.
    fn hear(&mut self, id: TrackId, packet: &Packet, now: Instant) {
        let level = if opus::is_silence(&packet.payload) { Some(SILENCE) } else { packet.extensions.audio_level };
        if let Some(level) = level {
            self.speakers.handle_level(id, level, packet.extensions.voice_activity, now);
        }
    }

    /// Sets what a video packet changes beside being forwarded.
    fn follow_up(&mut self, id: TrackId, place: u8, received: &Received, is_new: bool, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let has_others = track.layers.len() > 1;
        let Some(layer) = track.layer_mut(place) else { return };
        layer.gaps.handle_packet(received.sequence, now);
        if let Some(due) = layer.gaps.poll_timeout()
            && self.deadlines.at(Timer::Gaps(id, place)).is_none()
        {
            self.deadlines.set(Timer::Gaps(id, place), due);
        }
        if has_others && self.deadlines.at(Timer::Layers(id)).is_none() {
            self.deadlines.set(Timer::Layers(id), now + LAYER_SILENCE);
        }
        if is_new {
            for sink in track.subscriptions.iter().map(|subscription| subscription.sink) {
                if self.sinks.get(&sink).is_some_and(|path| path.estimate.is_some()) {
                    self.deadlines.set(Timer::Allocate(sink), now + MEASURED_AFTER);
                }
            }
        }
        // A refused keyframe leaves its sinks waiting, and a stream that began anew those who had it.
        if is_new || received.description.is_keyframe {
            self.ask_for_waiting(id, now);
        }
    }

    /// Wants keyframes of all layers that somebody waits for, and sets the deadlines of the requests.
    fn ask_for_waiting(&mut self, id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&id).filter(|track| !track.is_audio()) else { return };
        for (place, layer) in (0_u8..).zip(&mut track.layers) {
            let is_waited_for = track.subscriptions.iter().any(|subscription| subscription.waits_for() == Some(place));
            if is_waited_for || layer.is_asked {
                layer.requests.want();
                self.deadlines.set(Timer::Keyframe(id, place), layer.requests.due().unwrap_or(now));
            } else {
                layer.requests.cancel();
                self.deadlines.clear(Timer::Keyframe(id, place));
            }
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            // The oldest are requests, which are repeated.
            self.events.pop_front();
            self.stats.lost_events += 1;
        }
        self.events.push_back(event);
    }
}

impl Default for Forwarder {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    const fn count(&mut self, dropped: Dropped) {
        match dropped {
            Dropped::Duplicate => self.duplicates += 1,
            Dropped::TooOld => self.too_old += 1,
            Dropped::Unbelievable => self.unbelievable += 1,
        }
    }
}

/// Most tracks of one room.
const MOST_TRACKS: usize = 1_024;

/// Most sinks of one track.
const MOST_SUBSCRIPTIONS: usize = 16_384;

/// Most tracks that one sink gets.
const MOST_SINK_TRACKS: usize = 512;

/// Most active speakers.
const MOST_SPEAKERS: usize = 3;

/// Most events that wait to be taken.
const MOST_EVENTS: usize = 1_024;

/// RFC 6464's silence.
const SILENCE: u8 = 127;

/// How often a sink that catches up gets packets from the cache.
const REPLAY_INTERVAL: Duration = Duration::from_millis(5);

/// How fast a sink catches up, in bit/s, if its path was not measured.
const REPLAY_RATE: u64 = 4_000_000;

/// A sink catches up at least so many times faster than the layer goes on.
const CATCH_UP: u64 = 2;

/// How often bandwidth is divided anew though no estimate came: layers' rates change.
const ALLOCATE_INTERVAL: Duration = Duration::from_secs(1);

/// The same after a layer has begun: so long it takes to know what it costs.
const MEASURED_AFTER: Duration = Duration::from_millis(200);

/// The least of a picture that is shown is kept if it takes no more than one part in so many beyond the estimate.
const SLACK: u64 = 3;

/// How long the least of what is shown goes on although the estimate has no room for it.
const SHORT: Duration = Duration::from_secs(1);

/// How long after a fall nothing rises.
const RISE_AFTER: Duration = Duration::from_secs(3);

/// How long a sink whose path is thought to carry less than is wanted waits for the next probe; and one that gets no picture at all.
const PROBE_AGAIN: Duration = Duration::from_secs(5);
const PROBE_STARVED: Duration = Duration::from_secs(2);

/// An estimate that has not moved for so long although more is wanted is stuck.
const STALE: Duration = Duration::from_secs(8);

/// By how much more is wanted each time, in bit/s.
const NUDGE: u64 = 1_000;

/// How long an estimate that is too low for anything is believed without news.
const TRY_AGAIN: Duration = Duration::from_secs(5);
