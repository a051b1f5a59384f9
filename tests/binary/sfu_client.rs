//! A participant of a call by way of the server: signaling over the real socket, media by str0m over real UDP.
#![expect(clippy::disallowed_methods, reason = "it is a driver: it owns the clock")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::bwe::Bitrate;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::client::{Client, Heard};
use crate::server::Server;

/// The sizes of a simulcast camera, the smallest first.
const RIDS: [&str; 3] = ["q", "h", "f"];

pub(crate) struct Peer {
    pub(crate) signal: Client,
    pub(crate) id: String,
    pub(crate) welcome: Value,
    /// Every frame that came, pongs aside.
    pub(crate) frames: Vec<Value>,
    pub(crate) connection: u32,
    pub(crate) is_connected: bool,
    /// Packets by section.
    pub(crate) received: BTreeMap<String, Vec<RtpPacket>>,
    /// Sections by track.
    pub(crate) seats: BTreeMap<u64, String>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) socket: UdpSocket,
    /// Datagrams that are not for media.
    pub(crate) strays: Vec<Vec<u8>>,
    /// What is offered beyond what the server asks for.
    announced: Vec<Value>,
    microphone: Option<Mid>,
    camera: Option<Mid>,
    rtc: Rtc,
    address: SocketAddr,
    due: Instant,
    offer_id: u32,
    pending: Option<SdpPendingOffer>,
    wanted_slots: (u64, u64),
    channel: Option<ChannelId>,
    numbers: HashMap<(Mid, Option<Rid>), u64>,
    wants_keyframe: HashSet<Option<Rid>>,
}

impl Peer {
    /// Enters with everything switched on.
    pub(crate) async fn enter(server: &Server, name: &str, token: Option<&str>) -> Self {
        Self::enter_room(server, "agora", name, token).await
    }

    pub(crate) async fn enter_room(server: &Server, room: &str, name: &str, token: Option<&str>) -> Self {
        let mut signal = Client::connect(server).await;
        let media = json!({"microphone": true, "camera": true});
        let mut hello = json!({"type": "hello", "room": room, "name": name, "media": media});
        if let Some(token) = token {
            hello["token"] = json!(token);
        }
        signal.say(&hello).await;
        let welcome = signal.hear("welcome").await;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        Self {
            signal,
            id: welcome["participant"].as_str().unwrap().to_owned(),
            welcome,
            frames: Vec::new(),
            connection: 0,
            is_connected: false,
            received: BTreeMap::new(),
            seats: BTreeMap::new(),
            messages: Vec::new(),
            socket,
            strays: Vec::new(),
            announced: Vec::new(),
            microphone: None,
            camera: None,
            rtc: Self::engine(address),
            address,
            due: Instant::now(),
            offer_id: 0,
            pending: None,
            wanted_slots: (0, 0),
            channel: None,
            numbers: HashMap::new(),
            wants_keyframe: HashSet::new(),
        }
    }

    fn engine(address: SocketAddr) -> Rtc {
        let mut rtc = Rtc::builder().set_rtp_mode(true).enable_bwe(Some(Bitrate::mbps(3))).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        rtc
    }

