//! What is done with bytes that anybody may have made up. The fuzzer's programs (`tests/fuzz`) and the replay of their corpora share it.
//!
//! Whatever the bytes are, nothing may panic, and what was well before is well afterwards.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_sfu_core::payload::describe;
use stoa_sfu_core::{
    Announced, Certificate, Codec, Command, Extensions, Forwarder, Kind, Packet, Publisher, Quality, RoomKey,
    SenderReport, SessionKey, Shard, ShardConfig, ShardEvent, ShortId, Sink, TrackConfig, TrackId, Wish, worker_of,
};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Something to do with bytes.
pub(crate) type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 4] =
    [("datagram", datagram), ("packets", packets), ("payload", payload), ("offer", offer)];

/// A datagram from where a connected participant is, and from where nobody is: demultiplexing, and STUN, DTLS, RTP and RTCP up to their integrity
/// checks.
pub(crate) fn datagram(bytes: &[u8]) {
    thread_local! {
        static CALL: RefCell<Call> = RefCell::new(Call::connected());
    }
    CALL.with_borrow_mut(|call| {
        let _ = worker_of(bytes);
        call.now += Duration::from_micros(100);
        for from in [PARTICIPANT, STRANGER] {
            let from = SocketAddr::from(from);
            let _ = call.shard.claims(bytes, from);
            call.shard.handle_datagram(SERVER.into(), from, bytes, call.now);
            call.empty();
        }
        call.sent += 1;
        if call.sent.is_multiple_of(1_000) {
            // Hours of made-up datagrams would let the session die of silence.
            *call = Call::connected();
        }
        assert_eq!(call.shard.session_count(), 1, "the session lives");
    });
}

/// Packets of three simulcast layers, keyframe requests, reports and losses, as the bytes say: what comes after the integrity check.
pub(crate) fn packets(bytes: &[u8]) {
    let mut rest = bytes;
    let codec = CODECS[usize::from(take(&mut rest)) % CODECS.len()];
    let (mut forwarder, mut now) = (Forwarder::new(), start());
    let kind = if codec == Codec::Opus { Kind::Audio } else { Kind::Video };
    let rids: Vec<_> = ["q", "h", "f"].iter().filter_map(|rid| ShortId::new(rid)).collect();
    let mid = ShortId::new("0").unwrap();
    let config = TrackConfig { publisher: Publisher(1), mid, kind, codec, rids: rids.clone() };
    forwarder.publish(TrackId(1), config).unwrap();
    for sink in 1..=2 {
        forwarder.subscribe(Sink(sink), TrackId(1), Wish::default(), now).unwrap();
    }
    let (mut out, mut told) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let act = take(&mut rest);
        let ssrc = u32::from(act & 3);
        match act >> 4 {
            0..=9 => {
                let packet = packet(&mut rest, ssrc, &rids);
                forwarder.handle_packet(Publisher(1), &packet, now, &mut out);
            }
            10 => {
                let numbers: Vec<_> =
                    (0..ssrc).map(|_| u16::from_be_bytes([take(&mut rest), take(&mut rest)])).collect();
                forwarder.handle_nack(Sink(1), TrackId(1), &numbers, Duration::ZERO, now, &mut out);
            }
            11 => {
                let report =
                    SenderReport { ntp: u64::from(take(&mut rest)) << 40, rtp: u32::from(take(&mut rest)) << 20 };
                forwarder.handle_sender_report(Publisher(1), ssrc, report, &mut told);
            }
            12 => {
                let most = Quality { layer: take(&mut rest) & 3, temporal: take(&mut rest) & 3 };
                let wish = Wish { most, is_paused: act & 4 != 0, priority: act & 8 };
                forwarder.set_wish(Sink(2), TrackId(1), wish, now).unwrap();
            }
            13 => forwarder.set_estimate(Sink(1), u64::from(take(&mut rest)) * 10_000, now),
            14 => forwarder.handle_keyframe_request(Sink(2), TrackId(1), now),
            _ => now += Duration::from_millis(u64::from(take(&mut rest))),
        }
        forwarder.handle_timeout(now, &mut out);
        assert!(forwarder.poll_timeout().is_none_or(|at| at > now), "due again at once");
        while forwarder.poll_event().is_some() {}
        for outgoing in out.drain(..) {
            let mut written = Vec::new();
            outgoing.write_payload(&mut written);
            assert_eq!(written.len(), outgoing.payload_len());
        }
    }
}

/// One payload, with and without a dependency descriptor, in each codec.
pub(crate) fn payload(bytes: &[u8]) {
    let (head, tail) = bytes.split_at(bytes.len().min(8));
    for codec in CODECS {
        for descriptor in [None, Some(Bytes::copy_from_slice(head))] {
            let extensions = Extensions { dependency_descriptor: descriptor, ..Extensions::default() };
            for payload in [bytes, tail] {
                let payload = Bytes::copy_from_slice(payload);
                let extensions = extensions.clone();
                let packet = Packet { ssrc: 1, sequence: 1, timestamp: 1, marker: false, payload, extensions };
                let _ = describe(codec, &packet);
            }
        }
    }
}

