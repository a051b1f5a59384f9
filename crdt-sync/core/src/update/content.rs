//! What structs hold: checked, measured, never kept.
use super::lib0::{Cursor, utf16_len};
use super::{Kind, UpdateError};
use crate::json::{self, Reach};

/// How many levels of values in values are read: few enough for every engine's stack.
const DEEPEST: u32 = 256;

/// The deepest level of JSON: that of serde_json, with which yrs reads.
const DEEPEST_JSON: u32 = 127;

/// What was found in the content of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// How many clocks it takes.
    pub(super) units: u64,
    /// Whether yrs reads it as Yjs does.
    pub(super) is_portable: bool,
}

impl Measure {
    const fn of(units: u64) -> Self {
        Self { units, is_portable: true }
    }
}

/// Reads the content of a struct and checks it.
pub(super) fn check(kind: Kind, cursor: &mut Cursor<'_>) -> Result<Measure, UpdateError> {
    match kind {
        Kind::Gc | Kind::Deleted | Kind::Skip => cursor.number().map(Measure::of),
        Kind::Json => {
            let units = cursor.number()?;
            for _ in 0..units {
                let text = cursor.text()?;
                if text != "undefined" {
                    json::check(text, DEEPEST_JSON)?;
                }
            }
            // yrs 0.28 reads one text too many.
            Ok(Measure { units, is_portable: false })
        }
        Kind::Binary => cursor.sized().map(|_| Measure::of(1)),
        Kind::String => cursor.text().map(|text| Measure::of(utf16_len(text.as_bytes()) as u64)),
        Kind::Embed => single_json(cursor),
        Kind::Format => {
            cursor.text()?;
            single_json(cursor)
        }
        Kind::Type => check_type(cursor),
        Kind::Any => {
            let units = cursor.number()?;
            let is_portable = skip_values(cursor, units)?;
            Ok(Measure { units, is_portable })
        }
        Kind::Doc => {
            cursor.text()?;
            check_options(cursor)
        }
    }
}

fn single_json(cursor: &mut Cursor<'_>) -> Result<Measure, UpdateError> {
    let reach = json::check(cursor.text()?, DEEPEST_JSON)?;
    Ok(Measure { units: 1, is_portable: reach == Reach::Everyone })
}

fn check_type(cursor: &mut Cursor<'_>) -> Result<Measure, UpdateError> {
    // Yjs reads a number, yrs a byte: only where both are one is it the same.
    match cursor.byte()? {
        // Array, map, text, XML fragment, XML text.
        0 | 1 | 2 | 4 | 6 => Ok(Measure::of(1)),
        // An XML element with its name.
        3 => cursor.text().map(|_| Measure::of(1)),
        // An XML hook with its name, which yrs does not read.
        5 => cursor.text().map(|_| Measure { units: 1, is_portable: false }),
        unknown => Err(UpdateError::Type(unknown)),
    }
}

/// The options of a subdocument.
fn check_options(cursor: &mut Cursor<'_>) -> Result<Measure, UpdateError> {
    // Yjs looks into them without asking what they are.
    if cursor.byte()? != OBJECT {
        return Err(UpdateError::Options);
    }
    let mut is_portable = true;
    for _ in 0..cursor.number()? {
        // yrs forgets all others, such as `meta`.
        is_portable &= matches!(cursor.text()?, "gc" | "autoLoad" | "shouldLoad" | "collectionId" | "encoding");
        skip_value(cursor, 0)?;
    }
    Ok(Measure { units: 1, is_portable })
}

const OBJECT: u8 = 118;

/// Reads so many values of lib0. Tells whether yrs keeps them.
pub(super) fn skip_values(cursor: &mut Cursor<'_>, count: u64) -> Result<bool, UpdateError> {
    let mut is_portable = true;
    for _ in 0..count {
        is_portable &= skip_value(cursor, 0)?;
    }
    Ok(is_portable)
}

