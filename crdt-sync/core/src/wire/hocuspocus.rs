//! Hocuspocus's dialect: messages with an address in front, many documents on one socket.
use std::sync::Arc;

use bytes::Bytes;
use stoa_base_types::{Access, DocName};

use super::lib0::{Reader, put_number, put_text};
use super::native::{AUTH, AWARENESS, QUERY_AWARENESS, SYNC, put_common, sync_message};
use super::{ClientMessage, ServerMessage, WireError};

/// What a provider sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Something about one document.
    Addressed {
        /// About which, and from which provider.
        address: Address,
        /// What.
        message: Message,
    },
    /// Asks whether the socket lives; answered by [`PONG`].
    Ping,
    /// Answers [`PING`].
    Pong,
}

/// Where a message belongs on its socket. Answers carry the same text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: Arc<str>,
    doc: DocName,
}

impl Address {
    /// As it is on the wire: the name, and with session awareness a zero byte and the session.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The document.
    #[must_use]
    pub const fn doc(&self) -> &DocName {
        &self.doc
    }

    fn new(text: &str) -> Result<Self, WireError> {
        let (name, session) = text.split_once('\0').unwrap_or((text, ""));
        let doc = DocName::new(name).map_err(|_| WireError::Name)?;
        if session.len() > LONGEST_SESSION {
            return Err(WireError::Name);
        }
        Ok(Self { text: text.into(), doc })
    }
}

/// Providers draw a dozen characters.
const LONGEST_SESSION: usize = 128;

/// What a provider says about one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who it is: the first message, and again when a newer token was asked for.
    Token {
        /// As the application gave it; may be empty.
        token: String,
        /// The provider's version, since its version 3.
        version: Option<String>,
    },
    /// Text for the application.
    Stateless(String),
    /// What all dialects have in common.
    Document(ClientMessage),
}

