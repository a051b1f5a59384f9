//! The RTP payload format for AV1: aggregation header and the first OBUs.
use super::{Description, take};

pub(super) fn describe(payload: &[u8]) -> Description {
    Description { is_keyframe: begins_sequence(payload).unwrap_or(false), ..Description::default() }
}

/// A coded video sequence begins with a sequence header, possibly after a temporal delimiter.
fn begins_sequence(payload: &[u8]) -> Option<bool> {
    let mut rest = payload;
    let aggregation = take(&mut rest)?;
    if aggregation & CONTINUES != 0 {
        return Some(false);
    }
    if aggregation & NEW_SEQUENCE != 0 {
        return Some(true);
    }
    let count = (aggregation >> 4) & 3;
    for place in 1..=2 {
        // The last of a counted list has no length.
        let is_last = place == count;
        let unit = if is_last { rest } else { take_sized(&mut rest)? };
        match (unit.first()? >> 3) & 0x0f {
            SEQUENCE_HEADER => return Some(true),
            TEMPORAL_DELIMITER if !is_last => {}
            _ => return Some(false),
        }
    }
    Some(false)
}

fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_leb128(rest)?;
    let (unit, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(unit)
}

fn take_leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    // No packet is so long that its length takes more than three groups of 7 bits.
    for place in 0..3 {
        let byte = take(rest)?;
        number |= usize::from(byte & 0x7f) << (place * 7);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const CONTINUES: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_begins_with_its_header() {
        assert_eq!(begins_sequence(&[0x18, 0x0a]), Some(true), "N bit");
        assert_eq!(begins_sequence(&[0x10, 0x0a, 0x00]), Some(true), "one OBU, a sequence header");
        assert_eq!(begins_sequence(&[0x20, 1, 0x12, 0x0a]), Some(true), "after a temporal delimiter");
        assert_eq!(begins_sequence(&[0x98, 0x0a]), Some(false), "a continued OBU");
        assert_eq!(begins_sequence(&[0x10, 0x32]), Some(false), "a frame");
        assert_eq!(begins_sequence(&[0x00, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(begins_sequence(&[]), None);
    }
}
