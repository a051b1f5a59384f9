//! The rules of the hub, each through its verbs, with a hand-driven clock.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of message among all")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

mod awareness;
mod delivery;
mod disk;
mod epochs;
mod gaps;
mod hostile;
mod pace;
mod replica;
mod simulation;
mod snapshots;
mod support;
