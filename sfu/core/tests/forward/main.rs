//! The whole path of packets, with publishers that can be told what to do and a decoder that judges.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod judge;
mod property;
mod publisher;
mod traps;
mod world;
