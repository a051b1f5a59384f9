//! The relay over real sockets, within this process: relayed TCP, the way to media handlers, and several workers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod client;
mod media;
mod streams;
mod tcp;
mod workers;
