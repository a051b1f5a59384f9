use std::time::{Duration, Instant};

use crate::allocate::{LAYERS, Rates, TEMPORALS};
use crate::keyframe::Requests;
use crate::layer::Active;
use crate::packet::{Codec, Kind, Packet, Publisher, ShortId};
use crate::payload::{self, Description};
use crate::retransmit::{Cache, Cached, Gaps, Stored};
use crate::rewrite::{Clock, Origin};
use crate::sequence::{Extended, Extender};

use super::meter::Meter;
use super::subscription::Subscription;

/// What the control plane knows of a track when it is published.
#[derive(Debug, Clone)]
pub struct TrackConfig {
    /// Who sends it.
    pub publisher: Publisher,
    /// In which media section of the publisher's offer.
    pub mid: ShortId,
    /// What it carries.
    pub kind: Kind,
    /// How its payloads are read.
    pub codec: Codec,
    /// The rids of its simulcast layers, the smallest first; empty for a track of one layer. At most [`LAYERS`] are used.
    pub rids: Vec<ShortId>,
}

/// A published track, its layers and everybody who gets it.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) config: TrackConfig,
    pub(super) layers: Vec<Layer>,
    pub(super) active: Active,
    pub(super) is_muted: bool,
    /// By sink.
    pub(super) subscriptions: Vec<Subscription>,
}

/// One stream of a track.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) ssrc: Option<u32>,
    /// The stream before, whose late packets must not bring it back.
    retired: Option<(u32, Instant)>,
    pub(super) generation: u32,
    extender: Extender,
    pub(super) cache: Cache,
    pub(super) clock: Clock,
    pub(super) requests: Requests,
    /// The keyframe requests that came from decoders, which nobody's state shows.
    pub(super) is_asked: bool,
    pub(super) gaps: Gaps,
    pub(super) rtt: Duration,
    meter: Meter,
    last_packet: Option<Instant>,
    keyframe_bits: u64,
}

/// A packet that is worth forwarding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) sequence: u64,
    pub(super) description: Description,
    /// The stream began anew with this packet.
    pub(super) has_restarted: bool,
}

/// Why a packet went no further. Counted, never returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    Duplicate,
    TooOld,
    Unbelievable,
}

impl Track {
    pub(super) fn new(config: TrackConfig) -> Self {
        let count = config.rids.len().clamp(1, LAYERS);
        let packets = if config.kind == Kind::Audio { AUDIO_PACKETS } else { VIDEO_PACKETS };
        let layers = (0..count).map(|_| Layer::new(packets)).collect();
        Self { config, layers, active: Active::default(), is_muted: false, subscriptions: Vec::new() }
    }

    /// The layer with this rid.
    pub(super) fn layer_of(&self, rid: Option<ShortId>) -> Option<u8> {
        if self.config.rids.is_empty() {
            return Some(0);
        }
        let place = self.config.rids.iter().take(LAYERS).position(|known| Some(*known) == rid)?;
        u8::try_from(place).ok()
    }

    pub(super) fn layer_mut(&mut self, layer: u8) -> Option<&mut Layer> {
        self.layers.get_mut(usize::from(layer))
    }

    pub(super) fn is_audio(&self) -> bool {
        self.config.kind == Kind::Audio
    }

    /// What each layer costs, by temporal layers.
    pub(super) fn rates(&mut self, now: Instant) -> Rates {
        let mut rates = [[0; TEMPORALS]; LAYERS];
        for (place, layer) in (0_u8..).zip(&mut self.layers) {
            if let Some(rates) = rates.get_mut(usize::from(place)).filter(|_| self.active.has(place)) {
                *rates = layer.meter.rates(now);
            }
        }
        rates
    }

    /// Whether something came of it of late.
    pub(super) fn is_live(&self, now: Instant) -> bool {
        let newest = self.layers.iter().filter_map(|layer| layer.last_packet).max();
        newest.is_some_and(|newest| now.saturating_duration_since(newest) < LAYER_SILENCE)
    }

    /// Finds out which layers the publisher still sends. Returns whether that has changed.
    ///
    /// A layer is gone when the others go on without it: on a static screen all are silent together.
    pub(super) fn find_vanished(&mut self) -> bool {
        let newest = self.layers.iter().filter_map(|layer| layer.last_packet).max();
        let before = self.active;
        for (place, layer) in (0_u8..).zip(&self.layers) {
            let silence = newest.zip(layer.last_packet).map(|(newest, last)| newest.saturating_duration_since(last));
            if silence.is_some_and(|silence| silence >= LAYER_SILENCE) {
                self.active.set(place, false);
            }
        }
        self.active != before
    }

