//! One publisher, some sinks, time that is moved by hand and a path that loses, repeats and reorders.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stoa_sfu_core::{
    Codec, Event, Forwarder, Kind, Outgoing, Packet, Publisher, SenderReport, ShortId, Sink, TrackConfig, TrackId, Wish,
};

use crate::judge::{Arrivals, Judge};
use crate::publisher::{Encoder, RIDS, read};

pub(crate) const ADA: Publisher = Publisher(1);
pub(crate) const CAMERA: TrackId = TrackId(1);
const FRAME: Duration = Duration::from_micros(33_333);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) started: Instant,
    pub(crate) forwarder: Forwarder,
    pub(crate) encoders: Vec<Encoder>,
    retired: Vec<Encoder>,
    pub(crate) judges: BTreeMap<Sink, Judge>,
    pub(crate) arrivals: Arrivals,
    pub(crate) requests: Vec<u32>,
    pub(crate) path: Path,
    is_muted: bool,
    under_way: Vec<(u64, Packet)>,
    handed: u64,
    step: u64,
    random: u64,
    pub(crate) reports: Vec<(Sink, TrackId, SenderReport)>,
    pub(crate) obeys: bool,
}

/// How the path treats packets, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Path {
    pub(crate) loss: u64,
    pub(crate) repeats: u64,
    pub(crate) reorders: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
        let now = Instant::now();
        let mut forwarder = Forwarder::new();
        let rids = RIDS.iter().filter_map(|rid| ShortId::new(rid)).collect();
        let mid = ShortId::new("0").unwrap();
        let config = TrackConfig { publisher: ADA, mid, kind: Kind::Video, codec: Codec::Vp8, rids };
        forwarder.publish(CAMERA, config).unwrap();
        let mut world = Self {
            now,
            started: now,
            forwarder,
            encoders: Vec::new(),
            retired: Vec::new(),
            judges: BTreeMap::new(),
            arrivals: Arrivals::new(),
            requests: Vec::new(),
            path: Path::default(),
            is_muted: false,
            under_way: Vec::new(),
            handed: 0,
            step: 0,
            random: seed | 1,
            reports: Vec::new(),
            obeys: true,
        };
        for layer in 0..3 {
            let random = world.random() as u32;
            world.encoders.push(Encoder::new(layer, 0, random));
        }
        world
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    pub(crate) fn subscribe(&mut self, sink: u64, wish: Wish) {
        self.judges.insert(Sink(sink), Judge::default());
        self.forwarder.subscribe(Sink(sink), CAMERA, wish, self.now).unwrap();
        self.settle(Vec::new());
    }

    pub(crate) fn wish(&mut self, sink: u64, wish: Wish) {
        self.step += 1;
        if wish.is_paused {
            self.judges.get_mut(&Sink(sink)).unwrap().interruptions.push(self.step);
        }
        self.forwarder.set_wish(Sink(sink), CAMERA, wish, self.now).unwrap();
        self.settle(Vec::new());
    }

    pub(crate) fn estimate(&mut self, sink: u64, bitrate: u64) {
        self.step += 1;
        self.forwarder.set_estimate(Sink(sink), bitrate, self.now);
        self.settle(Vec::new());
    }

    pub(crate) fn mute(&mut self, is_muted: bool) {
        if std::mem::replace(&mut self.is_muted, is_muted) != is_muted {
            self.interrupt();
        }
        self.forwarder.set_muted(CAMERA, is_muted, self.now).unwrap();
        self.settle(Vec::new());
    }

    /// The layer's encoder starts anew, with numbers of its own.
    pub(crate) fn restart(&mut self, layer: u8) {
        let random = self.random() as u32;
        let place = usize::from(layer);
        let generation = self.encoders[place].generation + 1;
        let is_on = self.encoders[place].is_on;
        let mut fresh = Encoder::new(layer, generation, random);
        fresh.is_on = is_on;
        self.retired.push(std::mem::replace(&mut self.encoders[place], fresh));
    }

    /// One frame of each layer, and everything that falls due until the next.
    pub(crate) fn frame(&mut self) {
        for layer in 0..3 {
            let count = if self.encoders[layer].wants_key { 6 } else { 1 + layer as u8 };
            for packet in self.encoders[layer].encode(count) {
                self.hand(packet);
            }
        }
        let until = self.now + FRAME;
        while let Some(due) = self.forwarder.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.step += 1;
            let mut out = Vec::new();
            self.forwarder.handle_timeout(self.now, &mut out);
            assert!(self.forwarder.poll_timeout().is_none_or(|due| due > self.now));
            self.settle(out);
        }
        self.now = until;
    }

    pub(crate) fn frames(&mut self, count: usize) {
        (0..count).for_each(|_| self.frame());
    }

    pub(crate) fn report(&mut self) {
        for encoder in self.encoders.clone() {
            let since = self.now.saturating_duration_since(self.started);
            let ntp = (u128::from(1_000_u64) << 32) + (since.as_nanos() << 32) / 1_000_000_000;
            let report = SenderReport { ntp: ntp as u64, rtp: encoder.timestamp };
            self.forwarder.handle_sender_report(ADA, encoder.ssrc, report, &mut self.reports);
        }
    }

    pub(crate) fn nack(&mut self, sink: u64, sequences: &[u16]) -> usize {
        let mut out = Vec::new();
        let rtt = Duration::from_millis(50);
        self.forwarder.handle_nack(Sink(sink), CAMERA, sequences, rtt, self.now, &mut out);
        let count = out.len();
        self.settle(out);
        count
    }

    pub(crate) fn judge(&self) {
        let encoders: Vec<_> = self.encoders.iter().chain(&self.retired).cloned().collect();
        for judge in self.judges.values() {
            judge.judge(&self.arrivals, &encoders);
        }
    }

    pub(crate) fn sink(&self, sink: u64) -> &Judge {
        &self.judges[&Sink(sink)]
    }

    /// Puts a packet on its way.
    fn hand(&mut self, packet: Packet) {
        self.handed += 1;
        let (loss, repeat, reorder) = (self.random() % 100, self.random() % 100, self.random() % 100);
        let late = if reorder < self.path.reorders { 1 + self.random() % 12 } else { 0 };
        if loss >= self.path.loss {
            if repeat < self.path.repeats {
                self.under_way.push((self.handed + 3, packet.clone()));
            }
            self.under_way.push((self.handed + late, packet));
        }
        while let Some(place) = self.under_way.iter().position(|(due, _)| *due <= self.handed) {
            let (_, packet) = self.under_way.remove(place);
            self.arrive(&packet);
        }
    }

    /// Hands a packet to the forwarder.
    pub(crate) fn arrive(&mut self, packet: &Packet) {
        self.step += 1;
        let before = self.forwarder.stats();
        let mut out = Vec::new();
        self.forwarder.handle_packet(ADA, packet, self.now, &mut out);
        let mut after = self.forwarder.stats();
        (after.received, after.forwarded) = (before.received, before.forwarded);
        if after == before && !packet.payload.is_empty() {
            self.arrivals.insert(read(&packet.payload).content, self.step);
        }
        self.settle(out);
    }

    fn interrupt(&mut self) {
        self.step += 1;
        let step = self.step;
        self.judges.values_mut().for_each(|judge| judge.interruptions.push(step));
    }

    fn settle(&mut self, out: Vec<Outgoing>) {
        for outgoing in out {
            let has_more = self.forwarder.is_catching_up(outgoing.sink, CAMERA);
            self.judges.get_mut(&outgoing.sink).unwrap().take(&outgoing, self.step, has_more);
        }
        // Whoever is starved or waits for a new stream gets nothing for a while.
        for (sink, judge) in &mut self.judges {
            let is_idle = self.forwarder.current_layer(*sink, CAMERA).is_none();
            if is_idle && !std::mem::replace(&mut judge.is_idle, is_idle) {
                judge.interruptions.push(self.step);
            }
            judge.is_idle = is_idle;
        }
        while let Some(event) = self.forwarder.poll_event() {
            if let Event::RequestKeyframe { ssrc, .. } = event {
                self.requests.push(ssrc);
                let asked = self.encoders.iter_mut().find(|encoder| encoder.ssrc == ssrc);
                if let Some(encoder) = asked.filter(|_| self.obeys) {
                    encoder.wants_key = true;
                }
            }
        }
    }
}
