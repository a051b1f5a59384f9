use std::fmt;

use crate::json::JsonError;

/// Why bytes are not an update, or not one that every engine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateError {
    /// It ends in the middle of something.
    Truncated,
    /// It has more bytes than can be indexed (2^32).
    TooLarge,
    /// A number that its place does not allow: an id of 2^53 and above, a clock above [`super::CLOCK_END`].
    Number,
    /// A struct of this unknown kind.
    Kind(u8),
    /// A shared type of this unknown kind.
    Type(u8),
    /// A value of this unknown kind.
    Value(u8),
    /// Text that is not UTF-8.
    Utf8,
    /// Text that should be JSON and is not.
    Json,
    /// Values in values, too many levels of them.
    TooDeep,
    /// A struct placed beside or inside itself or a later one of its author.
    Origin,
    /// A parent that is neither a name nor a struct.
    Parent,
    /// The options of a subdocument are not an object.
    Options,
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it ends too early"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::Number => f.write_str("a number is out of range"),
            Self::Kind(kind) => write!(f, "no struct has the kind {kind}"),
            Self::Type(kind) => write!(f, "no shared type has the kind {kind}"),
            Self::Value(kind) => write!(f, "no value has the kind {kind}"),
            Self::Utf8 => f.write_str("a text is not UTF-8"),
            Self::Json => f.write_str("a text is not JSON"),
            Self::TooDeep => f.write_str("a value has too many levels"),
            Self::Origin => f.write_str("a struct refers to itself or to a later one of its author"),
            Self::Parent => f.write_str("a struct's parent is neither a name nor a struct"),
            Self::Options => f.write_str("the options of a subdocument are not an object"),
        }
    }
}

impl std::error::Error for UpdateError {}

impl From<JsonError> for UpdateError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax => Self::Json,
            JsonError::TooDeep => Self::TooDeep,
        }
    }
}
