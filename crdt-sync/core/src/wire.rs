//! The three dialects of `PROTOCOL.md`, between bytes and messages. Nothing here keeps state but [`Assembler`].
//!
//! A dialect decodes what its clients send into [`ClientMessage`]s and encodes [`ServerMessage`]s, or says that it has no
//! word for them.
pub mod hocuspocus;
pub(crate) mod lib0;
mod message;
pub mod native;
mod parts;
pub mod plain;

use std::fmt;

pub use message::{ClientMessage, CloseCode, RefuseCode, ServerMessage, Storage};
pub use parts::{Assembled, Assembler, MESSAGE_BYTES, split};

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// It ends in the middle of something.
    Truncated,
    /// A number of 2^53 or above.
    Number,
    /// Text that is not UTF-8.
    Utf8,
    /// The name of a document breaks the rules.
    Name,
    /// No message has this type, or none that a client may send.
    Type(u64),
    /// `open` with a version that is not spoken here.
    Version(u64),
    /// A part without a beginning, or with another mark than 0, 1 and 2.
    Part,
    /// More than one frame may have, and not an update that could be refused alone.
    TooLarge,
}

impl WireError {
    /// With which code a follower is closed that sent this.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Name => CloseCode::BadName,
            Self::Truncated
            | Self::Number
            | Self::Utf8
            | Self::Type(_)
            | Self::Version(_)
            | Self::Part
            | Self::TooLarge => CloseCode::Malformed,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends too early"),
            Self::Number => f.write_str("a number is out of range"),
            Self::Utf8 => f.write_str("a text is not UTF-8"),
            Self::Name => f.write_str("a document's name has 1 to 256 bytes and no control characters"),
            Self::Type(kind) => write!(f, "no message of a client has the type {kind}"),
            Self::Version(version) => write!(f, "version {version} is not spoken here"),
            Self::Part => f.write_str("a part that belongs to no frame"),
            Self::TooLarge => f.write_str("the frame is too large"),
        }
    }
}

impl std::error::Error for WireError {}
