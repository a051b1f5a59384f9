use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::context::Context;
use crate::inside::Insiders;

/// A socket of one worker: its shares of the group's listening sockets first (0..n in the order of the addresses), then those
/// that handlers bound.
///
/// An id means something on its own worker only. The id of a closed socket is given out again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SocketId(pub u32);

/// One received datagram. Runs that the kernel glued together (GRO) were split already.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// The payload; may be empty.
    pub bytes: &'a [u8],
    /// Where it arrived.
    pub socket: SocketId,
    /// The sender, never an IPv4-mapped IPv6 address.
    pub from: SocketAddr,
    /// Our address on the datagram, when it is known; replies should leave from it.
    pub local: Option<IpAddr>,
}

/// News that a datagram sent from a socket that a handler bound did not arrive.
///
/// Comes from an ICMP message, or from our own kernel when a datagram is too long to be sent unfragmented; that is reported as
/// the ICMP message that a router would have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// The socket that had sent.
    pub socket: SocketId,
    /// Whom the datagram was for.
    pub peer: SocketAddr,
    /// ICMP type, or ICMPv6 type if `peer` is an IPv6 address.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The next hop's MTU in bytes for "fragmentation needed" and "packet too big", else 0.
    pub data: u32,
}

/// A datagram on its way between the workers of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed<'a> {
    /// Means what the handler says.
    pub tag: u64,
    /// The sender of the datagram.
    pub from: SocketAddr,
    /// The payload.
    pub bytes: &'a [u8],
}

/// A part that lives on the UDP port: decides from bytes and time, and acts through a [`Context`] only.
///
/// A panic costs a handler its state and the sockets that it bound: it is built anew. Other handlers notice nothing.
pub trait Handler: Send {
    /// Whether this datagram is for this handler; the first that says yes gets it. Asked for the listening sockets only.
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool;

    /// Feeds one datagram: claimed, or from a socket that this handler bound. Malformed input is dropped and counted.
    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>);

    /// Feeds what the same handler on a worker passed ([`Context::pass`]).
    fn handle_passed(&mut self, _context: &mut Context<'_>, _passed: Passed<'_>) {}

    /// Which addresses are this handler's within the process: what the other handlers send there comes to
    /// [`Handler::handle_passed`] and not to the kernel. `from` is then our address that it was sent from. Asked once.
    fn insiders(&self) -> Option<Insiders> {
        None
    }

    /// Tells of a datagram that did not arrive.
    fn handle_icmp(&mut self, _context: &mut Context<'_>, _error: IcmpError) {}

    /// Feeds what another thread sent through a [`Mailbox`](crate::Mailbox).
    fn handle_mail(&mut self, _context: &mut Context<'_>, _mail: Box<dyn Any + Send>) {}

    /// Fires everything due at [`Context::now`]; afterwards `poll_timeout` is later than that.
    fn handle_timeout(&mut self, context: &mut Context<'_>);

    /// When `handle_timeout` wants to be called; `None` means nothing is pending.
    fn poll_timeout(&self) -> Option<Instant>;
}
