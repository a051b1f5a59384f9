//! The real binary, started by each test on free loopback ports and ended by it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod boot;
mod broken;
mod client;
mod document;
mod documents;
mod faults;
mod full_disk;
mod relay;
mod relay_client;
mod relay_strangers;
mod rights;
mod server;
mod sfu;
mod sfu_client;
mod signaling;
mod tls;
