//! Between the engine's words and ours.
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use str0m::format::{self, CodecConfig};
use str0m::media::{Media, Pt, Rids};
use str0m::rtp::rtcp::SenderInfo;
use str0m::rtp::{ExtensionSerializer, ExtensionValues};

use crate::packet::{Codec, Extensions, Outgoing, Prefix, ShortId};
use crate::rewrite::SenderReport;

/// The dependency descriptor of AV1's RTP payload format, kept as it came.
#[derive(Debug)]
pub(super) struct DependencyDescriptor;

/// Its bytes among a packet's values.
#[derive(Debug, Clone)]
struct DescriptorBytes(Bytes);

pub(super) const DEPENDENCY_DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

impl ExtensionSerializer for DependencyDescriptor {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(DescriptorBytes(bytes)) = values.user_values.get() else { return 0 };
        let Some(place) = buf.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(DescriptorBytes(Bytes::copy_from_slice(buf)));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<DescriptorBytes>().is_some_and(|DescriptorBytes(bytes)| bytes.len() > ONE_BYTE_FORM)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what was not offered cannot come")]
pub(super) fn codec(codec: format::Codec) -> Option<Codec> {
    Some(match codec {
        format::Codec::Opus => Codec::Opus,
        format::Codec::Vp8 => Codec::Vp8,
        format::Codec::Vp9 => Codec::Vp9,
        format::Codec::H264 => Codec::H264,
        format::Codec::Av1 => Codec::Av1,
        _ => return None,
    })
}

/// What a media section may carry, best first.
pub(super) fn formats(media: &Media, config: &CodecConfig) -> Vec<(Codec, Pt)> {
    let mut formats: Vec<(Codec, Pt)> = Vec::new();
    for pt in media.remote_pts() {
        let Some(params) = config.params().iter().find(|params| params.pt() == *pt) else { continue };
        let Some(codec) = codec(params.spec().codec) else { continue };
        let is_fragmenting = params.spec().format.packetization_mode == Some(1);
        match formats.iter_mut().find(|(known, _)| *known == codec) {
            None => formats.push((codec, *pt)),
            // Publishers fragment large H.264 frames, which mode 0 does not understand.
            Some(format) if is_fragmenting && !fragments(config, format.1) => format.1 = *pt,
            Some(_) => {}
        }
    }
    formats
}

fn fragments(config: &CodecConfig, pt: Pt) -> bool {
    let params = config.params().iter().find(|params| params.pt() == pt);
    params.is_some_and(|params| params.spec().format.packetization_mode == Some(1))
}

/// The layers that a participant announces, in its order.
pub(super) fn rids(media: &Media) -> Vec<ShortId> {
    match media.rids_rx() {
        Rids::Specific(rids) => rids.iter().filter_map(|rid| ShortId::new(rid)).collect(),
        Rids::None | Rids::Any => Vec::new(),
    }
}

pub(super) fn extensions(values: &ExtensionValues, mid: Option<ShortId>, rid: Option<ShortId>) -> Extensions {
    Extensions {
        mid,
        rid,
        audio_level: values.audio_level.map(i8::unsigned_abs),
        voice_activity: values.voice_activity,
        dependency_descriptor: values.user_values.get().map(|DescriptorBytes(bytes)| bytes.clone()),
    }
}

/// What goes with an outgoing packet.
pub(super) fn values(outgoing: &Outgoing) -> ExtensionValues {
    let level = outgoing.audio_level.and_then(|level| i8::try_from(level).ok()).map(|level| -level);
    let mut values =
        ExtensionValues { audio_level: level, voice_activity: outgoing.voice_activity, ..ExtensionValues::default() };
    if let Some(descriptor) = &outgoing.dependency_descriptor {
        let mut bytes = descriptor.to_vec();
        if let Some((place, number)) = bytes.get_mut(1..3).zip(outgoing.frame_number) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        values.user_values.set(DescriptorBytes(Bytes::from(bytes)));
    }
    values
}

pub(super) fn sender_report(info: &SenderInfo) -> SenderReport {
    let since_unix = info.ntp_time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_unix.as_secs().wrapping_add(UNIX_IN_NTP);
    let fraction = (u64::from(since_unix.subsec_nanos()) << 32) / 1_000_000_000;
    let rtp = u32::try_from(info.rtp_time.numer() & u64::from(u32::MAX)).unwrap_or_default();
    SenderReport { ntp: seconds << 32 | fraction, rtp }
}

/// The bytes that go on the wire. A payload that leaves unchanged, or as it left before, is shared.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    kept: Vec<Kept>,
    /// Where the payload after the last one is to be expected: everybody gets the same ones in the same order.
    next: usize,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    /// Holds its memory, so that the same address means the same bytes.
    payload: Bytes,
    prefix: Prefix,
    shared: Arc<[u8]>,
}

impl Shared {
    pub(crate) fn payload(&mut self, outgoing: &Outgoing) -> Arc<[u8]> {
        let is_same = |kept: &Kept| kept.is_of(outgoing);
        let expected = self.kept.get(self.next).filter(|kept| is_same(kept)).map(|_| self.next);
        if let Some(place) = expected.or_else(|| self.kept.iter().position(is_same))
            && let Some(kept) = self.kept.get(place)
        {
            self.next = if place + 1 < self.kept.len() { place + 1 } else { 0 };
            return Arc::clone(&kept.shared);
        }
        self.room.clear();
        outgoing.write_payload(&mut self.room);
        let shared: Arc<[u8]> = Arc::from(self.room.as_slice());
        if self.kept.len() < MOST_KEPT {
            let payload = outgoing.payload.clone();
            self.kept.push(Kept { payload, prefix: outgoing.prefix, shared: Arc::clone(&shared) });
        }
        self.next = 0;
        shared
    }

    /// Lets go of what is kept.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.next = 0;
    }
}

impl Kept {
    fn is_of(&self, outgoing: &Outgoing) -> bool {
        let is_same =
            self.payload.as_ptr() == outgoing.payload.as_ptr() && self.payload.len() == outgoing.payload.len();
        is_same && self.prefix == outgoing.prefix
    }
}

/// Payloads of one turn that are kept to be shared.
const MOST_KEPT: usize = 64;

/// Longest value of one-byte header extensions ([RFC 8285 § 4.2](https://www.rfc-editor.org/rfc/rfc8285#section-4.2)).
const ONE_BYTE_FORM: usize = 16;

/// Seconds from NTP's epoch to Unix's.
const UNIX_IN_NTP: u64 = 2_208_988_800;
