//! y-protocols messages as clients write and read them.

use crate::Outcome;

/// A number in groups of 7 bits, low group first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A length, then the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes apart what was put together.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self) -> Outcome<u64> {
        let (mut number, mut shift) = (0, 0);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift).ok_or("a number too large")?;
            if *byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
        Err("a message that ends too early".into())
    }

    pub(crate) fn byte(&mut self) -> Outcome<u8> {
        let (byte, rest) = self.0.split_first().ok_or("a message that ends too early")?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(crate) fn bytes(&mut self) -> Outcome<&'a [u8]> {
        let length = usize::try_from(self.number()?)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("a message that ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// What a server says about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Step1,
    Step2(Vec<u8>),
    Update(Vec<u8>),
    /// Hocuspocus: the token is good.
    Authenticated,
    /// Hocuspocus: an update is settled, well or not.
    Settled(bool),
    /// Cursors, pings and the like.
    Other,
}

/// Which dialect is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// One document per socket, named by its path.
    Plain,
    /// Each message begins with the document's name.
    Hocuspocus,
}

impl Dialect {
    pub(crate) fn step1(self, doc: &str, vector: &[u8]) -> Vec<u8> {
        self.sync(doc, STEP_1, vector)
    }

    pub(crate) fn step2(self, doc: &str, update: &[u8]) -> Vec<u8> {
        self.sync(doc, STEP_2, update)
    }

    pub(crate) fn update(self, doc: &str, update: &[u8]) -> Vec<u8> {
        self.sync(doc, UPDATE, update)
    }

    /// Hocuspocus: what comes first, with an empty token.
    pub(crate) fn token(self, doc: &str) -> Vec<u8> {
        let mut message = self.begin(doc);
        message.extend_from_slice(&[AUTH, 0, 0]);
        message
    }

    fn sync(self, doc: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut message = self.begin(doc);
        message.extend_from_slice(&[SYNC, kind]);
        put_bytes(&mut message, bytes);
        message
    }

    fn begin(self, doc: &str) -> Vec<u8> {
        let mut message = Vec::new();
        if self == Self::Hocuspocus {
            put_bytes(&mut message, doc.as_bytes());
        }
        message
    }

    /// Reads what a server sent.
    pub(crate) fn read(self, message: &[u8]) -> Outcome<Said> {
        let mut reader = Reader(message);
        if self == Self::Hocuspocus {
            if matches!(message, [_]) {
                return Ok(Said::Other);
            }
            reader.bytes()?;
        }
        let kind = u8::try_from(reader.number()?)?;
        match kind {
            SYNC | SYNC_REPLY => match u8::try_from(reader.number()?)? {
                STEP_1 => Ok(Said::Step1),
                STEP_2 => Ok(Said::Step2(reader.bytes()?.to_vec())),
                _ => Ok(Said::Update(reader.bytes()?.to_vec())),
            },
            AUTH if self == Self::Plain => Err("permission denied".into()),
            AUTH => match reader.number()? {
                AUTHENTICATED => Ok(Said::Authenticated),
                _ => Err("permission denied".into()),
            },
            SYNC_STATUS => Ok(Said::Settled(reader.number()? == 1)),
            _ => Ok(Said::Other),
        }
    }
}

/// The state vector of who has nothing.
pub(crate) const EMPTY_VECTOR: [u8; 1] = [0];
/// The update that brings nothing.
pub(crate) const EMPTY_UPDATE: [u8; 2] = [0, 0];

const SYNC: u8 = 0;
const AUTH: u8 = 2;
const SYNC_REPLY: u8 = 4;
const SYNC_STATUS: u8 = 8;
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;
const AUTHENTICATED: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut reader = Reader(&bytes);
            assert_eq!(reader.number().unwrap(), number);
            assert!(reader.0.is_empty());
        }
        assert!(Reader(&[0x80]).number().is_err());
        assert!(Reader(&[0x80; 12]).number().is_err());
    }

    #[test]
    fn messages_are_those_of_the_protocol() {
        assert_eq!(Dialect::Plain.step1("d", &EMPTY_VECTOR), b"\0\0\x01\0");
        assert_eq!(Dialect::Plain.update("d", b"ab"), b"\0\x02\x02ab");
        assert_eq!(Dialect::Hocuspocus.token("d"), b"\x01d\x02\0\0");
        assert_eq!(Dialect::Hocuspocus.step2("d", &EMPTY_UPDATE), b"\x01d\0\x01\x02\0\0");
        assert_eq!(Dialect::Plain.read(b"\0\x01\x02ab").unwrap(), Said::Step2(b"ab".to_vec()));
        assert_eq!(Dialect::Plain.read(b"\x01\x01\0").unwrap(), Said::Other);
        assert_eq!(Dialect::Hocuspocus.read(b"\x01d\x08\x01").unwrap(), Said::Settled(true));
        assert_eq!(Dialect::Hocuspocus.read(b"\x01d\x02\x02\x0aread-write").unwrap(), Said::Authenticated);
        assert!(Dialect::Hocuspocus.read(b"\x01d\x02\x01\x02no").is_err());
    }
}
