//! [RFC 6716 § 3](https://www.rfc-editor.org/rfc/rfc6716#section-3): just enough of Opus to know silence.

/// Whether the packet carries no sound: discontinuous transmission sends one or two bytes now and then.
#[must_use]
pub const fn is_silence(payload: &[u8]) -> bool {
    payload.len() <= MOST_SILENT_BYTES
}

/// A table-of-contents byte, and perhaps a count of empty frames.
const MOST_SILENT_BYTES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discontinuous_transmission_is_silence() {
        assert!(is_silence(&[0x78]) && is_silence(&[0x7b, 0x41]) && is_silence(&[]));
        assert!(!is_silence(&[0x78, 1, 2]));
    }
}
