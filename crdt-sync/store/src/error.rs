use std::fmt;
use std::path::PathBuf;

use stoa_base_types::DocName;

/// Why the store could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another process serves this folder.
    InUse(PathBuf),
    /// The file was written by a newer release.
    NewerSchema {
        /// Its schema.
        found: u32,
        /// The newest schema that this release knows.
        known: u32,
    },
    /// The file as a whole is damaged, or no store at all.
    Damaged(String),
    /// One document is damaged, the others are not.
    Corrupt {
        /// Which document.
        doc: DocName,
        /// What is damaged.
        what: String,
    },
    /// The write does not fit what is stored: a wrong epoch, a number that was given before. Repeating it is no use.
    Refused(String),
    /// The disk does not take or give the bytes at the moment: full, failing, locked. Repeating it may help.
    Disk(String),
    /// The writer stopped before it could write.
    Stopped,
}

impl StoreError {
    /// Whether repeating it is no use: it does not fit, or it touches what is damaged. Writes that failed otherwise are kept and
    /// tried again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Corrupt { .. } | Self::Damaged(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(dir) => write!(f, "{}: another stoa process serves this folder", dir.display()),
            Self::NewerSchema { found, known } => {
                write!(f, "the store has schema {found}, this release knows {known}: use a newer release")
            }
            Self::Damaged(what) => {
                write!(f, "the store is damaged: {what}; restore a backup, or export what can be read")
            }
            Self::Corrupt { doc, what } => write!(f, "document {doc} is damaged: {what}"),
            Self::Refused(what) => write!(f, "refused: {what}"),
            Self::Disk(what) => write!(f, "the disk does not obey: {what}"),
            Self::Stopped => f.write_str("the store has stopped"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            ConstraintViolation, DatabaseCorrupt, NotADatabase, ParameterOutOfRange, TooBig, TypeMismatch,
        };
        let Some(code) = error.sqlite_error_code() else {
            // A column of another type or a missing row: nothing that we wrote.
            return Self::Damaged(error.to_string());
        };
        if matches!(code, DatabaseCorrupt | NotADatabase) {
            Self::Damaged(error.to_string())
        } else if matches!(code, ConstraintViolation | ParameterOutOfRange | TooBig | TypeMismatch) {
            Self::Refused(error.to_string())
        } else {
            Self::Disk(error.to_string())
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error.to_string())
    }
}
