//! Hocuspocus's dialect: each document of the socket comes with a token of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stoa_base_types::{Access, DocName};
use stoa_crdt_sync_core::wire::hocuspocus::{self, Address, Incoming, Message, Outgoing, PONG};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage, WireError};

use super::PortEnd;
use super::line::Line;
use crate::access::{Authorize, Denied};
use crate::voice::{Voice, token_answer};

pub(super) struct Hocuspocus {
    /// Of the request itself.
    token: Option<String>,
    authorize: Authorize,
    sessions: BTreeMap<Arc<str>, Session>,
}

/// What one provider showed for one document.
#[derive(Debug)]
struct Session {
    address: Address,
    token: String,
    /// The token is no longer good, and a newer one was asked for.
    is_asked: bool,
}

impl Hocuspocus {
    pub(super) const fn new(token: Option<String>, authorize: Authorize) -> Self {
        Self { token, authorize, sessions: BTreeMap::new() }
    }

    pub(super) async fn handle(&mut self, line: &mut Line, message: &Bytes) -> Result<(), PortEnd> {
        let (address, message) = match hocuspocus::decode(message) {
            Ok(Incoming::Addressed { address, message }) => (address, message),
            Ok(Incoming::Ping) => {
                line.say(PONG);
                return Ok(());
            }
            // Newer providers may say more; and names that cannot be answered to are not.
            Ok(Incoming::Pong) | Err(WireError::Type(_) | WireError::Name) => return Ok(()),
            Err(error) => return Err(PortEnd::malformed(error.to_string())),
        };
        match message {
            Message::Token { token, .. } => self.show(line, address, token).await,
            Message::Document(ClientMessage::Close) => {
                self.sessions.remove(address.as_str());
                line.detach(address.as_str());
            }
            // Who was denied may go on for a while before it notices.
            Message::Document(message) => drop(line.message(address.as_str(), message).await),
            // What readers say reaches the server, and nobody else.
            Message::Stateless(text) => {
                if line.access(address.as_str()) == Some(Access::Write) {
                    line.stateless(address.as_str(), text).await;
                }
            }
        }
        Ok(())
    }

    fn judge(&self, token: &str, doc: &DocName) -> Result<Access, Denied> {
        let token = if token.is_empty() { self.token.as_deref() } else { Some(token) };
        (self.authorize)(token, doc)
    }

    /// A provider shows a token: the first one, or a newer one.
    async fn show(&mut self, line: &mut Line, address: Address, token: String) {
        let key: Arc<str> = address.as_str().into();
        let access = match self.judge(&token, address.doc()) {
            Ok(access) => access,
            Err(denied) => {
                self.deny(line, &address, &denied.why);
                return;
            }
        };
        self.forget_closed(line);
        let is_known = self.sessions.contains_key(&key);
        self.sessions.insert(key.clone(), Session { address: address.clone(), token, is_asked: false });
        if let Some(answer) = token_answer(&address, Ok(access)) {
            line.say(answer);
        }
        if is_known {
            line.set_access(&key, access);
            return;
        }
        let (doc, voice) = (address.doc().clone(), Voice::Hocuspocus(address.clone()));
        if let Err(code) = line.attach(&key, &doc, access, voice).await {
            self.sessions.remove(&key);
            let closed = ServerMessage::Closed { code };
            if let Some(message) = hocuspocus::encode(&key, &Outgoing::Document(&closed)) {
                line.say(message);
            }
        }
    }

    /// Denies all documents for good.
    pub(super) fn deny_all(&mut self, line: &mut Line, why: &str) {
        for (key, session) in std::mem::take(&mut self.sessions) {
            line.detach(&key);
            let closed = ServerMessage::Closed { code: CloseCode::Malformed };
            let close = hocuspocus::encode(&key, &Outgoing::Document(&closed));
            token_answer(&session.address, Err(why)).into_iter().chain(close).for_each(|message| line.say(message));
        }
    }

    fn deny(&mut self, line: &Line, address: &Address, why: &str) {
        self.sessions.remove(address.as_str());
        if let Some(answer) = token_answer(address, Err(why)) {
            line.say(answer);
        }
        line.close(address.as_str(), CloseCode::Forbidden);
    }

    /// Documents are closed by the server, too.
    fn forget_closed(&mut self, line: &Line) {
        self.sessions.retain(|key, _| line.access(key).is_some());
    }

    pub(super) fn recheck(&mut self, line: &mut Line) {
        self.forget_closed(line);
        let mut denied = Vec::new();
        for (key, session) in &self.sessions {
            match self.judge(&session.token, session.address.doc()) {
                Ok(access) => line.set_access(key, access),
                Err(why) => denied.push((key.clone(), why)),
            }
        }
        for (key, denied) in denied {
            let Some(session) = self.sessions.get_mut(&key) else { continue };
            if std::mem::replace(&mut session.is_asked, true) {
                let address = session.address.clone();
                self.deny(line, &address, &denied.why);
            } else if let Some(question) = hocuspocus::encode(&key, &Outgoing::TokenRequest) {
                line.say(question);
            }
        }
    }

    /// An awareness update about nobody: providers of all versions take it, and reconnect after 30 seconds without a message.
    pub(super) fn sign_of_life(&self) -> Option<Bytes> {
        let key = self.sessions.keys().next()?;
        hocuspocus::encode(key, &Outgoing::Document(&ServerMessage::Awareness(Bytes::from_static(&[0]))))
    }
}

impl fmt::Debug for Hocuspocus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hocuspocus").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}
