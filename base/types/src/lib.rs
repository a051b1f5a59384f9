//! Vocabulary that every part of Stoa shares: ids, documents' names and rights, and deadlines. No I/O, almost no logic.
#![forbid(unsafe_code)]

mod deadline;
mod doc;
mod id;

pub use deadline::Deadlines;
pub use doc::{Access, DocName, DocNameError, Epoch, FollowerId};
pub use id::{ConnectionId, IdError, ParticipantId, SessionId};
