use bytes::Bytes;

use super::WireError;

/// The largest message of the native dialect on a socket, its mark included.
pub const MESSAGE_BYTES: usize = 60 * 1024;

/// The body is one whole frame.
pub(super) const WHOLE: u8 = 0;
const PART: u8 = 1;
const LAST: u8 = 2;

/// Puts messages of the native dialect together to frames.
///
/// Keeps at most `limit` bytes. Of a longer frame it keeps the beginning, so that the update in it can be refused.
#[derive(Debug)]
pub struct Assembler {
    limit: usize,
    parts: Vec<u8>,
    is_open: bool,
    is_oversized: bool,
}

/// What a message completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A frame.
    Frame(Bytes),
    /// The beginning of a frame that was too long to be kept.
    Oversized(Bytes),
}

impl Assembler {
    /// For frames of at most `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, parts: Vec::new(), is_open: false, is_oversized: false }
    }

    /// Takes one message; `None` if more parts follow.
    ///
    /// # Errors
    ///
    /// [`WireError::Part`] if the message does not fit what came before, [`WireError::TooLarge`] if it is too long.
    pub fn push(&mut self, mut message: Bytes) -> Result<Option<Assembled>, WireError> {
        let mark = *message.first().ok_or(WireError::Truncated)?;
        if message.len() > MESSAGE_BYTES {
            return Err(WireError::TooLarge);
        }
        let body = message.split_off(1);
        match mark {
            WHOLE if !self.is_open => Ok(Some(Assembled::Frame(body))),
            PART => {
                self.append(&body);
                Ok(None)
            }
            LAST if self.is_open => {
                self.append(&body);
                Ok(Some(self.finish()))
            }
            _ => Err(WireError::Part),
        }
    }

    fn append(&mut self, body: &[u8]) {
        self.is_open = true;
        if self.is_oversized || self.parts.len() + body.len() > self.limit {
            self.is_oversized = true;
            // A name and a few numbers are all that is read of it.
            self.parts.truncate(HEAD_BYTES);
            self.parts.shrink_to_fit();
            let missing = HEAD_BYTES - self.parts.len();
            self.parts.extend_from_slice(body.get(..missing.min(body.len())).unwrap_or_default());
            return;
        }
        self.parts.extend_from_slice(body);
    }

    fn finish(&mut self) -> Assembled {
        self.is_open = false;
        let bytes = std::mem::take(&mut self.parts).into();
        if std::mem::take(&mut self.is_oversized) { Assembled::Oversized(bytes) } else { Assembled::Frame(bytes) }
    }
}

const HEAD_BYTES: usize = 512;

/// Divides a frame into messages.
pub fn split(frame: &Bytes) -> impl Iterator<Item = Bytes> {
    let count = frame.len().div_ceil(BODY_BYTES).max(1);
    (0..count).map(move |index| {
        let (start, end) = (index * BODY_BYTES, frame.len().min((index + 1) * BODY_BYTES));
        let mark = match index {
            _ if count == 1 => WHOLE,
            _ if index + 1 == count => LAST,
            _ => PART,
        };
        let mut message = Vec::with_capacity(1 + end - start);
        message.push(mark);
        message.extend_from_slice(frame.get(start..end).unwrap_or_default());
        message.into()
    })
}

const BODY_BYTES: usize = MESSAGE_BYTES - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assemble(assembler: &mut Assembler, frame: &Bytes) -> Vec<Assembled> {
        split(frame).filter_map(|message| assembler.push(message).unwrap()).collect()
    }

    #[test]
    fn frames_of_any_length_survive_the_trip() {
        let mut assembler = Assembler::new(10 * MESSAGE_BYTES);
        for length in [0, 1, BODY_BYTES - 1, BODY_BYTES, BODY_BYTES + 1, 2 * BODY_BYTES, 2 * BODY_BYTES + 1] {
            let frame: Bytes = (0u8..=255).cycle().take(length).collect();
            assert!(split(&frame).all(|message| message.len() <= MESSAGE_BYTES));
            assert_eq!(assemble(&mut assembler, &frame), [Assembled::Frame(frame)], "{length}");
        }
    }

    #[test]
    fn of_a_frame_above_the_limit_only_the_beginning_is_kept() {
        let mut assembler = Assembler::new(2 * MESSAGE_BYTES);
        let frame: Bytes = (0u8..=255).cycle().take(5 * MESSAGE_BYTES).collect();
        assert_eq!(assemble(&mut assembler, &frame), [Assembled::Oversized(frame.slice(..HEAD_BYTES))]);
        let next = Bytes::from_static(b"next");
        assert_eq!(assemble(&mut assembler, &next), [Assembled::Frame(next)]);
    }

    #[test]
    fn parts_must_fit_each_other() {
        let push = |messages: &[&'static [u8]]| {
            let mut assembler = Assembler::new(100);
            let results: Vec<_> = messages.iter().map(|message| assembler.push(Bytes::from_static(message))).collect();
            results.into_iter().next_back().unwrap()
        };
        assert_eq!(push(&[b"\x01ab", b"\x02c"]), Ok(Some(Assembled::Frame(Bytes::from_static(b"abc")))));
        assert_eq!(push(&[b"\x02c"]), Err(WireError::Part));
        assert_eq!(push(&[b"\x01a", b"\x00b"]), Err(WireError::Part));
        assert_eq!(push(&[b"\x03"]), Err(WireError::Part));
        assert_eq!(push(&[b""]), Err(WireError::Truncated));
        assert_eq!(Assembler::new(1 << 20).push(vec![0; MESSAGE_BYTES + 1].into()), Err(WireError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_messages_keep_the_bound(messages in prop::collection::vec(prop::collection::vec(0u8..4, 0..40), 0..40)) {
            let mut assembler = Assembler::new(100);
            for message in messages {
                let _ = assembler.push(message.into());
                prop_assert!(assembler.parts.len() <= 100.max(HEAD_BYTES));
            }
        }
    }
}
