use std::net::{IpAddr, SocketAddr};

/// Where a datagram came from, and which of our addresses it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// The sender.
    pub from: SocketAddr,
    /// Our address on the datagram, when the kernel tells; replies leave from it.
    pub local: Option<IpAddr>,
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Receiver.
    pub to: SocketAddr,
    /// Address to send from; `None` leaves the choice to the kernel.
    pub local: Option<IpAddr>,
    /// Payload.
    pub payload: Vec<u8>,
}
