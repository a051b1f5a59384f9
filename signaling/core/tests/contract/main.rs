//! The control plane through its verbs, with a hand-driven clock.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod chat;
mod golden;
mod hostile;
mod resume;
mod rights;
mod rooms;
mod sfu;
mod support;
