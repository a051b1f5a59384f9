//! How bytes move: batched UDP (recvmmsg and GRO on the way in, GSO on the way out) and the loop of the media workers.
//!
//! A worker owns one socket per UDP address, shared out between workers by the kernel (`SO_REUSEPORT`), and plugs
//! [`Handler`]s into its loop. The sockets outlive a panic inside a handler; only the handler is rebuilt.
//!
//! [`SharedTcp`] is the TCP side: a stream to which other threads than its owner's may write whole frames.

mod group;
mod handler;
mod server_frame;
mod shared_tcp;
mod socket;
mod worker;

pub use group::{Group, GroupError};
pub use handler::Handler;
pub use server_frame::{Payload, encode_server_frame};
pub use shared_tcp::{Attempt, FrameWriter, SharedTcp};
