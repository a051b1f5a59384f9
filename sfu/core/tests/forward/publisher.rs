//! A camera with three simulcast layers of VP8, each with three temporal layers: 0 2 1 2.
use bytes::Bytes;
use stoa_sfu_core::{Extensions, Packet, ShortId};

pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];

/// What a packet is, wherever it appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Content {
    pub(crate) layer: u8,
    pub(crate) generation: u8,
    pub(crate) frame: u16,
    pub(crate) index: u8,
    pub(crate) count: u8,
    /// The extended sequence number, to count what lies between.
    pub(crate) sequence: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) layer: u8,
    pub(crate) generation: u8,
    pub(crate) is_on: bool,
    pub(crate) wants_key: bool,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u32,
    pub(crate) timestamp: u32,
    /// Of the latest keyframe; the pattern starts there.
    pub(crate) key: u16,
    pub(crate) frame: u16,
    picture_id: u16,
    tl0: u8,
    key_index: u8,
    /// Every frame's keyframe, by number.
    pub(crate) frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) is_key: bool,
    pub(crate) temporal: u8,
    /// The frame it needs.
    pub(crate) needs: Option<u16>,
    pub(crate) count: u8,
}

impl Encoder {
    pub(crate) fn new(layer: u8, generation: u8, random: u32) -> Self {
        Self {
            layer,
            generation,
            is_on: true,
            wants_key: true,
            ssrc: 1_000 + u32::from(layer) + 10 * u32::from(generation),
            sequence: (1 << 16) + (random & 0xffff),
            timestamp: random.wrapping_mul(2_654_435_761),
            key: 0,
            frame: 0,
            picture_id: 0x7ff0_u16.wrapping_add((random >> 8 & 0xf) as u16) & 0x7fff,
            tl0: (random >> 16 & 0xff) as u8,
            key_index: (random & 0x1f) as u8,
            frames: Vec::new(),
        }
    }

    /// Encodes the next frame into `count` packets.
    pub(crate) fn encode(&mut self, count: u8) -> Vec<Packet> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        if !self.is_on {
            return Vec::new();
        }
        let is_key = std::mem::take(&mut self.wants_key) || self.frames.is_empty();
        if is_key {
            self.key = self.frame;
            self.key_index = (self.key_index + 1) & 0x1f;
        }
        let place = (self.frame - self.key) % 4;
        let (temporal, needs, is_sync) = match place {
            0 => (0, (!is_key).then(|| self.frame - 4), false),
            1 => (2, Some(self.frame - 1), true),
            2 => (1, Some(self.frame - 2), true),
            _ => (2, Some(self.frame - 1), false),
        };
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        self.frames.push(Frame { is_key, temporal, needs, count });
        let packets = (0..count).map(|index| self.packet(index, count, is_key, temporal, is_sync)).collect();
        self.frame += 1;
        packets
    }

    fn packet(&mut self, index: u8, count: u8, is_key: bool, temporal: u8, is_sync: bool) -> Packet {
        let [high, low] = self.picture_id.to_be_bytes();
        let layers = temporal << 6 | u8::from(is_sync) << 5 | self.key_index;
        let start = if index == 0 { 0x90 } else { 0x80 };
        let mut payload = vec![start, 0xf0, high | 0x80, low, self.tl0, layers];
        payload.push(u8::from(!is_key || index > 0));
        payload.extend([self.layer, self.generation, index, count]);
        payload.extend(self.frame.to_be_bytes());
        payload.extend(self.sequence.to_be_bytes());
        payload.resize(payload.len() + 20, 0);
        let packet = Packet {
            ssrc: self.ssrc,
            sequence: (self.sequence & 0xffff) as u16,
            timestamp: self.timestamp,
            marker: index + 1 == count,
            payload: Bytes::from(payload),
            extensions: Extensions {
                mid: ShortId::new("0"),
                rid: ShortId::new(RIDS[usize::from(self.layer)]),
                ..Extensions::default()
            },
        };
        self.sequence += 1;
        packet
    }
}

/// A payload as a subscriber sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) content: Content,
    pub(crate) picture_id: u16,
    pub(crate) tl0: u8,
    pub(crate) key_index: u8,
    pub(crate) temporal: u8,
    pub(crate) is_key_start: bool,
}

pub(crate) fn read(payload: &[u8]) -> Seen {
    assert_eq!(payload[1], 0xf0, "the descriptor keeps its fields");
    assert!(payload[2] & 0x80 != 0, "picture ids keep their width");
    let body = &payload[7..];
    Seen {
        content: Content {
            layer: body[0],
            generation: body[1],
            index: body[2],
            count: body[3],
            frame: u16::from_be_bytes([body[4], body[5]]),
            sequence: u32::from_be_bytes([body[6], body[7], body[8], body[9]]),
        },
        picture_id: u16::from_be_bytes([payload[2] & 0x7f, payload[3]]),
        tl0: payload[4],
        key_index: payload[5] & 0x1f,
        temporal: payload[5] >> 6,
        is_key_start: payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
    }
}
