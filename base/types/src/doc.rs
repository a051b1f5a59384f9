use std::fmt;
use std::sync::Arc;

/// The name of a document: 1 to 256 bytes of UTF-8 without control characters. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocName(Arc<str>);

impl DocName {
    /// The longest name, in bytes.
    pub const LONGEST: usize = 256;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`DocNameError`] for an empty or too long name, and for control characters.
    pub fn new(text: &str) -> Result<Self, DocNameError> {
        let is_good = !text.is_empty() && text.len() <= Self::LONGEST && !text.chars().any(char::is_control);
        if is_good { Ok(Self(text.into())) } else { Err(DocNameError) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a document's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocNameError;

impl fmt::Display for DocNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a document's name has 1 to {} bytes and no control characters", DocName::LONGEST)
    }
}

impl std::error::Error for DocNameError {}

/// One socket's interest in one document; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowerId(pub u64);

/// Which life of a document: it grows by one when the document is erased. The first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Of a document that was never erased.
    pub const FIRST: Self = Self(1);
}

/// What a follower may do with a document; who may do nothing does not become a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// See it, and show a cursor.
    Read,
    /// Change it.
    Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(DocName::new("agora/plan ☂").map(|name| name.to_string()), Ok("agora/plan ☂".to_owned()));
        assert!(DocName::new(&"x".repeat(256)).is_ok());
        for bad in ["", "a\nb", "a\0b", &"x".repeat(257)] {
            assert_eq!(DocName::new(bad), Err(DocNameError), "{bad:?}");
        }
    }
}
