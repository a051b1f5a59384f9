use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use socket2::{Domain, Protocol, Socket, Type};

use crate::features::{Features, ask_packet_info};
use crate::handler::SocketId;
use crate::system_call::set_option;

/// How a socket that a handler binds should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BindOptions {
    /// Room for datagrams that were not read yet, in bytes; `None` leaves the system's default. The kernel caps it.
    pub receive_buffer: Option<usize>,
    /// Room for datagrams that were not sent yet, in bytes; as above.
    pub send_buffer: Option<usize>,
    /// Whether datagrams carry DF and are never fragmented on their way.
    pub dont_fragment: bool,
}

/// The open sockets of a worker.
#[derive(Debug)]
pub(crate) struct Sockets {
    slots: Vec<Option<BoundSocket>>,
    free: Vec<u32>,
    epoll: OwnedFd,
    features: Features,
    serial: u64,
}

/// An open socket.
#[derive(Debug)]
pub(crate) struct BoundSocket {
    socket: UdpSocket,
    address: SocketAddr,
    /// The handler that bound it; `None` for a listening socket.
    owner: Option<usize>,
    /// Tells it from earlier sockets with the same id.
    serial: u64,
    dont_fragment: bool,
    overflow: u32,
}

impl Sockets {
    pub(crate) const fn new(epoll: OwnedFd, features: Features) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), epoll, features, serial: 0 }
    }

    pub(crate) const fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Takes over a worker's share of a listening socket.
    pub(crate) fn listen(&mut self, socket: Socket) -> io::Result<SocketId> {
        self.add(socket, None, false)
    }

    /// Binds a socket for a handler.
    pub(crate) fn bind(&mut self, address: SocketAddr, options: BindOptions, owner: usize) -> io::Result<SocketId> {
        if self.slots.len() - self.free.len() >= SOCKETS_MAX {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "too many sockets"));
        }
        let socket = open(address)?;
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = options.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if address.is_ipv6() {
            set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
        } else {
            set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
        }
        set_fragmentation(socket.as_fd(), address.is_ipv6(), options.dont_fragment)?;
        socket.bind(&address.into())?;
        self.add(socket, Some(owner), options.dont_fragment)
    }

    pub(crate) fn get(&self, id: SocketId) -> Option<&BoundSocket> {
        self.slots.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut BoundSocket> {
        self.slots.get_mut(usize::try_from(id.0).ok()?)?.as_mut()
    }

    /// Closes a socket that the handler bound; false if it has no such socket.
    pub(crate) fn close(&mut self, id: SocketId, owner: usize) -> bool {
        if self.get(id).is_none_or(|socket| socket.owner != Some(owner)) {
            return false;
        }
        if let Some(slot) = usize::try_from(id.0).ok().and_then(|index| self.slots.get_mut(index)) {
            // Closing takes it off the epoll as well.
            *slot = None;
            self.free.push(id.0);
        }
        true
    }

    /// Closes all that the handler bound.
    pub(crate) fn close_all_of(&mut self, owner: usize) {
        for id in (0..).map(SocketId).take(self.slots.len()) {
            self.close(id, owner);
        }
    }

    /// Sets whether datagrams of a handler's socket carry DF; asks the kernel only if that changes.
    pub(crate) fn set_dont_fragment(&mut self, id: SocketId, owner: usize, on: bool) -> io::Result<()> {
        if let Some(socket) =
            self.get_mut(id).filter(|socket| socket.owner == Some(owner) && socket.dont_fragment != on)
        {
            set_fragmentation(socket.as_fd(), socket.address.is_ipv6(), on)?;
            socket.dont_fragment = on;
        }
        Ok(())
    }

    fn add(&mut self, socket: Socket, owner: Option<usize>, dont_fragment: bool) -> io::Result<SocketId> {
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr()?;
        self.apply_features(socket.as_fd(), address)?;
        let id = self.free.pop().map_or_else(|| u32::try_from(self.slots.len()), Ok).map_err(io::Error::other)?;
        let added = epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(id.into()), epoll::EventFlags::IN);
        if let Err(errno) = added {
            self.free.push(id);
            return Err(errno.into());
        }
        self.serial += 1;
        let socket = BoundSocket { socket, address, owner, serial: self.serial, dont_fragment, overflow: 0 };
        match usize::try_from(id).ok().and_then(|index| self.slots.get_mut(index)) {
            Some(slot) => *slot = Some(socket),
            None => self.slots.push(Some(socket)),
        }
        Ok(SocketId(id))
    }

    fn apply_features(&self, socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
        if self.features.gro {
            set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        }
        if self.features.overflow {
            set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        }
        // A socket on one address needs not be told which.
        if self.features.packet_info && address.ip().is_unspecified() {
            ask_packet_info(socket, address.is_ipv6())?;
        }
        Ok(())
    }
}

impl BoundSocket {
    pub(crate) const fn udp(&self) -> &UdpSocket {
        &self.socket
    }

    /// The address with its port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of all its datagrams, if it is bound to one.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        Some(self.address.ip()).filter(|ip| !ip.is_unspecified())
    }

    pub(crate) const fn owner(&self) -> Option<usize> {
        self.owner
    }

    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Takes over the kernel's count of dropped datagrams; by how many it grew.
    pub(crate) const fn overflow_since(&mut self, count: u32) -> u32 {
        let grown = count.wrapping_sub(self.overflow);
        self.overflow = count;
        grown
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A UDP socket of the address's family, not bound yet.
pub(crate) fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are listed side by side; neither shall take the other's port.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Binds the first member of a group; fails when anybody has the port.
pub(crate) fn open_exclusive(address: SocketAddr) -> io::Result<Socket> {
    let socket = open_listening(address)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds one more member of a `SO_REUSEPORT` group.
pub(crate) fn open_shared(address: SocketAddr) -> io::Result<Socket> {
    let socket = open_listening(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open_listening(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(address)?;
    // The kernel caps the sizes by itself, so there is nothing to fail.
    socket.set_recv_buffer_size(LISTENING_BUFFER)?;
    socket.set_send_buffer_size(LISTENING_BUFFER)?;
    Ok(socket)
}

/// With DF, the kernel's own idea of the path's MTU does not count: whoever asks for DF finds out the MTU by itself, and an ICMP message
/// that a stranger forged must not make the kernel refuse datagrams.
fn set_fragmentation(socket: BorrowedFd<'_>, is_ipv6: bool, dont_fragment: bool) -> io::Result<()> {
    let mode = if dont_fragment { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
    if is_ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)?;
        return set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, dont_fragment.into());
    }
    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
}

/// Sockets of one worker, at most; the limit of open files is usually met first.
const SOCKETS_MAX: usize = 65_536;

/// Room in each direction of a listening socket, which carries the traffic of all clients: 40 ms of 800 Mbit/s.
const LISTENING_BUFFER: usize = 4 << 20;
