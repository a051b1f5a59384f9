//! A participant: offers, publishes made-up media, remembers what it gets.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use str0m::bwe::Bitrate;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::SenderInfo;
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues, RawPacket, RtpHeader, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::descriptor::{DESCRIPTOR_URI, DescriptorSerializer};

/// The layers of a simulcast track, the smallest first.
pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];

pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    pub(crate) due: Instant,
    pub(crate) outbox: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    pending: Option<SdpPendingOffer>,
    pub(crate) is_connected: bool,
    pub(crate) is_closed: bool,
    pub(crate) received: BTreeMap<Mid, Vec<RtpPacket>>,
    /// Times that a keyframe was asked for, by layer.
    pub(crate) keyframe_requests: HashMap<Option<Rid>, usize>,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) messages: Vec<Vec<u8>>,
    /// Headers of all that came, retransmissions and padding included, and how long the payload was.
    pub(crate) headers: Vec<(RtpHeader, usize)>,
    /// The newest sender report of each stream.
    pub(crate) reports: BTreeMap<Ssrc, SenderInfo>,
    /// Bytes of a packet in each layer.
    pub(crate) sizes: [usize; 3],
    /// Packets of a keyframe; other frames have two.
    pub(crate) keyframe_packets: usize,
    streams: HashMap<(Mid, Option<Rid>), Numbers>,
}

#[derive(Default)]
struct Numbers {
    sequence: u64,
    frame: u64,
    wants_keyframe: bool,
}

impl Client {
    /// With `codec`, it has no other for video.
    pub(crate) fn new(address: SocketAddr, codec: Option<Codec>, now: Instant) -> Self {
        let mut extensions = ExtensionMap::standard();
        extensions.set(12, Extension::with_serializer(DESCRIPTOR_URI, DescriptorSerializer));
        let config = Rtc::builder()
            .set_rtp_mode(true)
            .enable_bwe(Some(Bitrate::mbps(3)))
            .enable_raw_packets(true)
            .set_extension_map(extensions);
        let config = match codec {
            Some(codec) => only(config, codec),
            None => config,
        };
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self {
            rtc,
            address,
            due: now,
            outbox: VecDeque::new(),
            pending: None,
            is_connected: false,
            is_closed: false,
            received: BTreeMap::new(),
            keyframe_requests: HashMap::new(),
            channel: None,
            messages: Vec::new(),
            headers: Vec::new(),
            reports: BTreeMap::new(),
            sizes: [200, 400, 600],
            keyframe_packets: 2,
            streams: HashMap::new(),
        }
    }

