//! Numbers, texts and bytes as lib0 writes them.
use bytes::Bytes;

use super::WireError;

/// The largest number that JavaScript counts to.
const NUMBER_END: u64 = (1 << 53) - 1;

/// Reads a message from its beginning; what it yields shares the message's bytes.
#[derive(Debug)]
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(bytes: &Bytes) -> Self {
        Self { rest: bytes.clone() }
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn number(&mut self) -> Result<u64, WireError> {
        let (number, used) = number(&self.rest)?;
        let _ = self.rest.split_to(used);
        Ok(number)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, WireError> {
        let length = usize::try_from(self.number()?).map_err(|_| WireError::Truncated)?;
        if length > self.rest.len() {
            return Err(WireError::Truncated);
        }
        Ok(self.rest.split_to(length))
    }

    pub(crate) fn text(&mut self) -> Result<Text, WireError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(&bytes).map_err(|_| WireError::Utf8)?;
        Ok(Text(bytes))
    }
}

/// Text that shares a message's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(Bytes);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        // Checked when it was read.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A copy that keeps no more memory than the text.
    pub(crate) fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

fn number(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if place == LONGEST_NUMBER {
            return Err(WireError::Number);
        }
        number |= u64::from(byte & 0x7f) << (place * 7);
        if byte & 0x80 == 0 {
            return if number <= NUMBER_END { Ok((number, place + 1)) } else { Err(WireError::Number) };
        }
    }
    Err(WireError::Truncated)
}

/// 8 groups of 7 bits hold 53 bits.
const LONGEST_NUMBER: usize = 8;

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_the_trip(expected in 0..=NUMBER_END, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, expected);
            let used = bytes.len();
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(number(&bytes), Ok((expected, used)));
            prop_assert_eq!(number(&bytes[..used - 1]), Err(WireError::Truncated));
        }

        #[test]
        fn fields_survive_the_trip(one: Vec<u8>, text: String) {
            let mut bytes = Vec::new();
            put_bytes(&mut bytes, &one);
            put_text(&mut bytes, &text);
            let mut reader = Reader::new(&bytes.into());
            prop_assert_eq!(reader.bytes(), Ok(Bytes::from(one)));
            let read = reader.text().unwrap();
            prop_assert_eq!(read.as_str(), text);
            prop_assert!(!reader.has_more());
        }
    }

    #[test]
    fn numbers_have_an_end() {
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((NUMBER_END, 8)));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]), Err(WireError::Number));
        assert_eq!(number(&[0x80; 9]), Err(WireError::Number));
        assert_eq!(number(&[0xac, 0x02]), Ok((300, 2)));
        let mut reader = Reader::new(&Bytes::from_static(&[5, 1, 2]));
        assert_eq!(reader.bytes(), Err(WireError::Truncated));
    }
}
