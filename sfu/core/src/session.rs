//! One participant's connection. The only file that knows the engine under it: ICE, DTLS, SRTP, RTCP, congestion control, SCTP.
//!
//! The participant offers, we answer: ICE-lite, DTLS server. Rewritten packets go in, [`Notice`]s and [`Transmit`]s come out. What is sent
//! again when a subscriber asks for it (RTX) is the engine's business, and so is asking a publisher for what was lost.
mod estimate;
mod idle;
mod offer;
mod pairs;
mod receive;
mod slot;
mod translate;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::channel::ChannelId;
use str0m::config::DtlsCert;
use str0m::ice::IceCreds;
use str0m::media::{KeyframeRequestKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::packet::{Codec, Outgoing, Packet, Publisher, ShortId, Stream, TrackId};
use crate::rewrite::SenderReport;
use estimate::Estimate;
pub use offer::OfferError;
pub(crate) use offer::{Answer, Section, SectionUse};
pub(crate) use pairs::Guest;
use pairs::Pairs;
use receive::Received;
use slot::Slot;
pub(crate) use translate::Shared;

/// Our DTLS identity. Participants see its fingerprint; making one is slow, so all sessions of a process share it.
#[derive(Clone)]
pub struct Certificate(DtlsCert);

impl Certificate {
    /// Makes a new one from the system's randomness. For drivers, once per process.
    ///
    /// `None` if the system has none to give.
    #[must_use]
    pub fn generate() -> Option<Self> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().map(Self)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate")
    }
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Our address, one of those that were announced to participants.
    pub from: SocketAddr,
    /// The participant's address.
    pub to: SocketAddr,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What a session has to say.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A packet of the participant's.
    Packet(Packet, Codec),
    /// What the publisher's clocks say.
    SenderReport { ssrc: u32, report: SenderReport, at: Instant },
    /// The participant's decoder needs a keyframe of a track.
    KeyframeRequest(TrackId),
    /// What the path is thought to carry, in bit/s.
    Estimate(u64),
    /// Whether packets to the participant are lost, or take long.
    Congested(bool),
    /// ICE and DTLS are done.
    Connected,
    /// Nothing is heard any more.
    Interrupted,
    /// It is heard again.
    Resumed,
    /// The participant ended it.
    Closed,
    /// A data channel was opened.
    Channel { label: String },
    /// A message came on a data channel.
    Message { label: String, is_binary: bool, bytes: Vec<u8> },
}

/// Where a session leaves what it has to say and to send.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) notices: Vec<Notice>,
}

/// Why the engine would not take something. Counted, never returned to a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It cannot be read.
    Malformed,
    /// Its integrity check fails, or it is not for this session.
    Unauthentic,
    /// The participant sends more streams than it may.
    TooManyStreams,
    /// The engine gave an error.
    Engine,
}

/// One participant's connection to us.
pub(crate) struct Session {
    rtc: Rtc,
    prefix: String,
    slots: Vec<Slot>,
    pairs: Pairs,
    seats: BTreeMap<TrackId, usize>,
    /// By SSRC.
    streams: Vec<Received>,
    channels: Vec<(ChannelId, String)>,
    estimate: Estimate,
    is_connected: bool,
    is_interrupted: bool,
    /// Padding takes the place of what does not fit.
    is_starved: bool,
    /// When the latest packet was written for the participant.
    written_at: Option<Instant>,
    /// Until when an idle engine is left alone.
    rests_until: Option<Instant>,
    due: Option<Instant>,
}

