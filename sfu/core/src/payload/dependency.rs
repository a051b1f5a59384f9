//! The mandatory fields of the AV1 dependency descriptor, which lies outside end-to-end encryption.

/// One descriptor's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    starts_frame: bool,
    has_structure: bool,
    pub(super) frame_number: u16,
}

impl Descriptor {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[flags, high, low], rest) = bytes.split_first_chunk::<3>()?;
        Some(Self {
            starts_frame: flags & 0x80 != 0,
            // The first bit of the extended fields, if there are any.
            has_structure: rest.first().is_some_and(|extended| extended & 0x80 != 0),
            frame_number: u16::from_be_bytes([high, low]),
        })
    }

    /// A template structure is only sent where a coded video sequence begins.
    pub(super) const fn begins_sequence(self) -> bool {
        self.starts_frame && self.has_structure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_marks_the_beginning_of_a_sequence() {
        let first = Descriptor::read(&[0x80, 0x01, 0x02, 0x80]).unwrap();
        assert!(first.begins_sequence());
        assert_eq!(first.frame_number, 0x102);
        assert!(!Descriptor::read(&[0xc0, 0, 1]).unwrap().begins_sequence());
        assert!(!Descriptor::read(&[0x00, 0, 1, 0x80]).unwrap().begins_sequence());
        assert_eq!(Descriptor::read(&[0x80, 0]), None);
    }
}
