//! y-websocket's dialect: a socket is one document.
use bytes::Bytes;

use super::lib0::{Reader, put_number, put_text};
use super::native::{AUTH, AWARENESS, QUERY_AWARENESS, SYNC, put_common, sync_message};
use super::{ClientMessage, ServerMessage, WireError};

/// Reads a message. Bytes after it are ignored, as y-websocket does.
///
/// # Errors
///
/// [`WireError`] if it is not one. A type that nobody knows ([`WireError::Type`]) is no reason to close: applications add
/// their own.
pub fn decode(bytes: &Bytes) -> Result<ClientMessage, WireError> {
    let mut reader = Reader::new(bytes);
    match reader.number()? {
        SYNC => sync_message(&mut reader),
        AWARENESS => Ok(ClientMessage::Awareness(reader.bytes()?)),
        QUERY_AWARENESS => Ok(ClientMessage::QueryAwareness),
        other => Err(WireError::Type(other)),
    }
}

/// Writes a message; `None` if the dialect has no word for it. [`ServerMessage::Closed`] is the socket's close code.
#[must_use]
pub fn encode(message: &ServerMessage) -> Option<Bytes> {
    let mut out = Vec::with_capacity(message.cost());
    if !put_common(&mut out, message) {
        let ServerMessage::Refused { code, .. } = message else { return None };
        put_number(&mut out, AUTH);
        put_number(&mut out, PERMISSION_DENIED);
        put_text(&mut out, code.message());
    }
    Some(out.into())
}

const PERMISSION_DENIED: u64 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RefuseCode;
    use super::*;

    #[test]
    fn messages_are_those_of_y_protocols() {
        let decoded = |bytes: &'static [u8]| decode(&Bytes::from_static(bytes));
        let ab = Bytes::from_static(b"ab");
        assert_eq!(decoded(b"\x00\x00\x02ab"), Ok(ClientMessage::Step1(ab.clone())));
        assert_eq!(decoded(b"\x00\x01\x02ab"), Ok(ClientMessage::Step2(ab.clone())));
        assert_eq!(decoded(b"\x00\x02\x02abmore"), Ok(ClientMessage::Update(ab.clone())));
        assert_eq!(decoded(b"\x01\x02ab"), Ok(ClientMessage::Awareness(ab.clone())));
        assert_eq!(decoded(b"\x03"), Ok(ClientMessage::QueryAwareness));
        assert_eq!(decoded(b"\x66"), Err(WireError::Type(102)));
        assert_eq!(encode(&ServerMessage::Update(ab)).unwrap(), &b"\x00\x02\x02ab"[..]);
        let refused = ServerMessage::Refused { number: 1, code: RefuseCode::ReadOnly };
        assert!(encode(&refused).unwrap().starts_with(b"\x02\x00\x29you may read"));
        assert_eq!(encode(&ServerMessage::Ack { count: 1 }), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = decode(&bytes.into());
        }
    }
}
