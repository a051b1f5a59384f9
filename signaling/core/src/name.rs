use std::fmt;

/// A room's name in canonical form: what stands in its link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomName(Box<str>);

impl RoomName {
    /// Reads a name; upper-case ASCII letters are made lower-case.
    pub(crate) fn parse(text: &str) -> Result<Self, BadName> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.len() > ROOM_NAME_BYTES {
            return Err(BadName::TooLong { chars: ROOM_NAME_BYTES });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !text.chars().all(allowed) || text.chars().all(|c| c == '.') {
            return Err(BadName::RoomCharacter);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Trims a participant's name and checks that it can be shown.
pub(crate) fn parse_name(text: &str, max_chars: usize) -> Result<String, BadName> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.chars().count() > max_chars {
        return Err(BadName::TooLong { chars: max_chars });
    }
    if text.chars().any(is_unshowable) {
        return Err(BadName::ControlCharacter);
    }
    if !text.chars().any(is_visible) {
        return Err(BadName::Empty);
    }
    Ok(text.to_owned())
}

/// Why a text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadName {
    Empty,
    TooLong { chars: usize },
    ControlCharacter,
    RoomCharacter,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty; choose a name of at least one visible character"),
            Self::TooLong { chars } => write!(f, "it is too long; choose one of at most {chars} characters"),
            Self::ControlCharacter => {
                f.write_str("it holds a control character or one that changes the direction of text; leave it out")
            }
            Self::RoomCharacter => f.write_str("use letters a to z, digits, '.', '_' and '-' only"),
        }
    }
}

/// Control characters break lines and logs; bidirectional overrides make one name look like another.
fn is_unshowable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Zero-width characters alone would make a name that nobody can see.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{AD}')
}

const ROOM_NAME_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn room_names_are_canonical() {
        assert_eq!(RoomName::parse(" Amber-Otter_1.2 ").unwrap().to_string(), "amber-otter_1.2");
        for bad in ["", "  ", "a/b", "a b", "é", "..", &"x".repeat(65)] {
            assert!(RoomName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_trimmed_and_shown_as_they_are() {
        assert_eq!(
            parse_name("  Ada Lovelace \u{1F469}\u{200D}\u{1F4BB} ", 64).unwrap(),
            "Ada Lovelace \u{1F469}\u{200D}\u{1F4BB}"
        );
        assert_eq!(parse_name("\u{200B}", 64), Err(BadName::Empty));
        assert_eq!(parse_name("a\nb", 64), Err(BadName::ControlCharacter));
        assert_eq!(parse_name("a\u{202E}b", 64), Err(BadName::ControlCharacter));
        assert_eq!(parse_name(&"é".repeat(64), 64).map(|name| name.len()), Ok(128));
        assert_eq!(parse_name(&"é".repeat(65), 64), Err(BadName::TooLong { chars: 64 }));
    }

    proptest! {
        #[test]
        fn a_canonical_room_name_stays_itself(text: String) {
            if let Ok(name) = RoomName::parse(&text) {
                prop_assert_eq!(RoomName::parse(&name.to_string()), Ok(name));
            }
        }
    }
}
