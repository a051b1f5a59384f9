//! What sessions and forwarding cost with everything in it but sockets: `cargo run --release -p stoa-sfu-core --example call_cost`.
//!
//! Participants with an engine of their own, connected in memory. Only the calls into the shard are measured, in elapsed time of one thread:
//! the machine must have nothing else to do.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it is what the program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::unwrap_used, reason = "a program that measures may stop")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stoa_sfu_core::{
    Announced, Certificate, Command, Kind, RoomKey, SessionKey, Shard, ShardConfig, ShardEvent, ShortId, TrackId, Wish,
};
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 3478);

fn main() {
    println!("{:>12} {:>8} {:>22} {:>22}", "subscribers", "burst", "set-up, us/session", "ns/forwarded packet");
    for (subscribers, burst) in [(10, 1), (50, 1), (200, 1), (50, 8), (200, 8)] {
        let mut bench = Bench::new();
        for index in 0..=subscribers {
            bench.join(index);
        }
        let set_up = bench.spent.as_nanos() / (subscribers as u128 + 1) / 1_000;
        for session in 2..=subscribers as u64 + 1 {
            bench.order(Command::Wish { session: SessionKey(session), track: TrackId(1), wish: Some(Wish::default()) });
        }
        bench.publish(50, burst);
        bench.spent = Duration::ZERO;
        let before = bench.shard.stats().forwarded;
        // Subscribers are silent meanwhile, which a session bears for some 20 s.
        bench.publish((200_000 / subscribers).min(2_000), burst);
        let forwarded = bench.shard.stats().forwarded - before;
        let cost = bench.spent.as_nanos() / u128::from(forwarded.max(1));
        println!("{subscribers:>12} {burst:>8} {set_up:>22} {cost:>22}   {forwarded} forwarded");
    }
}

struct Bench {
    shard: Shard,
    clients: Vec<Client>,
    now: Instant,
    spent: Duration,
    sequence: u64,
}

struct Client {
    rtc: Rtc,
    address: SocketAddr,
    mid: Mid,
    out: VecDeque<Vec<u8>>,
    is_connected: bool,
}

impl Bench {
    fn new() -> Self {
        let certificate = Certificate::generate().unwrap();
        let config = ShardConfig { certificate, addresses: vec![SERVER.into()], worker: 0 };
        Self { shard: Shard::new(config), clients: Vec::new(), now: Instant::now(), spent: Duration::ZERO, sequence: 0 }
    }

    fn measured<T>(&mut self, run: impl FnOnce(&mut Shard, Instant) -> T) -> T {
        let start = Instant::now();
        let outcome = run(&mut self.shard, self.now);
        self.spent += start.elapsed();
        outcome
    }

    fn order(&mut self, command: Command) {
        self.measured(|shard, now| shard.handle_command(command, now)).unwrap();
    }

    fn join(&mut self, index: usize) {
        let address = SocketAddr::from(([198, 51, 100, 1], 1_000 + u16::try_from(index).unwrap()));
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let direction = if index == 0 { Direction::SendOnly } else { Direction::RecvOnly };
        let mid = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let session = SessionKey(index as u64 + 1);
        let tracks = vec![Announced { mid: ShortId::new(&mid).unwrap(), track: TrackId(1), kind: Kind::Video }];
        let tracks = if index == 0 { tracks } else { Vec::new() };
        self.order(Command::Join { session, room: RoomKey(1) });
        self.order(Command::Offer { session, offer: 1, sdp: offer.to_sdp_string(), tracks });
        while let Some(event) = self.shard.poll_event() {
            if let ShardEvent::Answer { sdp, .. } = event {
                rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&sdp).unwrap()).unwrap();
                break;
            }
        }
        let mut client = Client { rtc, address, mid, out: VecDeque::new(), is_connected: false };
        client.drain(self.now);
        self.clients.push(client);
        for _ in 0..1_000 {
            self.exchange(index);
            if self.clients.last().is_some_and(|client| client.is_connected) {
                return;
            }
            self.now += Duration::from_millis(5);
        }
        println!("not connected: {:?}", self.shard.stats());
    }

    /// One participant and the shard hand each other what they have; the rest of what the shard sends is lost.
    fn exchange(&mut self, index: usize) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(index) else { return };
        let (address, sent) = (client.address, std::mem::take(&mut client.out));
        self.measured(|shard, now| {
            sent.iter().for_each(|bytes| shard.handle_datagram(SERVER.into(), address, bytes, now));
            if shard.poll_timeout().is_some_and(|at| at <= now) {
                shard.handle_timeout(now);
            }
        });
        while let Some(transmit) = self.measured(|shard, now| shard.poll_transmit(now)) {
            let client = self.clients.get_mut(index).filter(|client| client.address == transmit.to);
            let receive = Receive::new(Protocol::Udp, transmit.from, transmit.to, &transmit.payload);
            if let Some((client, receive)) = client.zip(receive.ok()) {
                client.rtc.handle_input(Input::Receive(now, receive)).unwrap();
                client.drain(now);
            }
        }
        if let Some(client) = self.clients.get_mut(index) {
            client.rtc.handle_input(Input::Timeout(now)).unwrap();
            client.drain(now);
        }
    }

    /// The first participant publishes packets of 1,200 bytes: in bursts, 8 ms for each packet.
    fn publish(&mut self, packets: usize, burst: usize) {
        for _ in 0..packets.div_ceil(burst) {
            let next = self.now + Duration::from_millis(8) * u32::try_from(burst).unwrap();
            // What the pacers hold back leaves in between.
            while let Some(due) = self.shard.poll_timeout().filter(|due| *due < next) {
                self.now = due.max(self.now);
                self.measured(Shard::handle_timeout);
                while self.measured(|shard, now| shard.poll_transmit(now)).is_some() {}
            }
            self.now = next;
            let now = self.now;
            for _ in 0..burst {
                let number = self.sequence;
                self.sequence += 1;
                if let Some(client) = self.clients.first_mut() {
                    client.publish(number, now);
                }
            }
            self.exchange(0);
            while self.shard.poll_event().is_some() {}
        }
    }
}

impl Client {
    fn publish(&mut self, number: u64, now: Instant) {
        let codec = self.rtc.codec_config().params().iter().find(|params| params.spec().codec == Codec::Vp8).unwrap();
        let pt = codec.pt();
        let id = u16::try_from(number & 0x7fff).unwrap().to_be_bytes();
        let mut payload = vec![0x90, 0xe0, 0x80 | id[0], id[1], id[1], 0x20, u8::from(!number.is_multiple_of(250))];
        payload.resize(1_160, 0);
        let time = u32::try_from((number * 360) & 0xffff_ffff).unwrap();
        let packet = RtpWrite::new(pt, number.into(), time, now, payload).marker(true);
        self.rtc.direct_api().stream_tx_by_mid(self.mid, None).unwrap().write_rtp(packet);
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => self.out.push_back(transmit.contents.into()),
                Output::Event(event) => self.is_connected |= matches!(event, Event::Connected),
                Output::Timeout(at) if at <= now => self.rtc.handle_input(Input::Timeout(now)).unwrap(),
                Output::Timeout(_) => return,
            }
        }
    }
}
