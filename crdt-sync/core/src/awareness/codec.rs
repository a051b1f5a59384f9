//! Awareness updates as y-protocols writes them: client ids, clocks, and states in JSON.
use bytes::Bytes;

use crate::wire::WireError;
use crate::wire::lib0::{Reader, Text, put_number, put_text};

/// What an update says about one client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) client: u64,
    pub(super) clock: u64,
    /// JSON; `null` if the client is gone.
    pub(super) state: Text,
}

/// Reads an update. The states are texts, and not more than that yet.
pub(super) fn decode(update: &Bytes) -> impl Iterator<Item = Result<Said, WireError>> {
    let mut reader = Reader::new(update);
    let mut left = reader.number();
    std::iter::from_fn(move || match left {
        Ok(0) => None,
        Ok(count) => {
            let said = read(&mut reader);
            left = if said.is_ok() { Ok(count - 1) } else { Ok(0) };
            Some(said)
        }
        Err(error) => {
            left = Ok(0);
            Some(Err(error))
        }
    })
}

fn read(reader: &mut Reader) -> Result<Said, WireError> {
    Ok(Said { client: reader.number()?, clock: reader.number()?, state: reader.text()? })
}

/// Writes an update.
pub(super) fn encode<'a>(entries: impl ExactSizeIterator<Item = (u64, u64, &'a str)>) -> Bytes {
    let mut out = Vec::new();
    put_number(&mut out, entries.len() as u64);
    for (client, clock, state) in entries {
        put_number(&mut out, client);
        put_number(&mut out, clock);
        put_text(&mut out, state);
    }
    out.into()
}

/// The state of a client that is gone.
pub(super) const GONE: &str = "null";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_y_protocols() {
        let bytes = encode([(5, 300, "{}"), (1, 0, GONE)].into_iter());
        assert_eq!(bytes, &b"\x02\x05\xac\x02\x02{}\x01\x00\x04null"[..]);
        let said: Vec<_> = decode(&bytes).map(Result::unwrap).collect();
        let parts: Vec<_> = said.iter().map(|said| (said.client, said.clock, said.state.as_str())).collect();
        assert_eq!(parts, [(5, 300, "{}"), (1, 0, "null")]);
    }

    #[test]
    fn a_damaged_update_ends_with_an_error() {
        let results: Vec<_> = decode(&Bytes::from_static(b"\xff\x01\x05\x01\x02{}\x01")).collect();
        assert_eq!(results.len(), 2);
        assert_eq!(results[1], Err(WireError::Truncated));
        assert_eq!(decode(&Bytes::new()).next(), Some(Err(WireError::Truncated)));
    }
}
