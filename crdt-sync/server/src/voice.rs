//! How a follower is spoken to: which bytes a message of the hub becomes, once for all followers that hear the same.

use std::borrow::Cow;

use bytes::Bytes;
use stoa_base_types::{Access, DocName};
use stoa_crdt_sync_core::wire::hocuspocus::{self, Address, Outgoing};
use stoa_crdt_sync_core::wire::{CloseCode, ServerMessage, native, plain};

use crate::mailbox::{Closing, Frame};

/// A follower's dialect and the name it knows the document by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Frames with the document's name. `is_alone`: the socket carries no other.
    Native { is_alone: bool },
    /// The socket is the document.
    Plain,
    /// Messages with an address, several documents on a socket.
    Hocuspocus(Address),
}

impl Voice {
    /// How the socket itself is closed when the hub stops serving the follower; `None`: it stays.
    pub(crate) fn closing(&self, code: CloseCode) -> Option<Closing> {
        let closes = match (self, code) {
            (Self::Plain, _) => true,
            // The provider tries again only when its socket is new.
            (Self::Hocuspocus(_), CloseCode::Unavailable | CloseCode::Restarting) => true,
            (Self::Native { is_alone }, CloseCode::Restarting) => *is_alone,
            (Self::Native { .. } | Self::Hocuspocus(_), _) => false,
        };
        closes.then(|| Closing { code: code.socket_code(), reason: Cow::Borrowed(code.message()) })
    }
}

/// Says one message of one document to many.
#[derive(Debug)]
pub(crate) struct Announcer<'a> {
    doc: &'a DocName,
    message: &'a ServerMessage,
    native: Option<Option<Frame>>,
    plain: Option<Option<Frame>>,
    hocuspocus: Option<(Address, Option<Frame>)>,
}

impl<'a> Announcer<'a> {
    pub(crate) const fn new(doc: &'a DocName, message: &'a ServerMessage) -> Self {
        Self { doc, message, native: None, plain: None, hocuspocus: None }
    }

    /// The message in that voice; `None` if it has no word for it.
    pub(crate) fn say(&mut self, voice: &Voice) -> Option<Frame> {
        match voice {
            Voice::Native { .. } => {
                self.native.get_or_insert_with(|| native_frame(self.doc.as_str(), self.message)).clone()
            }
            Voice::Plain => self.plain.get_or_insert_with(|| whole(plain::encode(self.message))).clone(),
            Voice::Hocuspocus(address) => {
                if let Some((known, frame)) = &self.hocuspocus
                    && known == address
                {
                    return frame.clone();
                }
                let frame = hocuspocus_frame(address, self.message);
                self.hocuspocus = Some((address.clone(), frame.clone()));
                frame
            }
        }
    }
}

fn whole(message: Option<Bytes>) -> Option<Frame> {
    message.map(|message| Frame::whole(&message))
}

fn native_frame(name: &str, message: &ServerMessage) -> Option<Frame> {
    let mut messages = native::encode_messages(name, message);
    match messages.len() {
        0 => None,
        1 => whole(messages.pop()),
        _ => Some(Frame::Parts(messages.into())),
    }
}

/// The provider knows no close codes: what ends a document, whatever it ends for, is 1000 to the application. Only of a
/// denial it tells another event, so where coming again is in vain, a denial comes first.
fn hocuspocus_frame(address: &Address, message: &ServerMessage) -> Option<Frame> {
    let message_bytes = hocuspocus::encode(address.as_str(), &Outgoing::Document(message))?;
    if let ServerMessage::Closed { code } = message
        && is_final(*code)
    {
        let denial = token_answer(address, Err(code.message()))?;
        return Some(Frame::Parts([denial, message_bytes].into()));
    }
    Some(Frame::whole(&message_bytes))
}

/// Whether a provider that comes again with the same copy hears the same again. Who is forbidden was denied before.
const fn is_final(code: CloseCode) -> bool {
    match code {
        CloseCode::Gone | CloseCode::Malformed | CloseCode::BadName => true,
        CloseCode::Forbidden | CloseCode::TooMany | CloseCode::Unavailable | CloseCode::Restarting => false,
    }
}

