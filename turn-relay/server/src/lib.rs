//! The driver of the relay: it plugs `turn-relay/core` into the media workers' loop, brings TCP and TLS clients to it, and lends it
//! an administration over HTTP.
//!
//! ```text
//!  UDP ── worker's socket ─┐                        ┌─ relay sockets ── peers
//!  TCP, TLS ── mailbox ────┴── RelayHandler (core) ─┴─ rings ── the other workers
//!  RelayControl ── mailbox ──►
//!  media handlers ── Handler::insiders, send_to_self ── relayed addresses
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

mod addresses;
mod control;
mod counters;
mod door;
mod handler;
mod interfaces;
mod mail;
mod outgoing;
mod relay;
pub mod rest;
mod shared;
mod splice;
mod story;
mod stream;
mod tcp_relay;

pub use addresses::{discovery, own_services, relay_addresses};
pub use control::{Busy, RelayControl};
pub use door::Door;
pub use interfaces::interface_addresses;
pub use relay::{Config, Relay};
pub use story::{Report, Step, Story};
