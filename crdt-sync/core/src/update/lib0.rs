//! The numbers, texts and byte strings of lib0.
use super::UpdateError;

/// Above what JavaScript counts exactly: ids and clocks lie below.
const NUMBER_END: u64 = 1 << 53;

/// How many bytes a number below [`NUMBER_END`] takes at most.
const NUMBER_LEN: u32 = 8;

/// Reads from the front of `rest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes were not read.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, UpdateError> {
        let (first, rest) = self.rest.split_first().ok_or(UpdateError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A `varUint` below 2^53.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, UpdateError> {
        let first = self.byte()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.longer_number(u64::from(first & 0x7f), 7) }
    }

    /// A `varInt`, of which only the end matters: a sign and 6 bits, then groups of 7.
    pub(super) fn skip_signed(&mut self) -> Result<(), UpdateError> {
        let first = self.byte()?;
        if first >= 0x80 {
            self.longer_number(u64::from(first & 0x3f), 6)?;
        }
        Ok(())
    }

    fn longer_number(&mut self, mut number: u64, mut shift: u32) -> Result<u64, UpdateError> {
        loop {
            if shift >= NUMBER_LEN * 7 {
                return Err(UpdateError::Number);
            }
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return if number < NUMBER_END { Ok(number) } else { Err(UpdateError::Number) };
            }
        }
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], UpdateError> {
        let len = usize::try_from(len).map_err(|_| UpdateError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(UpdateError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length, and that many bytes.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], UpdateError> {
        let len = self.number()?;
        self.take(len)
    }

    /// A length, and that many bytes of UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, UpdateError> {
        str::from_utf8(self.sized()?).map_err(|_| UpdateError::Utf8)
    }
}

/// Appends a `varUint`.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// How many units a text has: UTF-16 counts a character of four bytes twice.
pub(super) fn utf16_len(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.iter().map(|byte| usize::from((*byte & 0xc0) != 0x80) + usize::from(*byte >= 0xf0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_end_below_2_to_53() {
        for (bytes, number) in [(&[0x7f][..], Ok(127)), (&[0x80, 0x01], Ok(128)), (&[0x81, 0x00], Ok(1))] {
            assert_eq!(Cursor::new(bytes).number(), number);
        }
        let end = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Cursor::new(&end).number(), Ok(NUMBER_END - 1));
        let above = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert_eq!(Cursor::new(&above).number(), Err(UpdateError::Number));
        assert_eq!(Cursor::new(&[0x80; 20]).number(), Err(UpdateError::Number));
        assert_eq!(Cursor::new(&[0x80]).number(), Err(UpdateError::Truncated));
    }

    proptest! {
        #[test]
        fn numbers_come_back(number in 0..NUMBER_END) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.number(), Ok(number));
            prop_assert_eq!(cursor.left(), 0);
        }

        #[test]
        fn units_are_those_of_utf16(text in "\\PC*") {
            prop_assert_eq!(utf16_len(text.as_bytes()), text.encode_utf16().count());
        }
    }
}
