//! What the relay does, seen through its verbs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod challenges;
mod extensions;
mod inputs;
mod lifecycle;
mod mutations;
mod properties;
mod rows;
mod support;