/// What the server says about one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// The token is good.
    Authenticated(Access),
    /// The token is not good.
    PermissionDenied(&'a str),
    /// Asks for a newer token.
    TokenRequest,
    /// Text for the application.
    Stateless(&'a str),
    /// What all dialects have in common.
    Document(&'a ServerMessage),
}

/// Asks whether the socket lives; has no address.
pub const PING: Bytes = Bytes::from_static(&[9]);

/// Answers [`PING`]; has no address.
pub const PONG: Bytes = Bytes::from_static(&[10]);

/// Reads a message.
///
/// # Errors
///
/// [`WireError`] if it is not one that a provider may send.
pub fn decode(bytes: &Bytes) -> Result<Incoming, WireError> {
    if *bytes == PING {
        return Ok(Incoming::Ping);
    }
    if *bytes == PONG {
        return Ok(Incoming::Pong);
    }
    let mut reader = Reader::new(bytes);
    let address = Address::new(reader.text()?.as_str())?;
    let message = match reader.number()? {
        // Servers answer each other with a reply so that the questions end; between provider and server it is the same.
        SYNC | SYNC_REPLY => Message::Document(sync_message(&mut reader)?),
        AWARENESS => Message::Document(ClientMessage::Awareness(reader.bytes()?)),
        QUERY_AWARENESS => Message::Document(ClientMessage::QueryAwareness),
        CLOSE => Message::Document(ClientMessage::Close),
        STATELESS => Message::Stateless(reader.text()?.as_str().to_owned()),
        AUTH => auth(&mut reader)?,
        // A text for all of them is a thing that servers tell each other, too.
        other => return Err(WireError::Type(other)),
    };
    Ok(Incoming::Addressed { address, message })
}

fn auth(reader: &mut Reader) -> Result<Message, WireError> {
    let kind = reader.number()?;
    if kind != TOKEN {
        return Err(WireError::Type(kind));
    }
    let token = reader.text()?.as_str().to_owned();
    let version = if reader.has_more() { Some(reader.text()?.as_str().to_owned()) } else { None };
    Ok(Message::Token { token, version })
}

/// Writes a message; `None` if the dialect has no word for it.
#[must_use]
pub fn encode(address: &str, message: &Outgoing<'_>) -> Option<Bytes> {
    let mut out = Vec::with_capacity(address.len() + 64);
    put_text(&mut out, address);
    match message {
        Outgoing::Authenticated(access) => put_authenticated(&mut out, *access),
        Outgoing::PermissionDenied(reason) => {
            put_number(&mut out, AUTH);
            put_number(&mut out, PERMISSION_DENIED);
            put_text(&mut out, reason);
        }
        Outgoing::TokenRequest => {
            put_number(&mut out, AUTH);
            put_number(&mut out, TOKEN);
        }
        Outgoing::Stateless(text) => {
            put_number(&mut out, STATELESS);
            put_text(&mut out, text);
        }
        Outgoing::Document(message) => {
            out.reserve(message.cost());
            if !put_common(&mut out, message) && !put_document(&mut out, message) {
                return None;
            }
        }
    }
    Some(out.into())
}

fn put_document(out: &mut Vec<u8>, message: &ServerMessage) -> bool {
    match message {
        ServerMessage::SyncStatus { is_saved } => {
            put_number(out, SYNC_STATUS);
            put_number(out, u64::from(*is_saved));
        }
        ServerMessage::Closed { code } => {
            put_number(out, CLOSE);
            put_text(out, code.message());
        }
        ServerMessage::QueryAwareness => put_number(out, QUERY_AWARENESS),
        ServerMessage::Access(access) => put_authenticated(out, *access),
        ServerMessage::Step1(_)
        | ServerMessage::Step2(_)
        | ServerMessage::Update(_)
        | ServerMessage::Awareness(_)
        | ServerMessage::Opened { .. }
        | ServerMessage::Ack { .. }
        | ServerMessage::Durable { .. }
        | ServerMessage::Storage { .. }
        | ServerMessage::Refused { .. } => return false,
    }
    true
}

fn put_authenticated(out: &mut Vec<u8>, access: Access) {
    put_number(out, AUTH);
    put_number(out, AUTHENTICATED);
    put_text(
        out,
        match access {
            Access::Read => "readonly",
            Access::Write => "read-write",
        },
    );
}

const SYNC_REPLY: u64 = 4;
const STATELESS: u64 = 5;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;

const TOKEN: u64 = 0;
const PERMISSION_DENIED: u64 = 1;
const AUTHENTICATED: u64 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::CloseCode;
    use super::*;

    fn decoded(bytes: &'static [u8]) -> (String, Message) {
        match decode(&Bytes::from_static(bytes)).unwrap() {
            Incoming::Addressed { address, message } => {
                assert_eq!(address.doc().as_str(), "d");
                (address.as_str().to_owned(), message)
            }
            Incoming::Ping | Incoming::Pong => panic!("expected a message about a document"),
        }
    }

    #[test]
    fn messages_of_a_provider_are_read() {
        let ab = Bytes::from_static(b"ab");
        let token = Message::Token { token: "t".to_owned(), version: Some("4.8.0".to_owned()) };
        assert_eq!(decoded(b"\x01d\x02\x00\x01t\x054.8.0"), ("d".to_owned(), token));
        let token = Message::Token { token: String::new(), version: None };
        assert_eq!(decoded(b"\x03d\0s\x02\x00\x00"), ("d\0s".to_owned(), token));
        let document = |bytes| match decoded(bytes).1 {
            Message::Document(message) => message,
            Message::Token { .. } | Message::Stateless(_) => panic!("expected a message of the document"),
        };
        assert_eq!(document(b"\x01d\x00\x00\x02ab"), ClientMessage::Step1(ab.clone()));
        assert_eq!(document(b"\x01d\x04\x01\x02ab"), ClientMessage::Step2(ab.clone()));
        assert_eq!(document(b"\x03d\0s\x00\x02\x02ab"), ClientMessage::Update(ab.clone()));
        assert_eq!(document(b"\x01d\x01\x02ab"), ClientMessage::Awareness(ab));
        assert_eq!(document(b"\x01d\x03"), ClientMessage::QueryAwareness);
        assert_eq!(document(b"\x01d\x07"), ClientMessage::Close);
        assert_eq!(decoded(b"\x01d\x05\x02hi").1, Message::Stateless("hi".to_owned()));
    }

    #[test]
    fn what_only_servers_may_say_is_refused() {
        for bytes in [&b"\x01d\x06\x02hi"[..], b"\x01d\x08\x01", b"\x01d\x02\x02\x00"] {
            assert!(matches!(decode(&Bytes::from_static(bytes)), Err(WireError::Type(_))), "{bytes:?}");
        }
        assert_eq!(decode(&Bytes::from_static(b"\x00\x03")), Err(WireError::Name));
    }

    #[test]
    fn a_ping_has_no_address() {
        assert_eq!(decode(&PING), Ok(Incoming::Ping));
        assert_eq!(decode(&PONG), Ok(Incoming::Pong));
        assert_eq!(decode(&Bytes::from_static(b"\x09documents\x03")).map(|_| ()), Ok(()));
    }

    #[test]
    fn messages_to_a_provider_are_those_it_reads() {
        let encoded = |message: Outgoing<'_>| encode("d\0s", &message).unwrap();
        let document = |message: ServerMessage| encode("d\0s", &Outgoing::Document(&message));
        assert_eq!(encoded(Outgoing::Authenticated(Access::Read)), &b"\x03d\0s\x02\x02\x08readonly"[..]);
        assert_eq!(document(ServerMessage::Access(Access::Write)).unwrap(), &b"\x03d\0s\x02\x02\x0aread-write"[..]);
        assert_eq!(encoded(Outgoing::PermissionDenied("no")), &b"\x03d\0s\x02\x01\x02no"[..]);
        assert_eq!(encoded(Outgoing::TokenRequest), &b"\x03d\0s\x02\x00"[..]);
        assert_eq!(encoded(Outgoing::Stateless("hi")), &b"\x03d\0s\x05\x02hi"[..]);
        assert_eq!(document(ServerMessage::QueryAwareness).unwrap(), &b"\x03d\0s\x03"[..]);
        assert_eq!(document(ServerMessage::SyncStatus { is_saved: true }).unwrap(), &b"\x03d\0s\x08\x01"[..]);
        assert_eq!(document(ServerMessage::Update(Bytes::from_static(b"u"))).unwrap(), &b"\x03d\0s\x00\x02\x01u"[..]);
        assert!(document(ServerMessage::Closed { code: CloseCode::Gone }).unwrap().starts_with(b"\x03d\0s\x07\x17the"));
        assert_eq!(document(ServerMessage::Ack { count: 1 }), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let _ = decode(&bytes.into());
        }
    }
}
