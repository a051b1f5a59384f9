use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::system_call::{ReceiveCalls, set_option};

/// What the workers may use of what the kernel offers. Everything works without, only slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Features {
    /// Receive runs of datagrams of one flow as one (`UDP_GRO`).
    pub gro: bool,
    /// Send runs of datagrams of one flow as one (`UDP_SEGMENT`).
    pub gso: bool,
    /// Receive many datagrams with one call (`recvmmsg`).
    pub receive_many: bool,
    /// Send many datagrams with one call (`sendmmsg`).
    pub send_many: bool,
    /// Know on which of our addresses a datagram arrived and choose from which it leaves (`IP_PKTINFO`, `IPV6_PKTINFO`).
    pub packet_info: bool,
    /// Count what the kernel dropped because we did not read in time (`SO_RXQ_OVFL`).
    pub overflow: bool,
}

impl Features {
    /// Everything that the kernel has.
    pub const ALL: Self =
        Self { gro: true, gso: true, receive_many: true, send_many: true, packet_info: true, overflow: true };

    /// One `recvfrom` and one `sendto` per datagram.
    pub const NONE: Self =
        Self { gro: false, gso: false, receive_many: false, send_many: false, packet_info: false, overflow: false };

    /// Keeps of these features what works here; `address` tells the family to try with.
    pub(crate) fn probed(self, address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        let fd = socket.as_fd();
        let has = |level, option, value| set_option(fd, level, option, value).is_ok();
        Ok(Self {
            gro: self.gro && has(libc::SOL_UDP, libc::UDP_GRO, 1),
            gso: self.gso && has(libc::SOL_UDP, libc::UDP_SEGMENT, 1200),
            receive_many: self.receive_many && has_receive_many(fd),
            send_many: self.send_many && has_send_many(fd),
            packet_info: self.packet_info && ask_packet_info(fd, domain == Domain::IPV6).is_ok(),
            overflow: self.overflow && has(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1),
        })
    }

    /// Whether datagrams come with control messages.
    pub(crate) const fn uses_control(self) -> bool {
        self.gro || self.packet_info || self.overflow
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::ALL
    }
}

/// Asks the kernel to tell our address on each datagram.
pub(crate) fn ask_packet_info(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    if is_ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// A sandbox may know `recvmsg` only. Nothing has arrived on the fresh socket, so a kernel that has the call says "would block".
fn has_receive_many(socket: BorrowedFd<'_>) -> bool {
    match ReceiveCalls::new(1).receive_many(socket, 1) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// No message at all is sent; a kernel that has the call is content with that.
fn has_send_many(socket: BorrowedFd<'_>) -> bool {
    crate::system_call::SendCalls::default().send(socket, &[], &[], &[], true).is_ok()
}
