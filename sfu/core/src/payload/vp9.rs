//! [RFC 9628 § 4.2](https://www.rfc-editor.org/rfc/rfc9628#section-4.2): the VP9 payload descriptor.
use super::{Description, Numbers, Picture, PictureId, push_picture_id, take, take_picture_id};
use crate::packet::Prefix;

struct Descriptor {
    first: u8,
    picture_id: Option<PictureId>,
    /// TID, U, SID, D.
    layers: Option<u8>,
    /// Only in non-flexible mode.
    tl0: Option<u8>,
    len: u8,
}

pub(super) fn describe(payload: &[u8]) -> Description {
    let Some(descriptor) = read(payload) else { return Description::default() };
    let layers = descriptor.layers.unwrap_or_default();
    let is_base_spatial = layers & SPATIAL == 0;
    let depends_on_past = descriptor.first & INTER_PICTURE != 0;
    Description {
        is_keyframe: !depends_on_past && is_base_spatial && descriptor.first & STARTS_FRAME != 0,
        temporal: layers >> 5,
        is_switching_point: false,
        opens_upper_layers: layers & SWITCHING_UP != 0,
        picture: Picture { id: descriptor.picture_id, tl0: descriptor.tl0, key_index: None },
    }
}

pub(super) fn patch(payload: &[u8], numbers: Numbers, prefix: &mut Prefix) {
    let Some(descriptor) = read(payload) else { return };
    if descriptor.picture_id.is_none() && descriptor.tl0.is_none() {
        return;
    }
    prefix.push(descriptor.first);
    if descriptor.picture_id.is_some() {
        push_picture_id(prefix, numbers.picture_id);
    }
    if let Some(layers) = descriptor.layers {
        prefix.push(layers);
    }
    if descriptor.tl0.is_some() {
        prefix.push(numbers.tl0);
    }
    prefix.skip_bytes(descriptor.len);
}

/// Reads up to `TL0PICIDX`; what follows names references by distance and stays as it is.
fn read(payload: &[u8]) -> Option<Descriptor> {
    let mut rest = payload;
    let first = take(&mut rest)?;
    let picture_id = if first & HAS_PICTURE_ID != 0 { Some(take_picture_id(&mut rest)?) } else { None };
    let layers = if first & HAS_LAYERS != 0 { Some(take(&mut rest)?) } else { None };
    let has_tl0 = layers.is_some() && first & FLEXIBLE == 0;
    let tl0 = if has_tl0 { Some(take(&mut rest)?) } else { None };
    let len = u8::try_from(payload.len() - rest.len()).ok()?;
    Some(Descriptor { first, picture_id, layers, tl0, len })
}

const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PICTURE: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const STARTS_FRAME: u8 = 0x08;
const SWITCHING_UP: u8 = 0x10;
const SPATIAL: u8 = 0x0e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_in_both_modes() {
        let fixed = describe(&[0xe8, 0x81, 0x02, 0x50, 0x09, 0]);
        assert_eq!((fixed.temporal, fixed.opens_upper_layers, fixed.picture.tl0), (2, true, Some(9)));
        let flexible = describe(&[0xf8, 0x05, 0x20, 0x02, 0]);
        assert_eq!((flexible.temporal, flexible.opens_upper_layers, flexible.picture.tl0), (1, false, None));
        assert_eq!(flexible.picture.id, Some(PictureId { value: 5, bits: 7 }));
    }

    #[test]
    fn a_keyframe_begins_in_the_lowest_spatial_layer() {
        assert!(describe(&[0xa8, 0x01, 0x00, 0x00]).is_keyframe);
        assert!(!describe(&[0xa8, 0x01, 0x02, 0x00]).is_keyframe, "an upper spatial layer");
        assert!(!describe(&[0xa0, 0x01, 0x00, 0x00]).is_keyframe, "not its first packet");
        assert!(!describe(&[0xe8, 0x01, 0x00, 0x00]).is_keyframe, "inter-picture");
    }

    #[test]
    fn the_picture_id_is_patched_and_the_rest_kept() {
        let mut prefix = Prefix::NONE;
        patch(&[0xe8, 0x05, 0x50, 0x09, 0xbb], Numbers { picture_id: 0x102, tl0: 3, key_index: 0 }, &mut prefix);
        assert_eq!((prefix.bytes(), prefix.skip()), (&[0xe8, 0x81, 0x02, 0x50, 3][..], 4));
    }
}
