//! Whether a text is JSON, without keeping what it says.

/// What a text of JSON may hold that JavaScript reads and yrs does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everyone reads it.
    Everyone,
    /// Half a surrogate pair, a number beyond all floats, or one of 64 bits that takes the place of the sign.
    JavaScript,
}

/// Why a text is not taken for JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It is none.
    Syntax,
    /// Arrays and objects lie within each other in more levels than wanted.
    TooDeep,
}

/// Checks that a text is one JSON value of at most so many levels, and nothing else.
pub(crate) fn check(text: &str, deepest: u32) -> Result<Reach, JsonError> {
    let mut scan = Scan { text, at: 0, deepest, reach: Reach::Everyone };
    scan.value(0)?;
    scan.space();
    if scan.at == text.len() { Ok(scan.reach) } else { Err(JsonError::Syntax) }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    deepest: u32,
    reach: Reach,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        Ok(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: u32) -> Result<(), JsonError> {
        self.space();
        match self.next()? {
            b'"' => self.string(),
            b'{' => self.list(depth, b'}', true),
            b'[' => self.list(depth, b']', false),
            b't' => self.word("rue"),
            b'f' => self.word("alse"),
            b'n' => self.word("ull"),
            b'-' => {
                let first = self.next()?;
                self.number(first)
            }
            first => self.number(first),
        }
    }

    fn word(&mut self, rest: &str) -> Result<(), JsonError> {
        let end = self.at + rest.len();
        if self.text.as_bytes().get(self.at..end) != Some(rest.as_bytes()) {
            return Err(JsonError::Syntax);
        }
        self.at = end;
        Ok(())
    }

    /// The items of an array or an object, whose bracket was read.
    fn list(&mut self, depth: u32, end: u8, has_keys: bool) -> Result<(), JsonError> {
        if depth >= self.deepest {
            return Err(JsonError::TooDeep);
        }
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            if has_keys {
                self.space();
                self.expect(b'"')?;
                self.string()?;
                self.space();
                self.expect(b':')?;
            }
            self.value(depth + 1)?;
            self.space();
            match self.next()? {
                b',' => {}
                byte if byte == end => return Ok(()),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.next()? == byte { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// The rest of a string, whose first quote was read.
    fn string(&mut self) -> Result<(), JsonError> {
        let mut high = false;
        loop {
            let mut unit = None;
            match self.next()? {
                b'"' => break,
                b'\\' => unit = self.escape()?,
                0..0x20 => return Err(JsonError::Syntax),
                _ => {}
            }
            let is_low = matches!(unit, Some(0xdc00..=0xdfff));
            if high != is_low {
                self.reach = Reach::JavaScript;
            }
            high = matches!(unit, Some(0xd800..=0xdbff));
        }
        if high {
            self.reach = Reach::JavaScript;
        }
        Ok(())
    }

    /// What follows a backslash: the unit, if it is written as a number.
    fn escape(&mut self) -> Result<Option<u32>, JsonError> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(None),
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(self.next()?).to_digit(16).ok_or(JsonError::Syntax)?;
                    unit = unit << 4 | digit;
                }
                Ok(Some(unit))
            }
            _ => Err(JsonError::Syntax),
        }
    }

    /// The rest of a number; its sign and first digit were read.
    fn number(&mut self, first: u8) -> Result<(), JsonError> {
        let start = self.at - 1;
        match first {
            b'0' => {}
            b'1'..=b'9' => while self.digit() {},
            _ => return Err(JsonError::Syntax),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if !self.text.get(start..self.at).is_some_and(is_for_everyone) {
            self.reach = Reach::JavaScript;
        }
        Ok(())
    }

    fn digit(&mut self) -> bool {
        let is_digit = self.peek().is_some_and(|byte| byte.is_ascii_digit());
        self.at += usize::from(is_digit);
        is_digit
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.digit() {
            return Err(JsonError::Syntax);
        }
        while self.digit() {}
        Ok(())
    }
}

fn is_for_everyone(number: &str) -> bool {
    if number.len() < 16 && !number.contains(['e', 'E']) {
        return true;
    }
    let takes_sign = number.parse::<u64>().is_ok_and(|number| i64::try_from(number).is_err());
    !takes_sign && number.parse().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{JsonError, Reach};

    /// To the levels of serde_json, with which yrs reads.
    fn check(text: &str) -> Result<Reach, JsonError> {
        super::check(text, 127)
    }

    const GOOD: [&str; 9] = [
        " {\"a\": [1, -2.5e-3, true, false, null, \"\\u00e9\\n\"], \"b\": {}} ",
        "[]",
        "\"\\ud83d\\ude00\"",
        "0",
        "-0",
        "1E+2",
        "\"\"",
        "[[[0]]]",
        "123456789012345678901234567890",
    ];

    #[test]
    fn good_and_bad_texts_are_told_apart() {
        for good in GOOD {
            assert_eq!(check(good), Ok(Reach::Everyone), "{good}");
            assert!(yrs::Any::from_json(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "{a:1}",
            "[1,]",
            "{\"a\"}",
            "tru",
            "\"\\x\"",
            "\"\n\"",
            "1 2",
            "'a'",
            "\"\\u12g4\"",
        ];
        for bad in bad {
            assert_eq!(check(bad), Err(JsonError::Syntax), "{bad}");
        }
    }

    #[test]
    fn halves_of_pairs_and_endless_numbers_are_for_javascript_only() {
        for text in
            ["\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d \\ude00\"", "\"\\ud83d\\ud83d\\ude00\"", "1e999", "[-1e999]"]
        {
            assert_eq!(check(text), Ok(Reach::JavaScript), "{text}");
            assert!(yrs::Any::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_deepest_level_is_that_of_yrs() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for (levels, is_good) in [(1, true), (126, true), (127, true), (128, false), (100_000, false)] {
            assert_eq!(check(&nested(levels)).is_ok(), is_good, "{levels}");
            assert_eq!(yrs::Any::from_json(&nested(levels)).is_ok(), is_good, "{levels}");
        }
    }

    #[test]
    fn the_deepest_level_is_the_one_asked_for() {
        for (deepest, levels) in [(0, 0), (1, 1), (64, 64)] {
            let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
            assert_eq!(super::check(&nested(levels), deepest), Ok(Reach::Everyone));
            assert_eq!(super::check(&nested(levels + 1), deepest), Err(JsonError::TooDeep));
        }
        assert_eq!(super::check(&"[".repeat(1_000_000), 64), Err(JsonError::TooDeep));
    }

    proptest! {
        #[test]
        fn yrs_agrees(start in 0..9usize, edits in prop::collection::vec((0..40usize, "[\\[\\]{}\",:.eE0-9a-zu\\\\ \u{e9}-]"), 0..4)) {
            let mut text: Vec<char> = GOOD[start].chars().collect();
            for (at, edit) in edits {
                let at = at % text.len();
                text.splice(at..=at, edit.chars());
            }
            let text: String = text.into_iter().collect();
            let theirs = yrs::Any::from_json(&text);
            prop_assert_eq!(check(&text) == Ok(Reach::Everyone), theirs.is_ok(), "{} {:?}", text, theirs);
        }
    }
}