impl Session {
    /// `prefix` begins the user name fragment, by which the worker of a STUN message is known. `is_paced`: with congestion control.
    pub(crate) fn new(
        certificate: &Certificate,
        addresses: &[SocketAddr],
        prefix: &str,
        is_paced: bool,
        now: Instant,
    ) -> Self {
        let mut extensions = ExtensionMap::empty();
        // Whoever is not asked for feedback sends none, and gets none.
        let is_used = |extension: &Extension| is_paced || *extension != Extension::TransportSequenceNumber;
        for (id, extension) in EXTENSIONS.into_iter().filter(|(_, extension)| is_used(extension)) {
            extensions.set(id, extension);
        }
        let descriptor =
            Extension::with_serializer(translate::DEPENDENCY_DESCRIPTOR_URI, translate::DependencyDescriptor);
        extensions.set(DEPENDENCY_DESCRIPTOR_ID, descriptor);
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .set_dtls_cert(certificate.0.clone())
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true)
            .enable_vp9(true)
            .enable_av1(true)
            .set_extension_map(extensions)
            .enable_bwe(is_paced.then(|| Bitrate::bps(FIRST_ESTIMATE)))
            .set_send_buffer_video(RETRANSMITTABLE)
            .set_send_buffer_audio(1)
            .set_stats_interval(is_paced.then_some(ESTIMATE_INTERVAL))
            .set_sctp_max_buffered_amount(MOST_BUFFERED)
            .set_sctp_max_message_size(MOST_MESSAGE)
            .build(now);
        for address in addresses {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc,
            prefix: prefix.to_owned(),
            slots: Vec::new(),
            pairs: Pairs::default(),
            seats: BTreeMap::new(),
            streams: Vec::new(),
            channels: Vec::new(),
            estimate: Estimate::new(is_paced.then_some(FIRST_ESTIMATE)),
            is_connected: false,
            is_interrupted: false,
            is_starved: false,
            written_at: None,
            rests_until: None,
            due: None,
        }
    }

    /// Whether packets for the participant have a way to go.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_connected && !self.is_interrupted
    }

    /// Whether there is anything left of it.
    pub(crate) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The user name fragment that the participant's STUN messages name us by.
    pub(crate) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Takes an offer and gives the answer. `waiting` are those whose microphone (true) or camera has no slot yet.
    pub(crate) fn handle_offer(
        &mut self,
        sdp: &str,
        waiting: &[(Publisher, bool)],
        now: Instant,
        out: &mut Outbox,
    ) -> Result<Answer, OfferError> {
        offer::check(sdp)?;
        let offer = offer::read(&self.name_streams(sdp, waiting))?;
        let mids = offer.mids;
        let answer = self.touch(now, out, |rtc| rtc.sdp_api().accept_offer(offer.offer));
        let answer = answer.map_err(|_| OfferError::Unacceptable)?.to_sdp_string();
        let sdp = offer::in_offers_order(&self.name_credentials(answer), sdp);
        let sections: Vec<_> = mids.iter().filter_map(|mid| self.section(*mid)).collect();
        self.streams.retain(|stream| sections.iter().any(|section| section.is_published(stream.mid)));
        let unseated = self.keep_slots(&sections);
        Ok(Answer { sdp, sections, unseated })
    }

    /// Makes our user name fragment begin with the worker's prefix, in the `ice-ufrag` and in the candidates. The engine makes a new one
    /// whenever ICE restarts.
    fn name_credentials(&mut self, answer: String) -> String {
        let mut api = self.rtc.direct_api();
        let creds = api.local_ice_credentials();
        if creds.ufrag.starts_with(&self.prefix) {
            return answer;
        }
        let ufrag = format!("{}{}", self.prefix, creds.ufrag);
        let mut answer = answer;
        for place in ["a=ice-ufrag:", " ufrag "] {
            answer = answer.replace(&format!("{place}{}", creds.ufrag), &format!("{place}{ufrag}"));
        }
        api.set_local_ice_credentials(IceCreds { ufrag, pass: creds.pass });
        answer
    }

    /// What a media section of the last offer is for; `None` for data channels.
    fn section(&mut self, mid: Mid) -> Option<Section> {
        let media = self.rtc.media(mid)?;
        let direction = media.direction();
        let formats = translate::formats(media, self.rtc.codec_config());
        let is_audio = media.kind().is_audio();
        let publishes = direction.is_receiving() && !media.stopped();
        let subscribes = direction.is_sending() && !media.stopped();
        let section = Section {
            mid: ShortId::new(&mid)?,
            is_audio,
            published: publishes
                .then(|| SectionUse { codec: formats.first().map(|(codec, _)| *codec), rids: translate::rids(media) }),
            is_slot: subscribes,
        };
        if subscribes {
            self.open_slot(mid, is_audio, formats);
        }
        Some(section)
    }

    fn open_slot(&mut self, mid: Mid, is_audio: bool, formats: Vec<(Codec, Pt)>) {
        let Some(ssrc) = self.rtc.direct_api().stream_tx_by_mid(mid, None).map(|stream| stream.ssrc()) else { return };
        let slot = match self.slots.iter_mut().position(|slot| slot.mid == mid) {
            Some(place) => self.slots.get_mut(place),
            None => {
                self.slots.push(Slot::new(mid, ssrc, is_audio, self.pairs.stream(mid)));
                self.slots.last_mut()
            }
        };
        if let Some(slot) = slot {
            slot.formats = formats;
        }
    }

    /// Closes slots that the participant took back. Returns the tracks that sat in them.
    fn keep_slots(&mut self, sections: &[Section]) -> Vec<TrackId> {
        let is_kept =
            |slot: &Slot| sections.iter().any(|section| section.is_slot && section.mid.as_str() == &*slot.mid);
        let gone: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| !is_kept(slot))
            .filter_map(|slot| Some(slot.seat.as_ref()?.track))
            .collect();
        self.slots.retain(is_kept);
        self.seats = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(place, slot)| Some((slot.seat.as_ref()?.track, place)))
            .collect();
        gone
    }

    /// Takes a track out of its slot.
    pub(crate) fn unseat(&mut self, track: TrackId) -> bool {
        let slot = self.seats.remove(&track).and_then(|place| self.slots.get_mut(place));
        slot.map(|slot| slot.seat = None).is_some()
    }

    /// Whether a track has a slot.
    pub(crate) fn is_seated(&self, track: TrackId) -> bool {
        self.seats.contains_key(&track)
    }

    /// Feeds a datagram that came from `from` to our address `local`.
    pub(crate) fn handle_datagram(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
        out: &mut Outbox,
    ) -> Result<(), Refused> {
        if let Some(ssrc) = offer::rtp_ssrc(bytes)
            && self.streams.len() >= MOST_STREAMS
            && self.streams.binary_search_by_key(&ssrc, |stream| stream.ssrc).is_err()
        {
            return Err(Refused::TooManyStreams);
        }
        let receive = Receive::new(Protocol::Udp, from, local, bytes).map_err(|_| Refused::Malformed)?;
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return Err(Refused::Unauthentic);
        }
        self.touch(now, out, |rtc| rtc.handle_input(input)).map_err(|_| Refused::Engine)
    }

    /// Does what is due, and sends what was written.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) -> Result<(), Refused> {
        self.rests_until = None;
        self.touch(now, out, |rtc| rtc.handle_input(Input::Timeout(now))).map_err(|_| Refused::Engine)
    }

    /// Queues a packet, which leaves with the next [`Self::handle_timeout`]. False if it cannot be sent.
    pub(crate) fn write(&mut self, outgoing: &Outgoing, payload: Arc<[u8]>, now: Instant) -> bool {
        let Stream::Media { sequence } = outgoing.stream else { return false };
        let slot = self.seats.get(&outgoing.track).and_then(|place| self.slots.get_mut(*place));
        let Some(slot) = slot.filter(|_| self.is_connected && !self.is_interrupted) else { return false };
        let pt = slot.seat.as_ref().and_then(|seat| slot.format(seat.codec));
        let Some((pt, place)) = pt.zip(slot.place(sequence, outgoing.timestamp, now)) else { return false };
        let is_video = !slot.is_audio;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx(&slot.ssrc) else { return false };
        if stream.queue_info().is_some_and(|queue| queue.packet_count() > MOST_QUEUED) {
            return false;
        }
        let packet = RtpWrite::new(pt, place.sequence.into(), place.timestamp, place.captured, payload)
            .marker(outgoing.marker)
            .nackable(is_video)
            .ext_vals(translate::values(outgoing));
        stream.write_rtp(packet);
        self.written_at = Some(now);
        true
    }

    /// What the way to the participant is thought to carry, in bit/s; `None` without congestion control.
    pub(crate) const fn estimate(&self) -> Option<u64> {
        self.estimate.told()
    }

    /// Asks the participant for a keyframe of a stream that it sends.
    pub(crate) fn request_keyframe(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Begins the estimate anew from where it is: after losses the engine may hold it there for ever. Probes show at once whether more fits.
    pub(crate) fn estimate_anew(&mut self) {
        if let Some(estimate) = self.estimate.begin_anew() {
            self.rtc.bwe().reset(Bitrate::bps(estimate));
        }
    }

    /// What a track's publisher says of its clock: `report` is of the moment `at`.
    pub(crate) fn set_clock(&mut self, track: TrackId, report: SenderReport, at: Instant) {
        if let Some(slot) = self.seats.get(&track).and_then(|place| self.slots.get_mut(*place)) {
            slot.set_clock(report, at);
        }
    }

    /// Whether the participant opened a data channel of this label.
    pub(crate) fn has_channel(&self, label: &str) -> bool {
        self.channels.iter().any(|(_, known)| known == label)
    }

    /// Sends a message on a data channel that the participant opened. False if there is none, or it is full.
    pub(crate) fn send(&mut self, label: &str, is_binary: bool, bytes: &[u8]) -> bool {
        let Some((id, _)) = self.channels.iter().find(|(_, known)| known == label) else { return false };
        self.rtc.channel(*id).is_some_and(|mut channel| matches!(channel.write(is_binary, bytes), Ok(true)))
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        // Whatever it answers, the session is over.
        let _ = self.touch(now, out, Rtc::close);
        self.rtc.disconnect();
    }

    /// Runs one change and drains every consequence before returning. A panic of the engine ends this session and no other.
    fn touch<T>(
        &mut self,
        now: Instant,
        out: &mut Outbox,
        change: impl FnOnce(&mut Rtc) -> Result<T, RtcError>,
    ) -> Result<T, Refused> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let outcome = change(&mut self.rtc);
            self.drain(now, out);
            outcome
        }));
        match outcome {
            Ok(outcome) => outcome.map_err(|_| Refused::Engine),
            Err(_) => {
                self.rtc.disconnect();
                Err(Refused::Engine)
            }
        }
    }

    fn drain(&mut self, now: Instant, out: &mut Outbox) {
        let mut idle_turns = 0;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    idle_turns = 0;
                    let (from, to) = (transmit.source, transmit.destination);
                    out.transmits.push_back(Transmit { from, to, payload: transmit.contents.into() });
                }
                Ok(Output::Event(event)) => self.handle_event(event, out),
                // Packets that wait for the pacer leave one by one, each at a timeout of its own, a microsecond after the one before.
                Ok(Output::Timeout(at)) if at <= now + AT_ONCE && idle_turns < MOST_IDLE_TURNS => {
                    idle_turns += 1;
                    if self.rtc.handle_input(Input::Timeout(at.max(now))).is_err() {
                        break;
                    }
                }
                Ok(Output::Timeout(at)) => {
                    let is_ever = self.rtc.is_alive() && at.saturating_duration_since(now) < NEVER;
                    let soonest = if self.is_idle(now) { self.rest(now) } else { now };
                    self.due = is_ever.then(|| at.max(soonest).max(now + LEAST_WAIT));
                    return;
                }
                Err(_) => break,
            }
        }
        self.due = self.rtc.is_alive().then(|| now + LEAST_WAIT);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the engine has events for uses that are not ours")]
    fn handle_event(&mut self, event: Event, out: &mut Outbox) {
        let notice = match event {
            Event::RtpPacket(packet) => self.packet(packet),
            Event::SenderFeedback(feedback) => Some(Notice::SenderReport {
                ssrc: *feedback.sender_info.ssrc,
                report: translate::sender_report(&feedback.sender_info),
                at: feedback.received_at,
            }),
            Event::KeyframeRequest(request) => {
                let slot = self.slots.iter().find(|slot| slot.mid == request.mid);
                slot.and_then(|slot| Some(Notice::KeyframeRequest(slot.seat.as_ref()?.track)))
            }
            Event::EgressBitrateEstimate(
                BweKind::Twcc { estimate, can_probe: true } | BweKind::Remb { estimate, .. },
            ) => self.estimate.handle_average(estimate.as_u64()).map(Notice::Estimate),
            Event::PeerStats(stats) => {
                let latest = stats.bwe_tx.and_then(|latest| self.estimate.handle_latest(latest.as_u64()));
                let congested = self.estimate.handle_losses(stats.egress_loss_fraction, stats.rtt);
                out.notices.extend(congested.map(Notice::Congested));
                latest.map(Notice::Estimate)
            }
            Event::Connected => {
                self.is_connected = true;
                Some(Notice::Connected)
            }
            Event::IceConnectionStateChange(state) => self.change_state(state),
            Event::ChannelOpen(id, label) => self.open_channel(id, label),
            Event::ChannelData(data) => {
                let channel = self.channels.iter().find(|(id, _)| *id == data.id);
                channel.map(|(_, label)| Notice::Message {
                    label: label.clone(),
                    is_binary: data.binary,
                    bytes: data.data,
                })
            }
            Event::ChannelClose(id) => {
                self.channels.retain(|(known, _)| *known != id);
                None
            }
            Event::Closed => Some(Notice::Closed),
            _ => None,
        };
        out.notices.extend(notice);
    }

    fn change_state(&mut self, state: IceConnectionState) -> Option<Notice> {
        let is_interrupted = state.is_disconnected();
        let has_changed = std::mem::replace(&mut self.is_interrupted, is_interrupted) != is_interrupted;
        // Before the first connection there is nothing to interrupt.
        (has_changed && self.is_connected).then_some(if is_interrupted { Notice::Interrupted } else { Notice::Resumed })
    }

    fn open_channel(&mut self, id: ChannelId, label: String) -> Option<Notice> {
        if self.channels.len() >= MOST_CHANNELS || label.len() > MOST_LABEL_BYTES {
            self.rtc.direct_api().close_data_channel(id);
            return None;
        }
        self.channels.push((id, label.clone()));
        Some(Notice::Channel { label })
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

/// Header extensions that are understood, under the ids that Chrome uses.
const EXTENSIONS: [(u8, Extension); 6] = [
    (1, Extension::AudioLevel),
    (2, Extension::AbsoluteSendTime),
    (3, Extension::TransportSequenceNumber),
    (4, Extension::RtpMid),
    (10, Extension::RtpStreamId),
    (11, Extension::RepairedRtpStreamId),
];

const DEPENDENCY_DESCRIPTOR_ID: u8 = 12;

/// Streams that one participant may send at a time.
const MOST_STREAMS: usize = 64;

/// Packets of one slot that can be sent again: half a second of 5 Mbit/s. More would cost every packet a trip to memory: they are large in the
/// engine, and there are as many of these as there are subscriptions.
const RETRANSMITTABLE: usize = 256;

/// Packets of one slot that wait for the pacer.
const MOST_QUEUED: usize = 512;

/// What a path is thought to carry before it was measured, in bit/s. Probes of three and six times as much follow at once.
const FIRST_ESTIMATE: u64 = 300_000;

/// How often the engine is asked for its latest estimate. What it tells on its own is an average over 3 s, too old when a path narrows.
const ESTIMATE_INTERVAL: Duration = Duration::from_millis(200);

/// Data channels of one session.
const MOST_CHANNELS: usize = 16;

const MOST_LABEL_BYTES: usize = 128;

/// Bytes that wait in the data channels of one session.
const MOST_BUFFERED: usize = 256 << 10;

/// The longest message of a data channel, in bytes; larger ones are cut by those who send them.
const MOST_MESSAGE: u32 = 64 << 10;

/// The engine's timers are not looked at more often.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// What the engine wants to do within so short a time it does now: a burst of packets leaves together.
const AT_ONCE: Duration = Duration::from_micros(100);

/// How often the engine may be due at once without having anything to send.
const MOST_IDLE_TURNS: u32 = 4;

/// The engine says "never" by naming a moment far away.
const NEVER: Duration = Duration::from_secs(86_400);
