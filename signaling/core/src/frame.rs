//! Frames to and from text.

use std::sync::Arc;

use serde::Deserialize;

use crate::message::{ClientFrame, ErrorCode, ServerMessage};

/// A message that is encoded once, however many sessions get it; each adds its own envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body(Arc<[u8]>);

impl Body {
    pub(crate) fn new(message: &ServerMessage) -> Self {
        // A derived Serialize of strings, numbers and booleans has no way to fail. A body may wait for long, so it keeps no
        // more memory than its text.
        Self(serde_json::to_vec(message).unwrap_or_default().into())
    }

    /// As much as a frame of it may have.
    pub(crate) fn len(&self) -> usize {
        self.0.len() + ENVELOPE_BYTES
    }

    /// Puts the envelope around the message. `seq` 0 marks a frame about the socket alone.
    pub(crate) const fn frame(self, seq: u64, cid: Option<u64>) -> Frame {
        Frame { seq, cid, body: self }
    }
}

/// A frame for one socket: an envelope of its own around a message that it may share with a thousand others, so that to say one thing
/// to all of them takes no memory for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    seq: u64,
    cid: Option<u64>,
    body: Body,
}

impl Frame {
    /// The number that it has within its session.
    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of its text.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there are no empty frames")]
    pub fn len(&self) -> usize {
        let cid = self.cid.map_or(0, |cid| CID.len() + digits(cid) + 1);
        SEQ.len() + digits(self.seq) + 1 + cid + self.message().len()
    }

    /// Appends its text, a JSON object in UTF-8.
    pub fn write_to(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(SEQ);
        write_number(self.seq, text);
        text.push(b',');
        if let Some(cid) = self.cid {
            text.extend_from_slice(CID);
            write_number(cid, text);
            text.push(b',');
        }
        text.extend_from_slice(self.message());
    }

    /// Its text.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.len());
        self.write_to(&mut text);
        text
    }

    /// The message's object without the brace that opens it: the envelope's fields come first in the same object.
    fn message(&self) -> &[u8] {
        self.body.0.get(1..).unwrap_or_default()
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn write_number(mut number: u64, text: &mut Vec<u8>) {
    let start = text.len();
    loop {
        text.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.get_mut(start..).unwrap_or_default().reverse();
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) code: ErrorCode,
    pub(crate) cid: Option<u64>,
    pub(crate) message: String,
}

/// Reads a client's frame.
pub(crate) fn read(text: &str) -> Result<ClientFrame, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
        let probe = serde_json::from_str::<Probe>(text).ok();
        let cid = probe.as_ref().and_then(|probe| probe.cid);
        match probe.map(|probe| probe.kind) {
            Some(kind) if !KNOWN_TYPES.contains(&kind.as_str()) => {
                let kind: String = kind.chars().take(32).collect();
                Unreadable {
                    code: ErrorCode::UnknownType,
                    cid,
                    message: format!("unknown type {kind:?}; this server knows {}", KNOWN_TYPES.join(", ")),
                }
            }
            _ => Unreadable {
                code: ErrorCode::BadFrame,
                cid,
                message: format!("unreadable frame: {error}; a frame is a JSON object with a string \"type\""),
            },
        }
    })
}

#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    cid: Option<u64>,
}

const KNOWN_TYPES: [&str; 19] = [
    "hello",
    "ack",
    "ping",
    "leave",
    "rename",
    "media",
    "refresh",
    "mute",
    "remove",
    "lock",
    "invite",
    "chat",
    "chat_history",
    "set_chat",
    "description",
    "candidate",
    "sfu_offer",
    "sfu_wish",
    "sfu_close",
];

/// The envelope's fields.
const SEQ: &[u8] = b"{\"seq\":";
const CID: &[u8] = b"\"cid\":";

/// An upper bound of `{"seq":…,"cid":…,`.
const ENVELOPE_BYTES: usize = 56;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::ServerFrame;

    #[test]
    fn the_envelope_is_part_of_the_object() {
        let body = Body::new(&ServerMessage::Ok {});
        for (seq, cid) in
            [(0, None), (9, Some(0)), (10, Some(99)), (1_234_567_890, Some(100)), (u64::MAX, Some(u64::MAX))]
        {
            let frame = body.clone().frame(seq, cid);
            let text = frame.to_text();
            assert_eq!(text.len(), frame.len());
            assert!(text.len() <= body.len());
            let read: ServerFrame = serde_json::from_slice(&text).unwrap();
            assert_eq!(read, ServerFrame { seq, cid, message: ServerMessage::Ok {} });
        }
    }

    #[test]
    fn errors_say_what_was_wrong() {
        let unknown = read(r#"{"type":"dance","cid":4}"#).unwrap_err();
        assert_eq!((unknown.code, unknown.cid), (ErrorCode::UnknownType, Some(4)));
        assert!(unknown.message.contains("\"dance\""));
        let missing = read(r#"{"type":"rename","cid":5}"#).unwrap_err();
        assert_eq!((missing.code, missing.cid), (ErrorCode::BadFrame, Some(5)));
        assert!(missing.message.contains("name"), "{}", missing.message);
        assert_eq!(read("[]").unwrap_err().code, ErrorCode::BadFrame);
    }

    #[test]
    fn the_known_types_are_those_of_the_enum() {
        for kind in KNOWN_TYPES {
            let error = read(&format!(r#"{{"type":"{kind}"}}"#)).err();
            assert!(error.is_none_or(|error| error.code == ErrorCode::BadFrame), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_frame_or_an_error(text: String) {
            let _ = read(&text);
        }
    }
}
