//! The dialect of y-websocket: one document, one socket.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use stoa_base_types::DocName;
use stoa_crdt_sync_core::wire::{CloseCode, WireError, plain};

use super::PortEnd;
use super::line::Line;
use crate::access::{Authorize, Denied, DeniedKind};
use crate::mailbox::Closing;
use crate::voice::Voice;

pub(super) struct Plain {
    doc: DocName,
    token: Option<String>,
    authorize: Authorize,
}

impl Plain {
    pub(super) const fn new(doc: DocName, token: Option<String>, authorize: Authorize) -> Self {
        Self { doc, token, authorize }
    }

    pub(super) async fn begin(&self, line: &mut Line) -> Result<(), PortEnd> {
        match (self.authorize)(self.token.as_deref(), &self.doc) {
            Ok(access) => line.attach(KEY, &self.doc, access, Voice::Plain).await.map_err(PortEnd::closed),
            Err(denied) => {
                line.say(denial(&denied.why));
                line.hang_up(closing(denied));
                Ok(())
            }
        }
    }

    pub(super) async fn handle(&self, line: &Line, message: &Bytes) -> Result<(), PortEnd> {
        match plain::decode(message) {
            Ok(message) => drop(line.message(KEY, message).await),
            // Applications add messages of their own.
            Err(WireError::Type(_)) => {}
            Err(error) => return Err(PortEnd::malformed(error.to_string())),
        }
        Ok(())
    }

    pub(super) fn recheck(&self, line: &mut Line) {
        match (self.authorize)(self.token.as_deref(), &self.doc) {
            Ok(access) => line.set_access(KEY, access),
            Err(denied) => line.hang_up(closing(denied)),
        }
    }
}

/// What y-websocket takes for permanent.
pub(crate) fn closing(denied: Denied) -> Closing {
    let code = match denied.kind {
        DeniedKind::NotAuthenticated => NOT_AUTHENTICATED,
        DeniedKind::Forbidden => CloseCode::Forbidden.socket_code(),
    };
    Closing { code, reason: short(denied.why) }
}

/// y-protocols's word for it; y-websocket writes it to the console.
fn denial(why: &str) -> Bytes {
    let why = short(why.to_owned());
    // A length below 128 is one byte.
    let length = u8::try_from(why.len()).unwrap_or_default();
    [&[AUTH, PERMISSION_DENIED, length], why.as_bytes()].concat().into()
}

/// As much as a close frame holds.
pub(crate) fn short(mut text: String) -> Cow<'static, str> {
    text.truncate(text.floor_char_boundary(LONGEST_REASON));
    Cow::Owned(text)
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("doc", &self.doc).finish_non_exhaustive()
    }
}

impl PortEnd {
    pub(super) fn malformed(why: String) -> Self {
        Self { code: CloseCode::Malformed.socket_code(), reason: short(why) }
    }

    pub(super) const fn closed(code: CloseCode) -> Self {
        Self { code: code.socket_code(), reason: Cow::Borrowed(code.message()) }
    }
}

/// The socket has no other.
const KEY: &str = "";

const AUTH: u8 = 2;
const PERMISSION_DENIED: u8 = 0;

pub(crate) const NOT_AUTHENTICATED: u16 = 4401;
const LONGEST_REASON: usize = 123;
