//! Vocabulary that every part of Stoa shares: ids, datagrams and deadlines. No I/O, almost no logic.
#![forbid(unsafe_code)]

mod datagram;
mod deadline;
mod id;

pub use datagram::{Arrival, Transmit};
pub use deadline::Deadlines;
pub use id::{ConnectionId, IdError, ParticipantId, SessionId};
