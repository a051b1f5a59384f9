use std::fmt;

use bytes::Bytes;

/// Whoever gets packets: a session, a recorder, another node. Opaque to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sink(pub u64);

/// Whoever sends packets: one session of a participant. A name of its own, because a session is often both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publisher(pub u64);

/// One published audio or video source, numbered by the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// What a track carries; decides its clock, its cache and how it is treated when bandwidth is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Never sacrificed for video.
    Audio,
    /// A camera.
    Video,
    /// A shared screen: few frames, large keyframes.
    Screen,
}

/// How a payload is read and patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// The RTP payload format for AV1.
    Av1,
}

impl Codec {
    /// Ticks of the RTP clock in one second.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => 90_000,
        }
    }
}

/// A mid (RFC 9143) or rid (RFC 8852): a short text, kept in place so that packets can be copied without allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId {
    len: u8,
    bytes: [u8; MOST_ID_BYTES],
}

impl ShortId {
    /// `None` if the text is empty or longer than 16 bytes, which is what one-byte header extensions can carry.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; MOST_ID_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
        Some(Self { len, bytes })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.len)).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A packet as it came from a publisher: authenticated, decrypted, taken out of RTX, header extensions decoded.
#[derive(Debug, Clone)]
pub struct Packet {
    /// RTP SSRC.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// RTP marker: the last packet of a frame, or the first of a talk spurt.
    pub marker: bool,
    /// The payload, without padding.
    pub payload: Bytes,
    /// Header extensions.
    pub extensions: Extensions,
}

/// Decoded header extensions of a packet.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// The media section it belongs to; many senders stop sending it once a receiver report came.
    pub mid: Option<ShortId>,
    /// The simulcast layer; as `mid`.
    pub rid: Option<ShortId>,
    /// Loudness in -dBov, 0 (loudest) to 127 (RFC 6464).
    pub audio_level: Option<u8>,
    /// The sender's own opinion on whether it is voice (RFC 6464).
    pub voice_activity: Option<bool>,
    /// The AV1 dependency descriptor as it came; other codecs may have it too.
    pub dependency_descriptor: Option<Bytes>,
}

/// Bytes that go before the shared payload, in place of its first `skip` bytes.
///
/// Holds what differs between subscribers, so that the payload itself is never copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefix {
    bytes: [u8; MOST_PREFIX_BYTES],
    len: u8,
    skip: u8,
}

impl Prefix {
    /// Leaves the payload as it is.
    pub const NONE: Self = Self { bytes: [0; MOST_PREFIX_BYTES], len: 0, skip: 0 };

    /// The bytes to write first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many bytes of the payload are left out.
    #[must_use]
    pub fn skip(&self) -> usize {
        usize::from(self.skip)
    }

    /// Adds one byte. What does not fit is a mistake of this crate and is left out.
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
        debug_assert!(usize::from(self.len) <= MOST_PREFIX_BYTES, "a prefix is longer than its place");
    }

    pub(crate) const fn skip_bytes(&mut self, count: u8) {
        self.skip = count;
    }
}

/// A packet for one sink: header fields of its own, payload shared with everybody else.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Who gets it.
    pub sink: Sink,
    /// The track it belongs to; the session knows the SSRC, mid and payload type that stand for it.
    pub track: TrackId,
    /// On which of the track's two streams it goes, and its sequence number there, extended to 64 bits.
    pub stream: Stream,
    /// RTP timestamp on the sink's timeline.
    pub timestamp: u32,
    /// RTP marker.
    pub marker: bool,
    /// What goes before the payload.
    pub prefix: Prefix,
    /// The publisher's payload; empty in a packet that only fills a sequence number.
    pub payload: Bytes,
    /// Loudness to pass on (RFC 6464).
    pub audio_level: Option<u8>,
    /// Voice activity to pass on.
    pub voice_activity: Option<bool>,
    /// Dependency descriptor to pass on; its bytes 1 and 2 are to be overwritten by `frame_number`, big-endian.
    pub dependency_descriptor: Option<Bytes>,
    /// The frame number on the sink's timeline.
    pub frame_number: Option<u16>,
}

impl Outgoing {
    /// Bytes of payload on the wire.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.prefix.bytes().len() + self.payload.len().saturating_sub(self.prefix.skip())
    }

    /// Appends the payload as it goes on the wire.
    pub fn write_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.bytes());
        out.extend_from_slice(self.payload.get(self.prefix.skip()..).unwrap_or_default());
    }
}

/// Which RTP stream of a track, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The media stream.
    Media {
        /// Extended sequence number.
        sequence: u64,
    },
    /// The retransmission stream ([RFC 4588](https://www.rfc-editor.org/rfc/rfc4588)), an SSRC of its own. The prefix begins with the OSN.
    /// Some browsers drop its packets unless they carry the mid, so the session adds it.
    Rtx {
        /// Extended sequence number in the retransmission stream.
        sequence: u64,
        /// The media packet's extended sequence number.
        original: u64,
    },
}

pub(crate) const fn low_u16(number: u64) -> u16 {
    let [a, b, ..] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

pub(crate) const fn low_u8(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Two-byte header extensions carry more, but no browser makes such an id.
const MOST_ID_BYTES: usize = 16;

/// An OSN, and a VP8 descriptor with everything in it.
const MOST_PREFIX_BYTES: usize = 8;
