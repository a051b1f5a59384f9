//! How bytes move: batched UDP (recvmmsg and GRO on the way in, sendmmsg and GSO on the way out) and the loop of the media workers.
//!
//! A worker owns one socket per UDP address, shared out between workers by the kernel (`SO_REUSEPORT`), and plugs
//! [`Handler`]s into its loop. Through a [`Context`] they send, bind further sockets and pass datagrams to other workers. The listening
//! sockets outlive a panic inside a handler; only the handler is rebuilt. [`Features`] that the kernel lacks are done without.
//!
//! [`SharedTcp`] is the TCP side: a stream to which other threads than its owner's may write whole frames.

mod address;
mod context;
mod control;
mod counts;
mod crew;
mod features;
mod group;
mod handler;
mod inbox;
mod inside;
mod mailbox;
mod neighbours;
mod outbox;
mod ring;
mod sender;
mod server_frame;
mod shared_tcp;
mod sockets;
mod system_call;
mod waker;
mod worker;

pub use context::Context;
pub use features::Features;
pub use group::{Group, GroupError};
pub use handler::{Datagram, Handler, IcmpError, Passed, SocketId};
pub use inside::Insiders;
pub use mailbox::{Full, Mailbox};
pub use server_frame::{Payload, encode_server_frame, encode_server_head};
pub use shared_tcp::{Attempt, FrameWriter, SharedTcp};
pub use sockets::BindOptions;
