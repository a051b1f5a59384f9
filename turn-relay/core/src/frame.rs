use std::ops::Range;

/// The first message in what has arrived of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// It has not arrived in full.
    Incomplete,
    /// Where the message lies, and how many bytes of the stream it takes with its padding.
    Complete {
        /// For `handle_client`.
        message: Range<usize>,
        /// Where the next one begins.
        taken: usize,
    },
}

/// What arrives is no TURN: the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTurn;

/// Finds the first message in a stream, [RFC 8656 § 3.1 and § 12.5](https://www.rfc-editor.org/rfc/rfc8656#section-12.5):
/// messages follow each other, and ChannelData is padded to a multiple of 4 bytes.
///
/// No message is longer than 65,552 bytes; who buffers that much always has a complete one.
///
/// # Errors
/// [`NotTurn`] as soon as a first byte or a magic cookie is wrong.
pub fn next_frame(stream: &[u8]) -> Result<Frame, NotTurn> {
    let Some(first) = stream.first() else { return Ok(Frame::Incomplete) };
    let is_channel = match first {
        0..=3 => false,
        0x40..=0x7F => true,
        _ => return Err(NotTurn),
    };
    let cookie = stream.get(4..stream.len().min(8)).unwrap_or_default();
    if !is_channel && !crate::stun::MAGIC_COOKIE.starts_with(cookie) {
        return Err(NotTurn);
    }
    let Some(length) = crate::stun::read_u16(stream, 2).map(usize::from) else { return Ok(Frame::Incomplete) };
    if !is_channel && !length.is_multiple_of(4) {
        return Err(NotTurn);
    }
    let end = length + if is_channel { 4 } else { 20 };
    let taken = end.next_multiple_of(4);
    Ok(if stream.len() < taken { Frame::Incomplete } else { Frame::Complete { message: 0..end, taken } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stun::{BINDING, Builder, Class, TransactionId};

    proptest! {
        #[test]
        fn a_stream_comes_apart_the_same_however_it_is_cut(payloads in prop::collection::vec(prop::option::of(0usize..50), 1..6)) {
            let mut stream = vec![];
            for payload in &payloads {
                match payload {
                    Some(length) => {
                        stream.extend([0x40, 1, 0, u8::try_from(*length).unwrap()]);
                        stream.resize(stream.len() + length.next_multiple_of(4), 7);
                    }
                    None => stream.extend(Builder::new(Class::Request, BINDING, TransactionId([1; 12])).finish()),
                }
            }
            let (mut buffer, mut found) = (vec![], vec![]);
            for byte in stream {
                buffer.push(byte);
                while let Frame::Complete { message, taken } = next_frame(&buffer).unwrap() {
                    found.push(message.len());
                    buffer.drain(..taken);
                }
            }
            prop_assert!(buffer.is_empty());
            let expected: Vec<_> = payloads.iter().map(|payload| payload.map_or(20, |length| 4 + length)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn other_protocols_are_noticed_at_once() {
        for other in [&b"GET / HTTP/1.1"[..], &[0x16, 3, 1], &[0, 1, 0, 0, 0xFF], &[0, 1, 0, 3], b"\x80"] {
            let is_http = other.starts_with(b"G");
            // "GE" could be a channel; what follows cannot be told from payload.
            assert_eq!(next_frame(other).is_err(), !is_http, "{other:?}");
        }
    }
}
