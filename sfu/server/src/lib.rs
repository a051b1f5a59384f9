//! Media on the UDP port: the handler that plugs `sfu/core` into the media workers' loop.
//!
//! Each worker has a shard of its own. Orders come by mail ([`Control`]), what the shards have to say goes into a bounded channel. A datagram
//! that the kernel gave to the wrong worker is passed to the one whose session it names.
#![forbid(unsafe_code)]

mod counters;
mod endpoints;
mod handler;

pub use endpoints::{Endpoint, Endpoints};
pub use handler::{Control, News, Order, SfuHandler, SfuOptions};
