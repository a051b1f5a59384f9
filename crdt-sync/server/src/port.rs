//! What a socket holds to follow documents.

mod hocuspocus;
mod line;
mod native;
mod plain;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stoa_base_net::FrameWriter;
use stoa_base_types::{Access, DocName};

use crate::access::Authorize;
use crate::documents::Documents;
use hocuspocus::Hocuspocus;
use line::Line;
use native::Native;
use plain::Plain;
pub(crate) use plain::closing;

/// Tells what the owner of a socket may do with a document; `None`: nothing.
pub type Rights = Arc<dyn Fn(&DocName) -> Option<Access> + Send + Sync>;

/// What a socket speaks, and what it may do.
#[derive(Clone)]
pub enum PortOptions {
    /// Stoa's own dialect, as messages of a socket.
    Native {
        /// Who it is, for the ownership of cursors and for limits.
        identity: Option<Arc<str>>,
        /// What they may do.
        rights: Rights,
        /// The only document that the socket carries; `None`: many.
        doc: Option<DocName>,
    },
    /// The dialect of y-websocket: the socket is one document.
    Plain {
        /// Which.
        doc: DocName,
        /// The token that came with the request.
        token: Option<String>,
        /// Judges tokens.
        authorize: Authorize,
    },
    /// The dialect of Hocuspocus: tokens come in messages.
    Hocuspocus {
        /// A token that came with the request, for documents whose own is empty.
        token: Option<String>,
        /// Judges tokens.
        authorize: Authorize,
    },
}

impl fmt::Debug for PortOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native { identity, doc, .. } => {
                f.debug_struct("Native").field("identity", identity).field("doc", doc).finish_non_exhaustive()
            }
            Self::Plain { doc, .. } => f.debug_struct("Plain").field("doc", doc).finish_non_exhaustive(),
            Self::Hocuspocus { .. } => f.debug_struct("Hocuspocus").finish_non_exhaustive(),
        }
    }
}

/// The documents of one socket. Dropping it stops following them.
///
/// Messages go in by [`Self::handle`]; what [`Self::next`] gives is written to the socket, and reported by [`Self::written`].
#[derive(Debug)]
pub struct Port {
    line: Line,
    speech: Speech,
}

#[derive(Debug)]
enum Speech {
    Native(Native),
    Plain(Plain),
    Hocuspocus(Hocuspocus),
}

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// One binary message.
    Message(Bytes),
    /// A message that was begun past the socket's owner: the socket is to be flushed, and that reported as written.
    Flush,
    /// The socket is to be closed.
    Close {
        /// A WebSocket close code.
        code: u16,
        /// For people; at most 123 bytes.
        reason: Cow<'static, str>,
    },
}

/// The client broke the rules: the socket is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortEnd {
    /// A WebSocket close code.
    pub code: u16,
    /// For people.
    pub reason: Cow<'static, str>,
}

impl Documents {
    /// Opens a port for a socket. `writer`: the way around the socket's owner, used once the socket follows something.
    #[must_use]
    pub fn open(&self, options: PortOptions, writer: Option<FrameWriter>) -> Port {
        let (line, speech) = match options {
            PortOptions::Native { identity, rights, doc } => {
                (Line::new(self, identity, writer), Speech::Native(Native::new(self, rights, doc)))
            }
            PortOptions::Plain { doc, token, authorize } => {
                (Line::new(self, None, writer), Speech::Plain(Plain::new(doc, token, authorize)))
            }
            PortOptions::Hocuspocus { token, authorize } => {
                (Line::new(self, None, writer), Speech::Hocuspocus(Hocuspocus::new(token, authorize)))
            }
        };
        Port { line, speech }
    }
}

impl Port {
    /// Begins; to be called once, first. In the dialect of y-websocket the socket follows its document from now on.
    ///
    /// # Errors
    ///
    /// [`PortEnd`] if it may not.
    pub async fn begin(&mut self) -> Result<(), PortEnd> {
        match &mut self.speech {
            Speech::Plain(plain) => plain.begin(&mut self.line).await,
            Speech::Native(_) | Speech::Hocuspocus(_) => Ok(()),
        }
    }

    /// Takes in a binary message. Waits while too much is being worked on; cancelling may lose the message.
    ///
    /// # Errors
    ///
    /// [`PortEnd`] if it breaks the rules.
    pub async fn handle(&mut self, message: Bytes) -> Result<(), PortEnd> {
        match &mut self.speech {
            Speech::Native(native) => native.handle(&mut self.line, message).await,
            Speech::Plain(plain) => plain.handle(&self.line, &message).await,
            Speech::Hocuspocus(hocuspocus) => hocuspocus.handle(&mut self.line, &message).await,
        }
    }

    /// Waits for what goes out next. Cancelling loses nothing. After a close nothing follows.
    pub async fn next(&mut self) -> Outgoing {
        self.line.next().await
    }

    /// What goes out next, if it is there already.
    pub fn try_next(&mut self) -> Option<Outgoing> {
        self.line.try_next()
    }

    /// The oldest message that [`Self::next`] gave and that was not reported yet has been written.
    pub fn written(&mut self) {
        self.line.written();
    }

    /// The rights of the socket's owner changed.
    pub fn set_rights(&mut self, rights: Rights) {
        if let Speech::Native(native) = &mut self.speech {
            native.set_rights(&mut self.line, rights);
        }
    }

    /// Judges tokens anew: they end, and rights change. To be called now and then.
    pub fn recheck(&mut self) {
        match &mut self.speech {
            Speech::Native(native) => native.recheck(&mut self.line),
            Speech::Plain(plain) => plain.recheck(&mut self.line),
            Speech::Hocuspocus(hocuspocus) => hocuspocus.recheck(&mut self.line),
        }
    }

    /// A message that means nothing and shows that the server is there; `None` if the dialect has its own or needs none.
    #[must_use]
    pub fn sign_of_life(&self) -> Option<Bytes> {
        match &self.speech {
            Speech::Hocuspocus(hocuspocus) => hocuspocus.sign_of_life(),
            Speech::Native(_) | Speech::Plain(_) => None,
        }
    }

    /// The socket's owner cannot read on. If that is nothing to close the socket for, all documents are denied, and a message is
    /// returned with which the socket is to be [kept alive](Self::sign_of_life).
    ///
    /// A provider of Hocuspocus whose socket is closed comes again, whatever the code says, and sends the same again. One that is
    /// denied tells the application, and stays.
    pub fn deny_all(&mut self, why: &str) -> Option<Bytes> {
        let sign_of_life = self.sign_of_life()?;
        match &mut self.speech {
            Speech::Hocuspocus(hocuspocus) => hocuspocus.deny_all(&mut self.line, why),
            Speech::Native(_) | Speech::Plain(_) => {}
        }
        Some(sign_of_life)
    }

    /// Whether any document is followed.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.line.is_following()
    }
}
