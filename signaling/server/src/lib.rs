//! The driver of the control plane: HTTP, WebSocket, TLS and static files. It carries bytes and decides nothing about rooms.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

mod assets;
mod client_address;
mod control_loop;
mod http;
mod listener;
mod mailbox;
mod origin;
mod patience;
mod ports;
mod server;
mod socket;
mod stun_address;
mod tls;

pub use assets::{Asset, Assets};
pub use ports::{
    BoxFuture, ChatLine, ChatLog, DocumentMessage, DocumentSocket, Documents, DocumentsEnd, Done, Media, MediaReports,
};
pub use server::{Config, Server, StartError};
pub use stun_address::{StunAddress, Turn};
pub use tls::{TlsError, TlsFiles, acceptor};
