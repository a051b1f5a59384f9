//! Stoa's own dialect: frames with a name, many documents on one socket.
use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};

use super::lib0::{Reader, Text, put_bytes, put_number, put_text};
use super::message::access_number;
use super::parts::{self, MESSAGE_BYTES};
use super::{ClientMessage, CloseCode, ServerMessage, WireError};

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// About which document.
    pub name: DocName,
    /// What.
    pub message: ClientMessage,
}

/// What a client sent in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// The document that it named, if that could be read: the answer goes there.
    pub name: Option<String>,
    /// What is wrong.
    pub error: WireError,
}

/// Reads a frame.
///
/// # Errors
///
/// [`Undecodable`] if it is not one of a client.
pub fn decode(frame: &Bytes) -> Result<Frame, Undecodable> {
    decode_with(frame, message)
}

/// Reads the beginning of a frame that was too long to be kept: a step 2 or update becomes [`ClientMessage::TooLarge`].
///
/// # Errors
///
/// [`Undecodable`] if it is something else.
pub fn decode_oversized(head: &Bytes) -> Result<Frame, Undecodable> {
    decode_with(head, |reader| match (reader.number()?, reader.number()?) {
        (SYNC, STEP_2 | UPDATE) => Ok(ClientMessage::TooLarge),
        _ => Err(WireError::TooLarge),
    })
}

fn decode_with(
    frame: &Bytes,
    message: impl FnOnce(&mut Reader) -> Result<ClientMessage, WireError>,
) -> Result<Frame, Undecodable> {
    let mut reader = Reader::new(frame);
    let name = reader.text().map_err(|error| Undecodable { name: None, error })?;
    let undecodable = |error| Undecodable { name: shown(&name), error };
    let good_name = DocName::new(name.as_str()).map_err(|_| undecodable(WireError::Name))?;
    let message = message(&mut reader).map_err(undecodable)?;
    Ok(Frame { name: good_name, message })
}

/// A name that may be repeated to its sender.
fn shown(name: &Text) -> Option<String> {
    (name.as_str().len() <= DocName::LONGEST).then(|| name.as_str().to_owned())
}

fn message(reader: &mut Reader) -> Result<ClientMessage, WireError> {
    match reader.number()? {
        SYNC => sync_message(reader),
        AWARENESS => Ok(ClientMessage::Awareness(reader.bytes()?)),
        QUERY_AWARENESS => Ok(ClientMessage::QueryAwareness),
        OPEN => match reader.number()? {
            VERSION => Ok(ClientMessage::Open { epoch: Some(Epoch(reader.number()?)).filter(|epoch| epoch.0 > 0) }),
            other => Err(WireError::Version(other)),
        },
        CLOSE => Ok(ClientMessage::Close),
        other => Err(WireError::Type(other)),
    }
}

/// The part of a sync message behind its type; all dialects have it in common.
pub(super) fn sync_message(reader: &mut Reader) -> Result<ClientMessage, WireError> {
    let kind = reader.number()?;
    let bytes = reader.bytes()?;
    match kind {
        STEP_1 => Ok(ClientMessage::Step1(bytes)),
        STEP_2 => Ok(ClientMessage::Step2(bytes)),
        UPDATE => Ok(ClientMessage::Update(bytes)),
        other => Err(WireError::Type(other)),
    }
}

/// Writes what all dialects have in common; false if the message is none of it.
pub(super) fn put_common(out: &mut Vec<u8>, message: &ServerMessage) -> bool {
    let (kinds, bytes): (&[u64], _) = match message {
        ServerMessage::Step1(bytes) => (&[SYNC, STEP_1], bytes),
        ServerMessage::Step2(bytes) => (&[SYNC, STEP_2], bytes),
        ServerMessage::Update(bytes) => (&[SYNC, UPDATE], bytes),
        ServerMessage::Awareness(bytes) => (&[AWARENESS], bytes),
        ServerMessage::QueryAwareness
        | ServerMessage::Opened { .. }
        | ServerMessage::Ack { .. }
        | ServerMessage::SyncStatus { .. }
        | ServerMessage::Durable { .. }
        | ServerMessage::Storage { .. }
        | ServerMessage::Refused { .. }
        | ServerMessage::Closed { .. }
        | ServerMessage::Access(_) => return false,
    };
    for kind in kinds {
        put_number(out, *kind);
    }
    put_bytes(out, bytes);
    true
}

