//! What can be told from a payload's first bytes, and how they are patched for a subscriber.
//!
//! Nothing here fails: a payload that cannot be read is described as an ordinary packet of the base layer.
mod av1;
mod dependency;
mod h264;
pub mod opus;
mod vp8;
mod vp9;

use crate::packet::{Codec, Packet, Prefix};

/// What forwarding needs to know of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Description {
    /// It begins a keyframe: a decoder may start here.
    pub is_keyframe: bool,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// A decoder that had only the layers below `temporal` may go on with this frame.
    pub is_switching_point: bool,
    /// From the next frame on, layers above this frame's need nothing from before it.
    pub opens_upper_layers: bool,
    /// Numbers that must stay continuous for a subscriber.
    pub picture: Picture,
}

/// A frame's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Picture {
    /// Picture id, or the dependency descriptor's frame number.
    pub id: Option<PictureId>,
    /// `TL0PICIDX`: counts frames of the base layer.
    pub tl0: Option<u8>,
    /// VP8's KEYIDX, 5 bits: counts keyframes.
    pub key_index: Option<u8>,
}

/// A picture number and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// The number.
    pub value: u16,
    /// It has 7, 15 or (dependency descriptor) 16 bits.
    pub bits: u8,
}

/// The same numbers on a subscriber's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Numbers {
    pub(crate) picture_id: u16,
    pub(crate) tl0: u8,
    pub(crate) key_index: u8,
}

/// Reads what can be read without the codec's help.
#[must_use]
pub fn describe(codec: Codec, packet: &Packet) -> Description {
    let mut description = match codec {
        Codec::Opus => Description::default(),
        Codec::Vp8 => vp8::describe(&packet.payload),
        Codec::Vp9 => vp9::describe(&packet.payload),
        Codec::H264 => h264::describe(&packet.payload),
        Codec::Av1 => av1::describe(&packet.payload),
    };
    // End-to-end encrypted payloads cannot be read: the descriptor outside them is believed first.
    if let Some(dependency) = packet.extensions.dependency_descriptor.as_deref().and_then(dependency::Descriptor::read)
    {
        description.is_keyframe = dependency.begins_sequence();
        if description.picture.id.is_none() {
            description.picture.id = Some(PictureId { value: dependency.frame_number, bits: 16 });
        }
    }
    description
}

/// The first bytes of the payload with `numbers` in place of the publisher's.
pub(crate) fn patch(codec: Codec, payload: &[u8], numbers: Numbers, prefix: &mut Prefix) {
    match codec {
        Codec::Vp8 => vp8::patch(payload, numbers, prefix),
        Codec::Vp9 => vp9::patch(payload, numbers, prefix),
        Codec::Opus | Codec::H264 | Codec::Av1 => {}
    }
}

/// Whether frames that are left out must also leave no gap in the picture ids.
///
/// VP8 receivers wait for missing picture ids of lower layers. VP9 and the dependency descriptor name references by distance,
/// so there the numbers must keep their gaps.
pub(crate) const fn closes_picture_ids(codec: Codec) -> bool {
    matches!(codec, Codec::Vp8)
}

/// Takes one byte off the front.
fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

/// Takes a picture id of 7 or, with the top bit set, 15 bits.
fn take_picture_id(rest: &mut &[u8]) -> Option<PictureId> {
    let first = take(rest)?;
    if first & 0x80 == 0 {
        return Some(PictureId { value: u16::from(first), bits: 7 });
    }
    let second = take(rest)?;
    Some(PictureId { value: u16::from_be_bytes([first & 0x7f, second]), bits: 15 })
}

/// Writes a picture id in 15 bits, whatever width it came in: a width that changes would change what its wrap means.
fn push_picture_id(prefix: &mut Prefix, id: u16) {
    let [high, low] = id.to_be_bytes();
    prefix.push(high | 0x80);
    prefix.push(low);
}
