//! The shard, its participants and the network between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stoa_sfu_core::{
    Announced, Certificate, Command, Kind, RoomKey, SessionKey, Shard, ShardConfig, ShardEvent, ShortId, TrackId, Wish,
};
use str0m::format::Codec;
use str0m::media::Mid;

use crate::client::{Client, Section};

pub(crate) const ROOM: RoomKey = RoomKey(1);

/// One way through the network.
const DELAY: Duration = Duration::from_millis(10);

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) now: Instant,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<ShardEvent>,
    /// Datagrams on their way: when they arrive, from, to, what.
    pub(crate) flying: Vec<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
    /// Datagrams lost of 1000, once media flows.
    pub(crate) loss: u64,
    /// A narrow way to one participant.
    pub(crate) narrow: Option<Narrow>,
    /// An address, and the bytes of payload that were sent there.
    pub(crate) watched: Option<(SocketAddr, usize)>,
    /// Nothing gets to or from here.
    pub(crate) cut: Option<SocketAddr>,
    /// A participant's address, and the one that the network has put in its place.
    pub(crate) moved: Option<(SocketAddr, SocketAddr)>,
    seed: u64,
    next_track: u64,
    /// Datagrams that the shard sent.
    pub(crate) sent: usize,
    /// Datagrams that found the queue before the narrow way full.
    pub(crate) dropped: usize,
    server: SocketAddr,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Shard::new)
    }

    /// Without congestion control.
    pub(crate) fn unlimited() -> Self {
        Self::with(Shard::without_congestion_control)
    }

    fn with(shard: impl FnOnce(ShardConfig) -> Shard) -> Self {
        let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
        let certificate = Certificate::generate().unwrap();
        Self {
            shard: shard(ShardConfig { certificate, addresses: vec![server], worker: 3 }),
            now: Instant::now(),
            clients: Vec::new(),
            events: Vec::new(),
            flying: Vec::new(),
            loss: 0,
            narrow: None,
            watched: None,
            cut: None,
            moved: None,
            seed: 7,
            next_track: 0,
            sent: 0,
            dropped: 0,
            server,
        }
    }

    /// A participant joins with an offer of these sections. Returns its index and the sections' mids.
    pub(crate) fn join(&mut self, room: RoomKey, sections: &[Section]) -> (usize, Vec<Mid>) {
        self.join_with(room, sections, None)
    }

    /// The same, by a participant that may have one codec only.
    pub(crate) fn join_with(&mut self, room: RoomKey, sections: &[Section], codec: Option<Codec>) -> (usize, Vec<Mid>) {
        let index = self.clients.len();
        let address = SocketAddr::from(([198, 51, 100, (index % 250) as u8], 10_000 + (index / 250) as u16));
        self.clients.push(Client::new(address, codec, self.now));
        self.shard.handle_command(Command::Join { session: key(index), room }, self.now).unwrap();
        let mids = self.offer(index, sections);
        (index, mids)
    }

    /// A participant offers more sections; tracks are numbered one after the other from 1.
    pub(crate) fn offer(&mut self, index: usize, sections: &[Section]) -> Vec<Mid> {
        let (sdp, mids) = self.clients[index].offer(sections, self.now);
        let mut tracks = Vec::new();
        for (section, mid) in sections.iter().zip(&mids) {
            let kind = match section {
                Section::Audio => Kind::Audio,
                Section::Video | Section::Simulcast => Kind::Video,
                Section::AudioSlot | Section::VideoSlot => continue,
            };
            self.next_track += 1;
            tracks.push(Announced { mid: ShortId::new(mid).unwrap(), track: TrackId(self.next_track), kind });
        }
        self.hand_in(index, sdp, tracks);
        mids
    }

    pub(crate) fn hand_in(&mut self, index: usize, sdp: String, tracks: Vec<Announced>) {
        let from = self.events.len();
        self.order(Command::Offer { session: key(index), offer: 5, sdp, tracks });
        let answer = self.events[from..].iter().find_map(|event| match event {
            ShardEvent::Answer { session, offer: 5, sdp } if *session == key(index) => Some(sdp.clone()),
            _ => None,
        });
        let answer = answer.unwrap_or_else(|| panic!("no answer in {:?}", &self.events[from..]));
        self.clients[index].answer(&answer, self.now);
        self.collect();
    }

    pub(crate) fn order(&mut self, command: Command) {
        self.shard.handle_command(command, self.now).unwrap();
        self.collect();
    }

    pub(crate) fn wish(&mut self, index: usize, track: u64) {
        self.order(Command::Wish { session: key(index), track: TrackId(track), wish: Some(Wish::default()) });
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.next().filter(|at| *at <= end);
            self.now = next.unwrap_or(end).max(self.now);
            self.turn();
            if next.is_none() {
                return;
            }
        }
    }

    /// Everybody connects.
    pub(crate) fn connect(&mut self) {
        for _ in 0..100 {
            if self.clients.iter().all(|client| client.is_connected) {
                return;
            }
            self.run(Duration::from_millis(50));
        }
        panic!("not connected: {:?} {:?}", self.shard.stats(), self.events);
    }

    /// One of them connects.
    pub(crate) fn connect_one(&mut self, index: usize) {
        for _ in 0..100 {
            if self.clients[index].is_connected {
                return;
            }
            self.run(Duration::from_millis(50));
        }
        panic!("not connected: {:?}", self.shard.stats());
    }

    /// `seconds` of video at 25 frames per second and of audio, from one participant.
    pub(crate) fn publish(&mut self, index: usize, mid: Mid, rids: &[Option<&str>], frames: usize) {
        for _ in 0..frames {
            let now = self.now;
            self.clients[index].send_video(mid, rids, now);
            self.collect();
            self.run(Duration::from_millis(40));
        }
    }

    pub(crate) fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.shard.handle_datagram(self.server, from, bytes, self.now);
        self.collect();
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    fn next(&self) -> Option<Instant> {
        let arrivals = self.flying.iter().map(|(at, ..)| *at);
        let clients = self.clients.iter().filter(|client| client.rtc.is_alive()).map(|client| client.due);
        arrivals.chain(clients).chain(self.shard.poll_timeout()).min()
    }

    fn turn(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.flying).into_iter().partition(|(at, ..)| *at <= now);
        self.flying = later;
        for (_, from, to, bytes) in due {
            if to == self.server {
                self.shard.handle_datagram(to, from, &bytes, now);
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
                client.receive(from, &bytes, now);
            }
        }
        if self.shard.poll_timeout().is_some_and(|at| at <= now) {
            self.shard.handle_timeout(now);
            self.collect();
            assert!(self.shard.poll_timeout().is_none_or(|at| at > now), "due again at once");
        }
        for client in self.clients.iter_mut().filter(|client| client.rtc.is_alive() && client.due <= now) {
            client.tick(now);
        }
        self.collect();
    }

    /// What the network makes of addresses.
    fn translate(&self, from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
        let Some((inner, outer)) = self.moved else { return (from, to) };
        let swap = |address, one, other| if address == one { other } else { address };
        (swap(from, inner, outer), swap(to, outer, inner))
    }

    /// Puts what everybody sends on its way.
    pub(crate) fn collect(&mut self) {
        let mut sent = Vec::new();
        while let Some(transmit) = self.shard.poll_transmit(self.now) {
            self.sent += 1;
            sent.push((transmit.from, transmit.to, transmit.payload));
        }
        for client in &mut self.clients {
            sent.extend(client.outbox.drain(..));
        }
        for (from, to, bytes) in sent {
            let (from, to) = self.translate(from, to);
            if self.cut.is_some_and(|cut| cut == from || cut == to) {
                continue;
            }
            if let Some((_, sum)) = self.watched.as_mut().filter(|(address, _)| *address == to) {
                *sum += bytes.len();
            }
            let is_media = bytes.first().is_some_and(|first| (128..192).contains(first));
            if is_media && self.random() % 1_000 < self.loss {
                continue;
            }
            let arrives = match self.narrow.as_mut().filter(|narrow| narrow.to == to) {
                Some(narrow) => narrow.pass(bytes.len(), self.now),
                None => Some(self.now),
            };
            self.dropped += usize::from(arrives.is_none());
            self.flying.extend(arrives.map(|at| (at + DELAY, from, to, bytes)));
        }
        while let Some(event) = self.shard.poll_event() {
            self.events.push(event);
        }
    }
}

/// A link with a queue before it; what finds the queue full is lost.
pub(crate) struct Narrow {
    pub(crate) to: SocketAddr,
    /// Bit/s.
    pub(crate) rate: u64,
    free_at: Instant,
}

impl Narrow {
    pub(crate) const fn new(to: SocketAddr, rate: u64, now: Instant) -> Self {
        Self { to, rate, free_at: now }
    }

    fn pass(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let start = self.free_at.max(now);
        if start - now > LONGEST_QUEUE {
            return None;
        }
        let bits = (bytes + IP_AND_UDP) as u64 * 8;
        self.free_at = start + Duration::from_micros(bits * 1_000_000 / self.rate);
        Some(self.free_at)
    }
}

const LONGEST_QUEUE: Duration = Duration::from_millis(500);
const IP_AND_UDP: usize = 28;

pub(crate) const fn key(index: usize) -> SessionKey {
    SessionKey(index as u64 + 1)
}
