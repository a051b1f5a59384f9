//! The document server from outside: real sockets, real disks, and ones that fail on command.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic, and looks for one message among many"
)]

mod client;
mod faults;
mod hocuspocus;
mod native;
mod plain;
mod rest;
mod server;
mod slow;
mod storage;