    pub(super) fn subscription_mut(&mut self, sink: crate::packet::Sink) -> Option<&mut Subscription> {
        let place = self.subscriptions.binary_search_by_key(&sink, |subscription| subscription.sink).ok()?;
        self.subscriptions.get_mut(place)
    }
}

impl Layer {
    fn new(packets: usize) -> Self {
        Self {
            ssrc: None,
            retired: None,
            generation: 0,
            extender: Extender::default(),
            cache: Cache::new(packets),
            clock: None,
            requests: Requests::default(),
            is_asked: false,
            gaps: Gaps::default(),
            rtt: DEFAULT_RTT,
            meter: Meter::default(),
            last_packet: None,
            keyframe_bits: 0,
        }
    }

    /// Whether a packet that names this layer may give it a new SSRC.
    pub(super) fn accepts(&self, ssrc: u32, now: Instant) -> bool {
        let is_retired =
            |(retired, at): (u32, Instant)| retired == ssrc && now.saturating_duration_since(at) < RETIREMENT;
        !self.retired.is_some_and(is_retired)
    }

    /// The layer's stream is another one now. Returns the SSRC it had.
    pub(super) fn bind(&mut self, ssrc: u32, now: Instant) -> Option<u32> {
        let before = self.ssrc.replace(ssrc);
        if let Some(before) = before {
            self.retired = Some((before, now));
            self.restart();
            self.extender = Extender::default();
        }
        before
    }

    /// What comes next has nothing to do with what came before.
    fn restart(&mut self) {
        self.begin_anew(0);
    }

    /// Nothing was followed, or will be: what comes late from before has nothing to hold on to.
    pub(super) fn interrupt(&mut self) {
        self.begin_anew(self.extender.end());
    }

    fn begin_anew(&mut self, from: u64) {
        self.generation = self.generation.wrapping_add(1);
        self.cache.clear(from);
        self.gaps.clear();
        self.clock = None;
    }

    pub(super) fn origin(&self, layer: u8) -> Origin {
        Origin { layer, generation: self.generation }
    }

    /// Takes a packet into the cache.
    pub(super) fn receive(&mut self, packet: &Packet, codec: Codec, now: Instant) -> Result<Received, Dropped> {
        let (sequence, has_restarted) = match self.extender.extend(packet.sequence) {
            Extended::Number(number) => (number, false),
            Extended::Unbelievable => return Err(Dropped::Unbelievable),
            Extended::Restarted(number) => {
                self.restart();
                (number, true)
            }
        };
        let description = payload::describe(codec, packet);
        let len = packet.payload.len();
        match self.cache.insert(Cached { sequence, packet: packet.clone(), description, at: now }) {
            Stored::New => {}
            Stored::Duplicate => return Err(Dropped::Duplicate),
            Stored::TooOld => return Err(Dropped::TooOld),
        }
        self.last_packet = Some(now);
        self.meter.add(len + OVERHEAD, description.temporal, now);
        if description.is_keyframe {
            self.is_asked = false;
            let bitrate = self.bitrate(now);
            self.requests.satisfied(self.keyframe_bits, bitrate, now);
        }
        self.measure_keyframe(packet, len);
        Ok(Received { sequence, description, has_restarted })
    }

    /// What it sends with all temporal layers, in bit/s.
    pub(super) fn bitrate(&mut self, now: Instant) -> u64 {
        self.meter.rates(now).into_iter().max().unwrap_or_default()
    }

    /// Learns how large keyframes are: the packets with the timestamp of the latest one.
    fn measure_keyframe(&mut self, packet: &Packet, len: usize) {
        let Some(start) = self.cache.keyframe() else { return };
        if start.packet.timestamp == packet.timestamp {
            let bits = u64::try_from(len).unwrap_or_default() * 8;
            self.keyframe_bits =
                if start.packet.sequence == packet.sequence { bits } else { self.keyframe_bits + bits };
        }
    }
}

/// What a packet has on the way to a sink besides its payload: the RTP header with extensions, and the tag of SRTP. The engine's estimate
/// includes them; for audio they are half as much as the payload.
const OVERHEAD: usize = 40;

/// Packets that are kept: 2 s of a layer of 5 Mbit/s, 2.5 s of audio.
const VIDEO_PACKETS: usize = 1_024;
const AUDIO_PACKETS: usize = 128;

/// How long a layer may be silent while others are not.
pub(super) const LAYER_SILENCE: Duration = Duration::from_secs(1);

/// How long packets of a replaced stream may be on their way.
const RETIREMENT: Duration = Duration::from_secs(2);

/// Until the session has measured it.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
