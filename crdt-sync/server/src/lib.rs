//! Document workers, and the endpoints by which other Yjs clients reach them.
//!
//! [`Documents`] is all documents of the process. Sockets follow them through [`Port`]s; [`sockets`] are the endpoints of stock
//! clients, [`rest`] is for programs.
//!
//! ```text
//!  socket ── Port ──► worker (Hub) ──► writer ──► disk
//!    ▲                  │    ▲           │
//!    └──── mailbox ◄────┘    └───────────┴── readers, engine
//! ```
#![forbid(unsafe_code)]

pub mod access;
mod chat;
mod config;
mod crew;
mod documents;
mod endpoints;
mod mailbox;
mod material;
mod port;
pub mod rest;
mod storage;
mod versions;
mod voice;
pub mod webrtc_signaling;
mod worker;

pub use chat::{Chat, ChatLine, Done};
pub use config::{Config, Limits};
pub use documents::{Documents, StartError};
pub use endpoints::sockets;
pub use port::{Outgoing, Port, PortEnd, PortOptions, Rights};
pub use stoa_crdt_sync_store::ChatEntry;