/// Writes a frame, as data channels carry it; `None` if the dialect has no word for the message.
#[must_use]
pub fn encode(name: &str, message: &ServerMessage) -> Option<Bytes> {
    let mut out = Vec::with_capacity(name.len() + message.cost());
    put_frame(&mut out, name, message).then(|| out.into())
}

/// Writes a frame as the messages of a socket: one for each 60 KiB. None if the dialect has no word for the message.
#[must_use]
pub fn encode_messages(name: &str, message: &ServerMessage) -> Vec<Bytes> {
    let mut out = Vec::with_capacity(1 + name.len() + message.cost());
    out.push(parts::WHOLE);
    if !put_frame(&mut out, name, message) {
        return Vec::new();
    }
    let whole = Bytes::from(out);
    if whole.len() <= MESSAGE_BYTES { vec![whole] } else { parts::split(&whole.slice(1..)).collect() }
}

/// Answers a frame that could not be read.
#[must_use]
pub fn encode_closed(name: &str, code: CloseCode) -> Bytes {
    let mut out = vec![parts::WHOLE];
    put_frame(&mut out, name, &ServerMessage::Closed { code });
    out.into()
}

fn put_frame(out: &mut Vec<u8>, name: &str, message: &ServerMessage) -> bool {
    put_text(out, name);
    if put_common(out, message) {
        return true;
    }
    match message {
        ServerMessage::Opened { epoch, access, storage } => {
            put_numbers(out, &[OPENED, epoch.0, access_number(*access), storage.number()]);
        }
        ServerMessage::Ack { count } => put_numbers(out, &[ACK, *count]),
        ServerMessage::Durable { vector, deletes } => {
            put_number(out, DURABLE);
            put_bytes(out, vector);
            put_bytes(out, deletes);
        }
        ServerMessage::Storage { storage, reason } => {
            put_numbers(out, &[STORAGE, storage.number()]);
            put_text(out, reason);
        }
        ServerMessage::Refused { number, code } => {
            put_numbers(out, &[REFUSED, *number, code.number()]);
            put_text(out, code.message());
        }
        ServerMessage::Closed { code } => {
            put_numbers(out, &[CLOSED, code.number()]);
            put_text(out, code.message());
        }
        ServerMessage::Access(access) => put_numbers(out, &[ACCESS, access_number(*access)]),
        ServerMessage::Step1(_)
        | ServerMessage::Step2(_)
        | ServerMessage::Update(_)
        | ServerMessage::Awareness(_)
        | ServerMessage::QueryAwareness
        | ServerMessage::SyncStatus { .. } => return false,
    }
    true
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        put_number(out, *number);
    }
}

const VERSION: u64 = 1;

pub(super) const SYNC: u64 = 0;
pub(super) const AWARENESS: u64 = 1;
pub(super) const AUTH: u64 = 2;
pub(super) const QUERY_AWARENESS: u64 = 3;
const OPEN: u64 = 100;
const OPENED: u64 = 101;
const ACK: u64 = 102;
const DURABLE: u64 = 103;
const STORAGE: u64 = 104;
const REFUSED: u64 = 105;
const CLOSE: u64 = 106;
const CLOSED: u64 = 107;
const ACCESS: u64 = 108;

