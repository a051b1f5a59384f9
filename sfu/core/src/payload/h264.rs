//! [RFC 6184 § 5](https://www.rfc-editor.org/rfc/rfc6184#section-5): NAL units in packets.
use super::{Description, take};

pub(super) fn describe(payload: &[u8]) -> Description {
    Description { is_keyframe: begins_keyframe(payload), ..Description::default() }
}

/// A decoder can start where the sequence parameter set is: encoders send it before each IDR picture, with its timestamp.
/// An IDR slice without it is of no use to somebody who never saw one.
fn begins_keyframe(payload: &[u8]) -> bool {
    let mut rest = payload;
    let Some(first) = take(&mut rest) else { return false };
    match first & UNIT_TYPE {
        SEQUENCE_PARAMETERS => true,
        STAP_A => aggregates_parameters(rest),
        FU_A => {
            take(&mut rest).is_some_and(|header| header & FU_START != 0 && header & UNIT_TYPE == SEQUENCE_PARAMETERS)
        }
        _ => false,
    }
}

/// Whether a unit of an aggregation packet is a sequence parameter set. Ends with the payload, so it is bounded by it.
fn aggregates_parameters(mut rest: &[u8]) -> bool {
    while let Some((size, tail)) = rest.split_first_chunk::<2>() {
        let Some((unit, after)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*size))) else { return false };
        if unit.first().is_some_and(|header| header & UNIT_TYPE == SEQUENCE_PARAMETERS) {
            return true;
        }
        rest = after;
    }
    false
}

const UNIT_TYPE: u8 = 0x1f;
const SEQUENCE_PARAMETERS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_is_where_the_parameters_are() {
        assert!(begins_keyframe(&[0x67, 0x42]));
        assert!(begins_keyframe(&[0x78, 0, 1, 0x09, 0, 2, 0x67, 0x42, 0, 1, 0x65]), "STAP-A");
        assert!(begins_keyframe(&[0x7c, 0x87, 0x42]), "fragmented parameters");
        for payload in [
            &[0x65, 0x88][..],
            &[0x7c, 0x85, 0x88],
            &[0x78, 0, 1, 0x65],
            &[0x78, 0, 9, 0x67],
            &[0x78, 0],
            &[0x41],
            &[0x7c, 0x07],
            &[],
        ] {
            assert!(!begins_keyframe(payload), "{payload:?}");
        }
    }
}
