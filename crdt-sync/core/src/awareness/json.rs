//! Whether a text is JSON: other clients parse it, and some fall over what is not.

/// More levels than any state has, fewer than any stack.
const DEEPEST: usize = 64;

/// Whether a text is one JSON value and nothing else.
pub(super) fn is_json(text: &str) -> bool {
    let mut scan = Scan { rest: text.as_bytes() };
    scan.value(0).is_some() && scan.space().rest.is_empty()
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match self.space().next()? {
            b'{' => self.items(b'}', |scan| {
                (scan.space().next()? == b'"').then_some(())?;
                scan.string()?;
                (scan.space().next()? == b':').then_some(())?;
                scan.value(depth + 1)
            }),
            b'[' => self.items(b']', |scan| scan.value(depth + 1)),
            b'"' => self.string(),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' => {
                let first = self.next()?;
                self.number(first)
            }
            first => self.number(first),
        }
    }

    fn items(&mut self, end: u8, item: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        if self.space().rest.first() == Some(&end) {
            self.next();
            return Some(());
        }
        loop {
            item(self)?;
            match self.space().next()? {
                b',' => {}
                last => return (last == end).then_some(()),
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.next()?.is_ascii_hexdigit().then_some(())?;
                        }
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.rest.first() == Some(&b'.') {
            self.next();
            self.some_digits()?;
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.next();
            if matches!(self.rest.first(), Some(b'+' | b'-')) {
                self.next();
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        self.rest.first()?.is_ascii_digit().then_some(())?;
        self.digits();
        Some(())
    }

    fn digits(&mut self) {
        while self.rest.first().is_some_and(u8::is_ascii_digit) {
            self.next();
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(rest)?;
        Some(())
    }

    fn space(&mut self) -> &mut Self {
        while matches!(self.rest.first(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.next();
        }
        self
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) -> bool {
        is_json(text) == serde_json::from_str::<serde_json::Value>(text).is_ok()
    }

    #[test]
    fn json_is_what_a_parser_takes() {
        for text in [
            "null",
            " {} ",
            "[]",
            "[1,2]",
            "[1,]",
            "{\"a\":{\"b\":[true,false,null]}}",
            "{a:1}",
            "01",
            "-",
            "-0.5e+3",
            "1.",
            "\"\\u00e9\\n\"",
            "\"\\x\"",
            "\"\u{1}\"",
            "nul",
            "{} {}",
            "",
            "{\"a\" : 1 , \"b\":2}",
            "{\"a\":1,}",
            "[",
            "1e5",
        ] {
            assert!(agrees(text), "{text:?}");
        }
        assert!(is_json(&format!("{}{}", "[".repeat(64), "]".repeat(64))));
        assert!(!is_json(&format!("{}{}", "[".repeat(70), "]".repeat(70))));
        assert!(!is_json(&"[".repeat(1_000_000)));
    }

    proptest! {
        #[test]
        fn json_is_what_a_parser_takes_always(text in "[\\[\\]{}:,\"\\\\a0-2.+tnu \\-]{0,12}") {
            prop_assert!(agrees(&text), "{}", text);
        }
    }
}
