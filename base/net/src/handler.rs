use std::net::SocketAddr;
use std::time::Instant;

use stoa_base_types::{Arrival, Transmit};

/// A part that lives on the UDP port: decides from bytes and time, never touches a socket.
pub trait Handler: Send {
    /// Whether this datagram is for this handler; the first that says yes gets it.
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool;

    /// Feeds one datagram. Malformed input is dropped and counted, never an error.
    fn handle_datagram(&mut self, datagram: &[u8], arrival: Arrival, now: Instant);

    /// Fires everything due at `now`; afterwards `poll_timeout` is later than `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// Takes one datagram to send; call until `None`.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// When `handle_timeout` wants to be called; `None` means nothing is pending.
    fn poll_timeout(&self) -> Option<Instant>;
}
