use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use stoa_base_types::{Arrival, Transmit};

/// A UDP socket that receives in batches and answers from the address it was asked on.
#[derive(Debug)]
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl BatchSocket {
    /// Binds one member of a `SO_REUSEPORT` group.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // `[::]` and `0.0.0.0` are listed side by side; neither shall take the other's port.
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Self { socket, state })
    }

    pub(crate) const fn as_inner(&self) -> &UdpSocket {
        &self.socket
    }

    /// Receives one batch and hands each datagram over; `WouldBlock` when there is none.
    pub(crate) fn receive(&self, buffers: &mut Buffers, mut each: impl FnMut(&[u8], Arrival)) -> io::Result<()> {
        let mut slices: Vec<IoSliceMut<'_>> =
            buffers.bytes.chunks_exact_mut(buffers.size).map(IoSliceMut::new).collect();
        let received = self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut buffers.meta)?;
        drop(slices);
        for (buffer, meta) in buffers.bytes.chunks_exact(buffers.size).zip(&buffers.meta).take(received) {
            let filled = buffer.get(..meta.len).unwrap_or_default();
            // GRO glues datagrams of one sender together; `stride` is the length of each but the last.
            for datagram in filled.chunks(meta.stride.max(1)) {
                each(datagram, Arrival { from: meta.addr, local: meta.dst_ip });
            }
        }
        Ok(())
    }

    pub(crate) fn send(&self, transmit: &Transmit) -> io::Result<()> {
        self.state.try_send(
            UdpSockRef::from(&self.socket),
            &quinn_udp::Transmit {
                destination: transmit.to,
                ecn: None,
                contents: &transmit.payload,
                segment_size: None,
                src_ip: transmit.local,
            },
        )
    }
}

/// Receive buffers of one worker, reused for every batch.
#[derive(Debug)]
pub(crate) struct Buffers {
    bytes: Vec<u8>,
    meta: Vec<RecvMeta>,
    size: usize,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            // Zeroed pages cost memory only once a datagram lands on them.
            bytes: vec![0; DATAGRAM_MAX * BATCH_SIZE],
            meta: vec![RecvMeta::default(); BATCH_SIZE],
            size: DATAGRAM_MAX,
        }
    }
}

/// Room for a whole GRO run: the largest UDP payload.
const DATAGRAM_MAX: usize = 65_535;
