//! Frames to and from text.

use bytes::Bytes;
use serde::Deserialize;

use crate::message::{ClientFrame, ErrorCode, ServerMessage};

/// A message that is encoded once, however many sessions get it; each adds its own envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body(Bytes);

impl Body {
    pub(crate) fn new(message: &ServerMessage) -> Self {
        // A derived Serialize of strings, numbers and booleans has no way to fail. A body may wait for long, so it keeps no
        // more memory than its text.
        Self(serde_json::to_vec(message).unwrap_or_default().into_boxed_slice().into())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() + ENVELOPE_BYTES
    }

    /// Puts the envelope around the message. `seq` 0 marks a frame about the socket alone.
    pub(crate) fn frame(&self, seq: u64, cid: Option<u64>) -> Bytes {
        let mut frame = Vec::with_capacity(self.len());
        frame.extend_from_slice(format!("{{\"seq\":{seq},").as_bytes());
        if let Some(cid) = cid {
            frame.extend_from_slice(format!("\"cid\":{cid},").as_bytes());
        }
        frame.extend_from_slice(self.0.get(1..).unwrap_or_default());
        frame.into()
    }
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

/// An upper bound of `{"seq":…,"cid":…,`.
const ENVELOPE_BYTES: usize = 56;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::ServerFrame;

    #[test]
    fn the_envelope_is_part_of_the_object() {
        let bytes = Body::new(&ServerMessage::Ok {}).frame(u64::MAX, Some(u64::MAX));
        assert!(bytes.len() <= Body::new(&ServerMessage::Ok {}).len());
        let frame: ServerFrame = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(frame, ServerFrame { seq: u64::MAX, cid: Some(u64::MAX), message: ServerMessage::Ok {} });
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
