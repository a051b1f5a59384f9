//! [RFC 7741 § 4.2](https://www.rfc-editor.org/rfc/rfc7741#section-4.2): the VP8 payload descriptor.
use super::{Description, Numbers, Picture, PictureId, push_picture_id, take, take_picture_id};
use crate::packet::Prefix;

struct Descriptor {
    first: u8,
    extension: u8,
    picture_id: Option<PictureId>,
    tl0: Option<u8>,
    /// TID, Y, KEYIDX.
    layers: Option<u8>,
    len: u8,
}

pub(super) fn describe(payload: &[u8]) -> Description {
    let Some(descriptor) = read(payload) else { return Description::default() };
    let starts_frame = descriptor.first & STARTS_PARTITION != 0 && descriptor.first & PARTITION == 0;
    // The first bit of the frame's own header: 0 in keyframes.
    let frame_header = payload.get(usize::from(descriptor.len)).copied().unwrap_or(1);
    let layers = descriptor.layers.unwrap_or_default();
    let has_temporal = descriptor.extension & HAS_TEMPORAL != 0;
    Description {
        is_keyframe: starts_frame && frame_header & 1 == 0,
        temporal: if has_temporal { layers >> 6 } else { 0 },
        is_switching_point: has_temporal && layers & LAYER_SYNC != 0,
        opens_upper_layers: false,
        picture: Picture {
            id: descriptor.picture_id,
            tl0: descriptor.tl0,
            key_index: (descriptor.extension & HAS_KEY_INDEX != 0).then_some(layers & KEY_INDEX),
        },
    }
}

pub(super) fn patch(payload: &[u8], numbers: Numbers, prefix: &mut Prefix) {
    let Some(descriptor) = read(payload) else { return };
    if descriptor.first & EXTENDED == 0 {
        return;
    }
    prefix.push(descriptor.first);
    prefix.push(descriptor.extension);
    if descriptor.picture_id.is_some() {
        push_picture_id(prefix, numbers.picture_id);
    }
    if descriptor.tl0.is_some() {
        prefix.push(numbers.tl0);
    }
    if let Some(layers) = descriptor.layers {
        let has_key_index = descriptor.extension & HAS_KEY_INDEX != 0;
        prefix.push(if has_key_index { layers & !KEY_INDEX | numbers.key_index & KEY_INDEX } else { layers });
    }
    prefix.skip_bytes(descriptor.len);
}

fn read(payload: &[u8]) -> Option<Descriptor> {
    let mut rest = payload;
    let first = take(&mut rest)?;
    let (mut extension, mut picture_id, mut tl0, mut layers) = (0, None, None, None);
    if first & EXTENDED != 0 {
        extension = take(&mut rest)?;
        if extension & HAS_PICTURE_ID != 0 {
            picture_id = Some(take_picture_id(&mut rest)?);
        }
        if extension & HAS_TL0 != 0 {
            tl0 = Some(take(&mut rest)?);
        }
        if extension & (HAS_TEMPORAL | HAS_KEY_INDEX) != 0 {
            layers = Some(take(&mut rest)?);
        }
    }
    let len = u8::try_from(payload.len() - rest.len()).ok()?;
    Some(Descriptor { first, extension, picture_id, tl0, layers, len })
}

const EXTENDED: u8 = 0x80;
const STARTS_PARTITION: u8 = 0x10;
const PARTITION: u8 = 0x07;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0: u8 = 0x40;
const HAS_TEMPORAL: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const LAYER_SYNC: u8 = 0x20;
const KEY_INDEX: u8 = 0x1f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_descriptor_is_read_and_patched() {
        let payload = [0x90, 0xf0, 0x81, 0x02, 0x07, 0x65, 0x00, 0xaa];
        let description = describe(&payload);
        assert!(description.is_keyframe && description.is_switching_point);
        assert_eq!(description.temporal, 1);
        assert_eq!(description.picture.id, Some(PictureId { value: 0x102, bits: 15 }));
        assert_eq!((description.picture.tl0, description.picture.key_index), (Some(7), Some(5)));
        let mut prefix = Prefix::NONE;
        patch(&payload, Numbers { picture_id: 0x7fff, tl0: 9, key_index: 31 }, &mut prefix);
        assert_eq!(prefix.bytes(), [0x90, 0xf0, 0xff, 0xff, 9, 0x7f]);
        assert_eq!(prefix.skip(), 6);
    }

    #[test]
    fn a_short_picture_id_grows_to_fifteen_bits() {
        let payload = [0x90, 0x80, 0x05, 0x00];
        let mut prefix = Prefix::NONE;
        patch(&payload, Numbers { picture_id: 200, ..Numbers::default() }, &mut prefix);
        assert_eq!((prefix.bytes(), prefix.skip()), (&[0x90, 0x80, 0x80, 200][..], 3));
    }

    #[test]
    fn only_the_first_packet_of_the_first_partition_begins_a_keyframe() {
        assert!(describe(&[0x10, 0x00]).is_keyframe);
        for payload in [&[0x00, 0x00][..], &[0x11, 0x00], &[0x10, 0x01], &[0x10], &[]] {
            assert!(!describe(payload).is_keyframe, "{payload:?}");
        }
    }

    #[test]
    fn a_bare_descriptor_is_left_alone() {
        let mut prefix = Prefix::NONE;
        patch(&[0x10, 0x00], Numbers::default(), &mut prefix);
        assert_eq!(prefix, Prefix::NONE);
    }
}
