use std::fmt;

use serde::{Deserialize, Serialize};

/// One socket of one client, numbered by the driver that accepted it; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Written as 26 lower-case base-32 characters, so that it can stand in an address or a log line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl $name {
            /// Makes an id from random bits.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(self.0))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                encode(id.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                decode(&text).map(Self).ok_or(IdError)
            }
        }
    };
}

text_id! {
    /// One user's presence in one room.
    ParticipantId
}
text_id! {
    /// One client's numbered conversation with the control plane; it outlives the socket that carries it.
    SessionId
}

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError;

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id has 26 characters of a-z and 2-7")
    }
}

impl std::error::Error for IdError {}

fn encode(bits: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| {
            let digit = u8::try_from((bits >> (place * 5)) & 31).unwrap_or_default();
            char::from(if digit < 26 { b'a' + digit } else { b'2' + digit - 26 })
        })
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LENGTH {
        return None;
    }
    let mut bits: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        // 26 digits of 5 bits are 130 bits: the first digit may only hold 3.
        if place == 0 && digit > 7 {
            return None;
        }
        bits = (bits << 5) | u128::from(digit);
    }
    Some(bits)
}

const LENGTH: usize = 26;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_survives_the_trip_through_text(bits: u128) {
            let text = ParticipantId::from_bits(bits).to_string();
            prop_assert_eq!(text.len(), LENGTH);
            prop_assert_eq!(ParticipantId::try_from(text), Ok(ParticipantId::from_bits(bits)));
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text: String) {
            if let Ok(id) = SessionId::try_from(text.clone()) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn two_texts_never_name_one_id() {
        assert_eq!(ParticipantId::try_from("i".repeat(26)), Err(IdError));
        assert!(ParticipantId::try_from("h".repeat(26)).is_ok());
    }
}