/// What the server says to a provider about its token.
pub(crate) fn token_answer(address: &Address, answer: Result<Access, &str>) -> Option<Bytes> {
    let answer = match answer {
        Ok(access) => Outgoing::Authenticated(access),
        Err(reason) => Outgoing::PermissionDenied(reason),
    };
    hocuspocus::encode(address.as_str(), &answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        let mut bytes = vec![u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(3);
        match hocuspocus::decode(&bytes.into()).unwrap() {
            hocuspocus::Incoming::Addressed { address, .. } => address,
            hocuspocus::Incoming::Ping | hocuspocus::Incoming::Pong => panic!("expected an address"),
        }
    }

    #[test]
    fn a_message_is_encoded_once_for_all_who_hear_the_same() {
        let doc = DocName::new("d").unwrap();
        let message = ServerMessage::Update(Bytes::from_static(b"update"));
        let mut announcer = Announcer::new(&doc, &message);
        let mut same = |voice: &Voice| match (announcer.say(voice), announcer.say(voice)) {
            (Some(Frame::Whole { framed, header }), Some(Frame::Whole { framed: other, .. })) => {
                (framed.as_ptr() == other.as_ptr(), framed.slice(header..))
            }
            other => panic!("expected two frames, not {other:?}"),
        };
        assert_eq!(same(&Voice::Native { is_alone: true }), (true, Bytes::from_static(b"\0\x01d\0\x02\x06update")));
        assert_eq!(same(&Voice::Plain), (true, Bytes::from_static(b"\0\x02\x06update")));
        let session = Voice::Hocuspocus(address("d\0s"));
        assert_eq!(same(&session), (true, Bytes::from_static(b"\x03d\0s\0\x02\x06update")));
        assert_eq!(same(&Voice::Hocuspocus(address("d"))), (true, Bytes::from_static(b"\x01d\0\x02\x06update")));
    }

    #[test]
    fn large_messages_of_the_native_dialect_come_in_parts() {
        let doc = DocName::new("d").unwrap();
        let message = ServerMessage::Step2(vec![7; 200_000].into());
        let mut announcer = Announcer::new(&doc, &message);
        assert!(
            matches!(announcer.say(&Voice::Native { is_alone: false }), Some(Frame::Parts(parts)) if parts.len() == 4)
        );
        assert!(matches!(announcer.say(&Voice::Plain), Some(Frame::Whole { .. })));
    }

    #[test]
    fn a_provider_is_denied_what_has_ended_for_good() {
        let doc = DocName::new("d").unwrap();
        let said = |code| {
            let message = ServerMessage::Closed { code };
            Announcer::new(&doc, &message).say(&Voice::Hocuspocus(address("d"))).unwrap()
        };
        let Frame::Parts(parts) = said(CloseCode::Gone) else { panic!("expected two messages") };
        let why = b"the document was erased";
        let [denial, close] =
            [&b"\x01d\x02\x01\x17"[..], b"\x01d\x07\x17"].map(|head| Bytes::from([head, why].concat()));
        assert_eq!(*parts, [denial, close]);
        assert!(matches!(said(CloseCode::Forbidden), Frame::Whole { .. }), "it was denied already");
        assert!(matches!(said(CloseCode::Unavailable), Frame::Whole { .. }));
    }

    #[test]
    fn sockets_are_closed_where_that_is_the_only_word() {
        let code = |voice: &Voice, code| voice.closing(code).map(|closing| closing.code);
        assert_eq!(code(&Voice::Plain, CloseCode::Gone), Some(4410));
        assert_eq!(code(&Voice::Hocuspocus(address("d")), CloseCode::Gone), None);
        assert_eq!(code(&Voice::Hocuspocus(address("d")), CloseCode::Unavailable), Some(1011));
        assert_eq!(code(&Voice::Native { is_alone: true }, CloseCode::Restarting), Some(1012));
        assert_eq!(code(&Voice::Native { is_alone: false }, CloseCode::Restarting), None);
    }
}