    /// An offer with so many more sections.
    pub(crate) fn offer(&mut self, sections: &[Section], now: Instant) -> (String, Vec<Mid>) {
        let mut api = self.rtc.sdp_api();
        let mids = sections
            .iter()
            .map(|section| match section {
                Section::Audio => api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None),
                Section::Video => api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None),
                Section::Simulcast => {
                    let mut simulcast = Simulcast::new();
                    RIDS.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                    api.add_media(MediaKind::Video, Direction::SendOnly, None, None, Some(simulcast))
                }
                Section::AudioSlot => api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None),
                Section::VideoSlot => api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None),
            })
            .collect();
        if self.channel.is_none() {
            self.channel = Some(api.add_channel("doc".to_owned()));
        }
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        (offer.to_sdp_string(), mids)
    }

    pub(crate) fn offer_restart(&mut self, now: Instant) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    pub(crate) fn offer_direction(&mut self, mid: Mid, direction: Direction, now: Instant) -> String {
        let mut api = self.rtc.sdp_api();
        api.set_direction(mid, direction);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now);
        offer.to_sdp_string()
    }

    pub(crate) fn answer(&mut self, sdp: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
        self.drain(now);
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, bytes) else { return };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            self.rtc.handle_input(input).unwrap();
        }
        self.drain(now);
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now);
    }

    pub(crate) fn send(&mut self, bytes: &[u8], now: Instant) {
        let id = self.channel.unwrap();
        assert!(self.rtc.channel(id).unwrap().write(true, bytes).unwrap());
        self.drain(now);
    }

    /// Publishes one frame in each layer; a keyframe if one was asked for, or it is the first.
    pub(crate) fn send_video(&mut self, mid: Mid, rids: &[Option<&str>], now: Instant) {
        for (size, rid) in self.sizes.into_iter().zip(rids) {
            let rid = rid.map(Rid::from);
            let numbers = self.streams.entry((mid, rid)).or_default();
            let is_key = numbers.frame == 0 || std::mem::take(&mut numbers.wants_keyframe);
            let packets = if is_key { self.keyframe_packets } else { 2 };
            for index in 1..=packets {
                let payload = vp8(numbers.frame, index == 1, is_key, size);
                let (sequence, time) = (numbers.sequence, (numbers.frame * 3_000) as u32);
                numbers.sequence += 1;
                let pt = pt(&self.rtc, Codec::Vp8);
                let mut api = self.rtc.direct_api();
                let stream = api.stream_tx_by_mid(mid, rid).unwrap();
                stream.write_rtp(
                    RtpWrite::new(pt, sequence.into(), time, now, payload).marker(index == packets).nackable(true),
                );
            }
            numbers.frame += 1;
        }
        self.tick(now);
    }

    /// Publishes packets of one frame as they are.
    pub(crate) fn send_frame(&mut self, mid: Mid, rid: Option<&str>, frame: Frame, now: Instant) {
        let rid = rid.map(Rid::from);
        let pt = pt(&self.rtc, frame.codec);
        let last = frame.packets.len();
        for (index, (payload, values)) in (1..).zip(frame.packets) {
            let numbers = self.streams.entry((mid, rid)).or_default();
            let packet = RtpWrite::new(pt, numbers.sequence.into(), frame.timestamp, now, payload);
            numbers.sequence += 1;
            let packet = packet.marker(index == last).nackable(frame.codec != Codec::Opus).ext_vals(values);
            self.rtc.direct_api().stream_tx_by_mid(mid, rid).unwrap().write_rtp(packet);
        }
        self.tick(now);
    }

    /// Whether a keyframe was asked for since the last time.
    pub(crate) fn wants_keyframe(&mut self, mid: Mid, rid: Option<&str>) -> bool {
        let numbers = self.streams.entry((mid, rid.map(Rid::from))).or_default();
        std::mem::take(&mut numbers.wants_keyframe)
    }

    pub(crate) fn send_audio(&mut self, mid: Mid, level: i8, now: Instant) {
        let numbers = self.streams.entry((mid, None)).or_default();
        let pt = pt(&self.rtc, Codec::Opus);
        let values =
            ExtensionValues { audio_level: Some(-level), voice_activity: Some(true), ..ExtensionValues::default() };
        let packet = RtpWrite::new(pt, numbers.sequence.into(), (numbers.sequence * 960) as u32, now, vec![0x78; 80]);
        numbers.sequence += 1;
        self.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(packet.ext_vals(values));
        self.tick(now);
    }

    pub(crate) fn ask_for_keyframe(&mut self, mid: Mid, now: Instant) {
        let mut api = self.rtc.direct_api();
        api.stream_rx_by_mid(mid, None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        self.tick(now);
    }

    pub(crate) fn got(&self, mid: Mid) -> &[RtpPacket] {
        self.received.get(&mid).map(Vec::as_slice).unwrap_or_default()
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    self.outbox.push_back((transmit.source, transmit.destination, transmit.contents.into()));
                }
                Output::Event(event) => self.handle_event(event),
                Output::Timeout(at) if at <= now => self.rtc.handle_input(Input::Timeout(now)).unwrap(),
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_connected = true,
            Event::Closed => self.is_closed = true,
            Event::RtpPacket(packet) => {
                let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).unwrap().mid();
                self.received.entry(mid).or_default().push(packet);
            }
            Event::KeyframeRequest(request) => {
                *self.keyframe_requests.entry(request.rid).or_default() += 1;
                if let Some(numbers) = self.streams.get_mut(&(request.mid, request.rid)) {
                    numbers.wants_keyframe = true;
                }
            }
            Event::ChannelData(data) => self.messages.push(data.data),
            Event::RawPacket(raw) => {
                if let RawPacket::RtpRx(header, payload) = *raw {
                    self.headers.push((header, payload.len()));
                }
            }
            Event::SenderFeedback(feedback) => {
                self.reports.insert(feedback.sender_info.ssrc, feedback.sender_info);
            }
            _ => {}
        }
    }
}

/// A frame to be published: its packets with what goes into their headers.
pub(crate) struct Frame {
    pub(crate) codec: Codec,
    pub(crate) timestamp: u32,
    pub(crate) packets: Packets,
}

/// Payloads and what goes into the headers before them.
pub(crate) type Packets = Vec<(Vec<u8>, ExtensionValues)>;

fn only(config: RtcConfig, codec: Codec) -> RtcConfig {
    let config = config.clear_codecs().enable_opus(true, false);
    match codec {
        Codec::Vp9 => config.enable_vp9(true),
        Codec::Av1 => config.enable_av1(true),
        Codec::H264 => config.enable_h264(true),
        _ => config.enable_vp8(true),
    }
}

/// What an offer has more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Audio,
    Video,
    Simulcast,
    AudioSlot,
    VideoSlot,
}

fn pt(rtc: &Rtc, codec: Codec) -> str0m::media::Pt {
    rtc.codec_config().params().iter().find(|params| params.spec().codec == codec).unwrap().pt()
}

/// A VP8 payload: descriptor with picture id, then the frame header's first byte. `size` tells layers apart.
fn vp8(frame: u64, is_first: bool, is_key: bool, size: usize) -> Vec<u8> {
    let mut payload = vec![
        if is_first { 0x90 } else { 0x80 },
        0xe0,
        0x80 | (frame >> 8) as u8 & 0x7f,
        frame as u8,
        frame as u8,
        0x20,
    ];
    payload.push(u8::from(!is_key));
    payload.resize(size, 0);
    payload
}

/// What can be read from a VP8 packet as [`Client::send_video`] makes it: picture id, is it the start of a keyframe.
pub(crate) fn read_vp8(payload: &[u8]) -> (u16, bool) {
    let id = u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
    (id, payload[0] & 0x10 != 0 && payload[6] & 1 == 0)
}