    /// Begins a connection to the SFU that sends a microphone and a simulcast camera.
    pub(crate) async fn publish(&mut self) {
        self.begin();
        let mut simulcast = Simulcast::new();
        RIDS.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
        let mut api = self.rtc.sdp_api();
        let microphone = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let camera = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, Some(simulcast));
        self.channel = Some(api.add_channel("docs".to_owned()));
        let (offer, pending) = api.apply().unwrap();
        (self.microphone, self.camera) = (Some(microphone), Some(camera));
        self.announced = vec![
            json!({"mid": microphone.to_string(), "source": "microphone"}),
            json!({"mid": camera.to_string(), "source": "camera"}),
        ];
        self.offer(&offer.to_sdp_string(), pending).await;
    }

    /// Everything that belonged to the connection before is gone.
    fn begin(&mut self) {
        self.rtc = Self::engine(self.address);
        self.connection = self.connection.wrapping_add(0x9e37_79b9);
        (self.is_connected, self.offer_id, self.pending, self.channel) = (false, 0, None, None);
        (self.received, self.seats, self.wanted_slots) = (BTreeMap::new(), BTreeMap::new(), (0, 0));
        self.numbers.clear();
        self.due = Instant::now();
    }

    async fn offer(&mut self, sdp: &str, pending: SdpPendingOffer) {
        self.offer_id += 1;
        self.pending = Some(pending);
        let (connection, offer_id, tracks) = (self.connection, self.offer_id, self.announced.clone());
        let frame =
            json!({"type": "sfu_offer", "connection": connection, "offer_id": offer_id, "sdp": sdp, "tracks": tracks});
        self.signal.say(&frame).await;
    }

    /// Wishes for tracks; `null` for nothing any more.
    pub(crate) async fn wish(&mut self, tracks: &[u64], wish: Value) {
        let wishes: Vec<_> = tracks.iter().map(|track| json!({"track": track, "wish": wish})).collect();
        self.signal.say(&json!({"type": "sfu_wish", "connection": self.connection, "wishes": wishes})).await;
    }

    /// Tracks of others that there are now, of one source or all.
    pub(crate) fn tracks(&self, source: &str, of: Option<&str>) -> Vec<u64> {
        let first = self.welcome["room"]["tracks"].as_array().into_iter().flatten();
        let later = self.frames.iter().filter(|frame| frame["type"] == "track_published").map(|frame| &frame["track"]);
        let is_wanted = |track: &&Value| {
            (source.is_empty() || track["source"] == source) && of.is_none_or(|of| track["participant"] == of)
        };
        let ended: BTreeSet<_> = self.got("track_ended").iter().map(|frame| frame["track"].as_u64()).collect();
        let ids: BTreeSet<_> = first.chain(later).filter(is_wanted).filter_map(|track| track["id"].as_u64()).collect();
        ids.into_iter().filter(|id| !ended.contains(&Some(*id))).collect()
    }

    pub(crate) fn got(&self, kind: &str) -> Vec<Value> {
        self.frames.iter().filter(|frame| frame["type"] == kind).cloned().collect()
    }

    /// What has come of a track.
    pub(crate) fn packets(&self, track: u64) -> &[RtpPacket] {
        let packets = self.seats.get(&track).and_then(|mid| self.received.get(mid));
        packets.map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn send_data(&mut self, bytes: &[u8]) -> bool {
        let channel = self.channel.and_then(|id| self.rtc.channel(id));
        let is_sent = channel.is_some_and(|mut channel| channel.write(true, bytes).unwrap());
        self.due = Instant::now();
        is_sent
    }

    /// One turn: what has come, what is due, what is to be sent.
    pub(crate) async fn turn(&mut self) {
        while let Some(Heard::Frame(frame)) = self.signal.take().await {
            self.hear(frame);
        }
        self.receive();
        if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        }
        self.drain();
        if self.pending.is_none() && self.wanted_slots != (0, 0) {
            self.offer_slots().await;
        }
    }

    fn hear(&mut self, frame: Value) {
        let is_ours = frame["connection"] == self.connection;
        match frame["type"].as_str().unwrap() {
            "sfu_answer" if is_ours && frame["offer_id"] == self.offer_id => {
                let answer = SdpAnswer::from_sdp_string(frame["sdp"].as_str().unwrap()).unwrap();
                self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
                self.drain();
            }
            "sfu_slots" if is_ours => {
                self.wanted_slots = (frame["audio"].as_u64().unwrap(), frame["video"].as_u64().unwrap());
            }
            "sfu_seated" if is_ours => {
                let mid = frame["mid"].as_str().unwrap().to_owned();
                self.seats.retain(|_, known| *known != mid);
                self.seats.insert(frame["track"].as_u64().unwrap(), mid);
            }
            _ => {}
        }
        self.frames.push(frame);
    }

    async fn offer_slots(&mut self) {
        let (audio, video) = std::mem::take(&mut self.wanted_slots);
        let mut api = self.rtc.sdp_api();
        for _ in 0..audio {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        for _ in 0..video {
            api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = api.apply().unwrap();
        self.offer(&offer.to_sdp_string(), pending).await;
    }

    fn receive(&mut self) {
        let mut room = [0; 2_000];
        loop {
            match self.socket.recv_from(&mut room) {
                Ok((length, from)) => {
                    let bytes = &room[..length];
                    let input = Receive::new(Protocol::Udp, from, self.address, bytes);
                    let input = input.map(|receive| Input::Receive(Instant::now(), receive));
                    match input {
                        Ok(input) if self.rtc.accepts(&input) => self.rtc.handle_input(input).unwrap(),
                        Ok(_) | Err(_) => self.strays.push(bytes.to_vec()),
                    }
                    self.drain();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Sends one frame of each size and one packet of sound.
    pub(crate) fn send_media(&mut self) {
        let (Some(microphone), Some(camera)) = (self.microphone, self.camera) else { return };
        if !self.is_connected {
            return;
        }
        let opus = self.pt(Codec::Opus);
        let number = self.number(microphone, None);
        let values =
            ExtensionValues { audio_level: Some(-20), voice_activity: Some(true), ..ExtensionValues::default() };
        let packet = RtpWrite::new(opus, number.into(), time(number, 960), Instant::now(), vec![0x78; 80]);
        self.rtc.direct_api().stream_tx_by_mid(microphone, None).unwrap().write_rtp(packet.ext_vals(values));
        for (size, rid) in (1..).zip(RIDS) {
            let rid = Some(Rid::from(rid));
            let number = self.number(camera, rid);
            let is_key = number == 0 || self.wants_keyframe.remove(&rid);
            let (pt, payload) = (self.pt(Codec::Vp8), vp8(number, is_key, 200 * size));
            let packet = RtpWrite::new(pt, number.into(), time(number, 3_000), Instant::now(), payload);
            let mut api = self.rtc.direct_api();
            api.stream_tx_by_mid(camera, rid).unwrap().write_rtp(packet.marker(true).nackable(true));
        }
        self.due = Instant::now();
    }

    fn number(&mut self, mid: Mid, rid: Option<Rid>) -> u64 {
        let next = self.numbers.entry((mid, rid)).or_default();
        *next += 1;
        *next - 1
    }

    fn pt(&self, codec: Codec) -> str0m::media::Pt {
        self.rtc.codec_config().params().iter().find(|params| params.spec().codec == codec).unwrap().pt()
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    // A full socket buffer loses packets, as networks do.
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => self.handle_event(event),
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        if let Event::Connected = event {
            self.is_connected = true;
        } else if let Event::RtpPacket(packet) = event {
            let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).unwrap().mid();
            self.received.entry(mid.to_string()).or_default().push(packet);
        } else if let Event::KeyframeRequest(request) = event {
            self.wants_keyframe.insert(request.rid);
        } else if let Event::ChannelData(data) = event {
            self.messages.push(data.data);
        }
    }
}

/// Runs participants, who all send, until all is as it should be.
pub(crate) async fn until(peers: &mut [&mut Peer], what: &str, mut is_done: impl FnMut(&[&mut Peer]) -> bool) {
    let end = Instant::now() + PATIENCE;
    let mut next_media = Instant::now();
    while !is_done(peers) {
        assert!(Instant::now() < end, "waited in vain: {what}");
        let sends = Instant::now() >= next_media;
        if sends {
            next_media = Instant::now() + Duration::from_millis(20);
        }
        for peer in peers.iter_mut() {
            if sends {
                peer.send_media();
            }
            peer.turn().await;
        }
    }
}

fn time(number: u64, ticks: u64) -> u32 {
    u32::try_from(number * ticks).unwrap()
}

/// A VP8 payload: descriptor with picture id, then the frame header's first byte. `size` tells layers apart.
fn vp8(frame: u64, is_key: bool, size: usize) -> Vec<u8> {
    let [.., high, low] = frame.to_be_bytes();
    let mut payload = vec![0x90, 0xe0, 0x80 | high & 0x7f, low, low, 0x20];
    payload.push(u8::from(!is_key));
    payload.resize(size, 0);
    payload
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