/// A session description, from a session that has none yet and from one that has.
pub(crate) fn offer(bytes: &[u8]) {
    thread_local! {
        static CERTIFICATE: Certificate = Certificate::generate().unwrap();
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    let certificate = CERTIFICATE.with(Clone::clone);
    let mut call = Call::new(certificate);
    let good = call.client_offer(&mut Rtc::builder().set_rtp_mode(true).build(call.now)).0;
    for (session, before) in [(1, None), (2, Some(good))] {
        let session = SessionKey(session);
        call.shard.handle_command(Command::Join { session, room: RoomKey(1) }, call.now).unwrap();
        for sdp in before.into_iter().chain([text.clone(), text.clone()]) {
            let tracks =
                vec![Announced { mid: ShortId::new("0").unwrap(), track: TrackId(session.0), kind: Kind::Video }];
            // A session that an offer broke is gone.
            let _ = call.shard.handle_command(Command::Offer { session, offer: 1, sdp, tracks }, call.now);
        }
        call.shard.handle_timeout(call.now);
        call.empty();
        assert_eq!(call.sent, 0, "nobody is spoken to who was not heard");
        let _ = call.shard.handle_command(Command::Leave { session }, call.now);
    }
    assert_eq!(call.shard.session_count(), 0);
}

fn packet(rest: &mut &[u8], ssrc: u32, rids: &[ShortId]) -> Packet {
    let [flags, high, low, time] = [(); 4].map(|()| take(rest));
    let (payload, tail) = rest.split_at(rest.len().min(usize::from(flags & 0x1f)));
    *rest = tail;
    let rid = rids.get(ssrc as usize).copied();
    Packet {
        ssrc,
        sequence: u16::from_be_bytes([high, low]),
        timestamp: u32::from(time) << 16,
        marker: flags & 0x80 != 0,
        payload: Bytes::copy_from_slice(payload),
        extensions: Extensions {
            mid: ShortId::new("0"),
            rid,
            audio_level: Some(time),
            voice_activity: None,
            dependency_descriptor: (flags & 0x40 != 0).then(|| Bytes::copy_from_slice(payload)),
        },
    }
}

fn take(rest: &mut &[u8]) -> u8 {
    let Some((first, tail)) = rest.split_first() else { return 0 };
    *rest = tail;
    *first
}

#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
fn start() -> Instant {
    Instant::now()
}

/// A shard and what it has to do with one participant.
struct Call {
    shard: Shard,
    now: Instant,
    /// Datagrams that were sent.
    sent: u64,
    out: Vec<(SocketAddr, Vec<u8>)>,
    answer: Option<String>,
}

impl Call {
    fn new(certificate: Certificate) -> Self {
        let config = ShardConfig { certificate, addresses: vec![SERVER.into()], worker: 0 };
        Self { shard: Shard::new(config), now: start(), sent: 0, out: Vec::new(), answer: None }
    }

    /// A participant has gone through ICE and DTLS.
    fn connected() -> Self {
        let mut call = Self::new(Certificate::generate().unwrap());
        let mut client = Rtc::builder().set_rtp_mode(true).build(call.now);
        client.add_local_candidate(Candidate::host(PARTICIPANT.into(), "udp").unwrap());
        let (sdp, pending, mid) = call.client_offer(&mut client);
        let session = SessionKey(1);
        call.shard.handle_command(Command::Join { session, room: RoomKey(1) }, call.now).unwrap();
        let tracks = vec![Announced { mid: ShortId::new(&mid).unwrap(), track: TrackId(1), kind: Kind::Video }];
        call.shard.handle_command(Command::Offer { session, offer: 1, sdp, tracks }, call.now).unwrap();
        call.empty();
        let answer = SdpAnswer::from_sdp_string(&call.answer.take().unwrap()).unwrap();
        client.sdp_api().accept_answer(pending, answer).unwrap();
        for _ in 0..500 {
            if call.exchange(&mut client) {
                call.sent = 0;
                return call;
            }
            call.now += Duration::from_millis(10);
        }
        panic!("not connected: {:?}", call.shard.stats());
    }

    fn client_offer(&self, client: &mut Rtc) -> (String, str0m::change::SdpPendingOffer, Mid) {
        let mut api = client.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        api.add_channel("docs".to_owned());
        let (offer, pending) = api.apply().unwrap();
        (offer.to_sdp_string(), pending, mid)
    }

    /// Both hand each other what they have; whether the participant is connected.
    fn exchange(&mut self, client: &mut Rtc) -> bool {
        client.handle_input(Input::Timeout(self.now)).unwrap();
        let mut is_connected = false;
        loop {
            match client.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    self.shard.handle_datagram(SERVER.into(), PARTICIPANT.into(), &transmit.contents, self.now);
                }
                Output::Event(Event::Connected) => is_connected = true,
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        self.shard.handle_timeout(self.now);
        self.empty();
        for (_, bytes) in self.out.drain(..) {
            let receive = Receive::new(Protocol::Udp, SERVER.into(), PARTICIPANT.into(), &bytes).unwrap();
            client.handle_input(Input::Receive(self.now, receive)).unwrap();
        }
        is_connected
    }

    fn empty(&mut self) {
        self.out.clear();
        while let Some(transmit) = self.shard.poll_transmit(self.now) {
            self.sent += 1;
            self.out.push((transmit.to, transmit.payload));
        }
        while let Some(event) = self.shard.poll_event() {
            if let ShardEvent::Answer { sdp, .. } = event {
                self.answer = Some(sdp);
            }
        }
    }
}

const CODECS: [Codec; 5] = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 3_478);
const PARTICIPANT: ([u8; 4], u16) = ([198, 51, 100, 1], 1_000);
const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 1], 1_000);