const STEP_1: u64 = 0;
const STEP_2: u64 = 1;
const UPDATE: u64 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stoa_base_types::Access;

    use super::super::{Assembled, Assembler, RefuseCode, Storage};
    use super::*;

    fn decoded(frame: &'static [u8]) -> Result<ClientMessage, WireError> {
        match decode(&Bytes::from_static(frame)) {
            Ok(frame) => {
                assert_eq!(frame.name.as_str(), "d");
                Ok(frame.message)
            }
            Err(undecodable) => Err(undecodable.error),
        }
    }

    #[test]
    fn the_frames_of_clients_are_those_of_the_protocol() {
        let ab = Bytes::from_static(b"ab");
        assert_eq!(decoded(b"\x01d\x00\x00\x02ab"), Ok(ClientMessage::Step1(ab.clone())));
        assert_eq!(decoded(b"\x01d\x00\x01\x02ab"), Ok(ClientMessage::Step2(ab.clone())));
        assert_eq!(decoded(b"\x01d\x00\x02\x02ab"), Ok(ClientMessage::Update(ab.clone())));
        assert_eq!(decoded(b"\x01d\x01\x02ab"), Ok(ClientMessage::Awareness(ab)));
        assert_eq!(decoded(b"\x01d\x03"), Ok(ClientMessage::QueryAwareness));
        assert_eq!(decoded(b"\x01d\x64\x01\x00"), Ok(ClientMessage::Open { epoch: None }));
        assert_eq!(decoded(b"\x01d\x64\x01\x07"), Ok(ClientMessage::Open { epoch: Some(Epoch(7)) }));
        assert_eq!(decoded(b"\x01d\x6a"), Ok(ClientMessage::Close));
        assert_eq!(decoded(b"\x01d\x64\x02\x07"), Err(WireError::Version(2)));
        assert_eq!(decoded(b"\x01d\x65\x01\x02\x00"), Err(WireError::Type(101)));
        assert_eq!(decoded(b"\x01d\x00\x03\x00"), Err(WireError::Type(3)));
        assert_eq!(decoded(b"\x01d\x00\x01\x03ab"), Err(WireError::Truncated));
        assert_eq!(decoded(b"\x01\x0a\x03"), Err(WireError::Name));
        assert_eq!(decoded(b"\x01\xff\x03"), Err(WireError::Utf8));
    }

    #[test]
    fn the_frames_of_the_server_are_those_of_the_protocol() {
        let encoded = |message| encode("d", &message).unwrap();
        let ab = Bytes::from_static(b"ab");
        assert_eq!(encoded(ServerMessage::Step1(ab.clone())), &b"\x01d\x00\x00\x02ab"[..]);
        assert_eq!(encoded(ServerMessage::Step2(ab.clone())), &b"\x01d\x00\x01\x02ab"[..]);
        assert_eq!(encoded(ServerMessage::Update(ab.clone())), &b"\x01d\x00\x02\x02ab"[..]);
        assert_eq!(encoded(ServerMessage::Awareness(ab.clone())), &b"\x01d\x01\x02ab"[..]);
        let opened = ServerMessage::Opened { epoch: Epoch(3), access: Access::Write, storage: Storage::Failing };
        assert_eq!(encoded(opened), &b"\x01d\x65\x03\x02\x01"[..]);
        assert_eq!(encoded(ServerMessage::Ack { count: 300 }), &b"\x01d\x66\xac\x02"[..]);
        let durable = ServerMessage::Durable { vector: ab.clone(), deletes: ab };
        assert_eq!(encoded(durable), &b"\x01d\x67\x02ab\x02ab"[..]);
        let storage = ServerMessage::Storage { storage: Storage::Well, reason: "r".into() };
        assert_eq!(encoded(storage), &b"\x01d\x68\x00\x01r"[..]);
        let refused = encoded(ServerMessage::Refused { number: 9, code: RefuseCode::Quota });
        assert!(refused.starts_with(b"\x01d\x69\x09\x05\x31the space"), "{refused:?}");
        let closed = encoded(ServerMessage::Closed { code: CloseCode::Gone });
        assert_eq!(closed, &b"\x01d\x6b\x01\x17the document was erased"[..]);
        assert_eq!(encoded(ServerMessage::Access(Access::Read)), &b"\x01d\x6c\x01"[..]);
        assert_eq!(encode("d", &ServerMessage::SyncStatus { is_saved: true }), None);
        assert_eq!(encode_closed("d", CloseCode::Gone), [b"\0", &closed[..]].concat());
    }

    #[test]
    fn an_oversized_update_is_still_one() {
        let head = Bytes::from_static(b"\x01d\x00\x02\x80\x80\x80\x08abc");
        assert_eq!(decode_oversized(&head).map(|frame| frame.message), Ok(ClientMessage::TooLarge));
        let head = Bytes::from_static(b"\x01d\x01\x80\x80\x80\x08abc");
        assert_eq!(decode_oversized(&head).unwrap_err().error, WireError::TooLarge);
    }

    #[test]
    fn a_bad_name_is_answered_under_that_name() {
        let undecodable = decode(&Bytes::from_static(b"\x02a\x0a\x03")).unwrap_err();
        assert_eq!(undecodable, Undecodable { name: Some("a\n".to_owned()), error: WireError::Name });
        assert_eq!(undecodable.error.close_code(), CloseCode::BadName);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = decode(&bytes.clone().into());
            let _ = decode_oversized(&bytes.into());
        }

        #[test]
        fn messages_carry_the_same_frame(length in 0usize..200_000) {
            let message = ServerMessage::Update(vec![7; length].into());
            let mut assembler = Assembler::new(1 << 20);
            let frames: Vec<_> = encode_messages("d", &message)
                .into_iter()
                .filter_map(|message| assembler.push(message).unwrap())
                .collect();
            prop_assert_eq!(frames, [Assembled::Frame(encode("d", &message).unwrap())]);
        }
    }
}