fn skip_value(cursor: &mut Cursor<'_>, depth: u32) -> Result<bool, UpdateError> {
    match cursor.byte()? {
        // undefined, null, false, true
        127 | 126 | 121 | 120 => Ok(true),
        125 => cursor.skip_signed().map(|()| true),
        124 => cursor.take(4).map(|_| true),
        123 => cursor.take(8).map(|_| true),
        // A bigint, which yrs writes as another number.
        122 => cursor.take(8).map(|_| false),
        119 => cursor.text().map(|_| true),
        116 => cursor.sized().map(|_| true),
        list @ (OBJECT | 117) => {
            if depth >= DEEPEST {
                return Err(UpdateError::TooDeep);
            }
            let mut is_portable = true;
            for _ in 0..cursor.number()? {
                if list == OBJECT {
                    cursor.text()?;
                }
                is_portable &= skip_value(cursor, depth + 1)?;
            }
            Ok(is_portable)
        }
        unknown => Err(UpdateError::Value(unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(kind: Kind, bytes: &[u8]) -> Result<(u64, bool), UpdateError> {
        let mut cursor = Cursor::new(bytes);
        let measure = check(kind, &mut cursor)?;
        assert_eq!(cursor.left(), 0, "{bytes:?}");
        Ok((measure.units, measure.is_portable))
    }

    #[test]
    fn every_kind_is_measured() {
        assert_eq!(measure(Kind::Deleted, &[9]), Ok((9, true)));
        assert_eq!(measure(Kind::Json, b"\x02\x09undefined\x02{}"), Ok((2, false)));
        assert_eq!(measure(Kind::Binary, &[3, 0xff, 0xff, 0xff]), Ok((1, true)));
        assert_eq!(measure(Kind::String, "\u{6}a\u{1f600}b".as_bytes()), Ok((4, true)));
        assert_eq!(measure(Kind::Embed, b"\x02{}"), Ok((1, true)));
        assert_eq!(measure(Kind::Format, b"\x01b\x04null"), Ok((1, true)));
        assert_eq!(measure(Kind::Type, b"\x03\x01p"), Ok((1, true)));
        assert_eq!(measure(Kind::Type, b"\x05\x01p"), Ok((1, false)));
        assert_eq!(measure(Kind::Any, &[3, 127, 125, 0x41, 117, 2, 120, 119, 1, b'x']), Ok((3, true)));
        assert_eq!(measure(Kind::Any, &[1, 117, 1, 122, 0, 0, 0, 0, 0, 0, 0, 1]), Ok((1, false)));
        assert_eq!(measure(Kind::Doc, b"\x01g\x76\x01\x08autoLoad\x78"), Ok((1, true)));
        assert_eq!(measure(Kind::Doc, b"\x01g\x76\x01\x04meta\x78"), Ok((1, false)));
    }

    #[test]
    fn what_an_engine_would_throw_at_is_refused() {
        assert_eq!(measure(Kind::String, &[1, 0xff]), Err(UpdateError::Utf8));
        assert_eq!(measure(Kind::String, &[3, 0xed, 0xa0, 0x80]), Err(UpdateError::Utf8));
        assert_eq!(measure(Kind::Embed, b"\x09undefined"), Err(UpdateError::Json));
        assert_eq!(measure(Kind::Type, &[7]), Err(UpdateError::Type(7)));
        assert_eq!(measure(Kind::Type, &[0x82, 0]), Err(UpdateError::Type(0x82)));
        assert_eq!(measure(Kind::Any, &[1, 115]), Err(UpdateError::Value(115)));
        assert_eq!(measure(Kind::Any, &[0xff, 0xff, 3, 126]), Err(UpdateError::Truncated));
        assert_eq!(measure(Kind::Doc, &[1, b'g', 126]), Err(UpdateError::Options));
        assert_eq!(measure(Kind::Doc, &[1, b'g']), Err(UpdateError::Truncated));
    }

    #[test]
    fn levels_are_bounded() {
        let nested = |levels| [vec![1], [117, 1].repeat(levels), vec![126]].concat();
        assert_eq!(measure(Kind::Any, &nested(DEEPEST as usize)), Ok((1, true)));
        assert_eq!(measure(Kind::Any, &nested(1 << 20)), Err(UpdateError::TooDeep));
    }
}
