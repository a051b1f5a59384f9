//! A STUN and TURN server without sockets: [RFC 8489](https://www.rfc-editor.org/rfc/rfc8489),
//! [RFC 8656](https://www.rfc-editor.org/rfc/rfc8656), TCP allocations (RFC 6062), mobility (RFC 8016) and NAT behaviour
//! discovery (RFC 5780).
//!
//! ```text
//!  clients ── handle_client ──► Relay ── FromClient ──► answer, peer, other client, other worker
//!  peers ── handle_peer_datagram ──►  ── ToClient ──► client
//!  driver ◄── Event (bind, unbind, connect ...) ── handle_bound, handle_connected ... ──►
//! ```
//!
//! Payload takes the way of return values, without a heap; what may wait comes out of [`Relay::poll_transmit`] and
//! [`Relay::poll_event`]. One [`Relay`] serves one worker.
#![forbid(unsafe_code)]

mod account;
mod address;
mod allocation;
mod auth;
mod clock;
mod config;
mod credentials;
mod frame;
mod nonce;
mod policy;
mod ports;
mod random;
mod rate;
mod refusal;
mod relay;
mod stats;
pub mod stun;
mod table;
mod timeline;

pub use account::{Ledger, Meter, Quota};
pub use address::{FiveTuple, Transport, canonical, source_of};
pub use allocation::{AllocationId, RelayId, SocketTag};
pub use auth::Unproved;
pub use clock::WallClock;
pub use config::{Config, Discovery, Limits, Ports, RelayAddress};
pub use credentials::{Algorithm, Credentials, Key, MAX_SECRETS, rest_password, userhash};
pub use frame::{Frame, NotTurn, next_frame};
pub use nonce::NonceKey;
pub use policy::{Cidr, CidrError, Denial, PeerPolicy};
pub use ports::SharedPorts;
pub use refusal::{Dropped, Refusal};
pub use relay::{Answer, End, Event, FromClient, Head, Protocol, Relay, ToClient, ToPeer, Transmit};
pub use stats::Stats;
pub use table::SlabKey;
pub use timeline::{Moment, Timeline};
