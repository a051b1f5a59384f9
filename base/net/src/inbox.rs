use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;

use crate::control;
use crate::features::Features;
use crate::handler::{IcmpError, SocketId};
use crate::sockets::BoundSocket;
use crate::system_call::ReceiveCalls;

/// The receive buffers of a worker and what the last batch put there.
#[derive(Debug)]
pub(crate) struct Inbox {
    calls: ReceiveCalls,
    features: Features,
    received: Vec<Received>,
    /// Datagrams of the busiest recent batch, so that a quiet socket does not pay for preparing a full one.
    usual: usize,
}

/// A datagram in a buffer, or a run of them that the kernel glued together.
#[derive(Debug, Clone, Copy)]
struct Received {
    from: SocketAddr,
    local: Option<IpAddr>,
    length: usize,
    /// Length of each datagram of a run but the last.
    stride: usize,
}

/// What a batch said about its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many buffers were filled.
    pub(crate) filled: usize,
    /// Whether the socket may hold more.
    pub(crate) has_more: bool,
    /// The kernel's count of datagrams that it dropped, since the socket was made.
    pub(crate) overflow: Option<u32>,
}

impl Inbox {
    pub(crate) fn new(features: Features) -> Self {
        Self { calls: ReceiveCalls::new(BATCH), features, received: Vec::with_capacity(BATCH), usual: 0 }
    }

    /// Receives one batch.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; another error is one that an earlier datagram met.
    pub(crate) fn receive(&mut self, socket: &BoundSocket) -> io::Result<Batch> {
        self.received.clear();
        let want = (self.usual * 2).clamp(BATCH_LEAST, BATCH);
        let mut batch = Batch { filled: 0, has_more: false, overflow: None };
        if self.features.receive_many {
            let count = self.calls.receive_many(socket.as_fd(), want)?;
            for slot in 0..count {
                self.keep(slot, slot, socket, &mut batch);
            }
            batch.has_more = count == want;
        } else {
            batch.has_more = self.receive_singly(socket, want, &mut batch)?;
        }
        batch.filled = self.received.len();
        self.usual = batch.filled.max(self.usual / 2);
        Ok(batch)
    }

    /// The datagrams of a filled buffer, with their sender and our address on them.
    pub(crate) fn datagrams(&self, slot: usize) -> Option<(SocketAddr, Option<IpAddr>, Datagrams<'_>)> {
        let received = self.received.get(slot)?;
        let bytes = self.calls.bytes(slot, received.length);
        Some((received.from, received.local, Datagrams { rest: Some(bytes), stride: received.stride }))
    }

    /// Takes one report from a socket's error queue; `None` when it is empty. `Some(None)` is one that says nothing to a handler.
    pub(crate) fn receive_error(&mut self, id: SocketId, socket: &BoundSocket) -> Option<Option<IcmpError>> {
        self.received.clear();
        self.calls.receive_one(socket.as_fd(), 0, libc::MSG_ERRQUEUE).ok()?;
        let (_, peer, messages) = self.calls.described(0, 0)?;
        let error = peer
            .and_then(|peer| control::messages(messages).find_map(control::extended_error).map(|error| (peer, error)));
        Some(error.and_then(|(peer, error)| error.icmp(id, peer)))
    }

    fn receive_singly(&mut self, socket: &BoundSocket, want: usize, batch: &mut Batch) -> io::Result<bool> {
        for slot in 0..want {
            let result = if self.features.uses_control() {
                self.calls.receive_one(socket.as_fd(), slot, 0).map(|()| self.keep(0, slot, socket, batch))
            } else {
                self.receive_plainly(socket.udp(), slot, socket.local())
            };
            match result {
                Ok(()) => {}
                Err(error) if slot == 0 => return Err(error),
                // Whatever it is, the next batch meets it again.
                Err(error) => return Ok(error.kind() != io::ErrorKind::WouldBlock),
            }
        }
        Ok(true)
    }

    fn receive_plainly(&mut self, socket: &UdpSocket, slot: usize, local: Option<IpAddr>) -> io::Result<()> {
        let (length, from) = socket.recv_from(self.calls.buffer(slot))?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        self.received.push(Received { from, local, length, stride: length });
        Ok(())
    }

    fn keep(&mut self, index: usize, slot: usize, socket: &BoundSocket, batch: &mut Batch) {
        let Some((length, from, messages)) = self.calls.described(index, slot) else { return };
        let mut local = socket.local();
        let mut stride = length;
        for message in control::messages(messages) {
            match message {
                (libc::SOL_UDP, libc::UDP_GRO, data) => {
                    stride = control::number(data).and_then(|stride| usize::try_from(stride).ok()).unwrap_or(length);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, data) => batch.overflow = control::number(data),
                other => local = control::destination(other).or(local),
            }
        }
        // UDP over IP always has a sender; without one the slot counts as an empty run so that the slots stay in step.
        let from = from.unwrap_or(NOBODY);
        self.received.push(Received { from, local, length, stride });
    }
}

/// Splits a run into its datagrams. An empty datagram is one, too.
#[derive(Debug)]
pub(crate) struct Datagrams<'a> {
    rest: Option<&'a [u8]>,
    stride: usize,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        match rest.split_at_checked(self.stride) {
            Some((first, later)) if !later.is_empty() && !first.is_empty() => {
                self.rest = Some(later);
                Some(first)
            }
            _ => Some(rest),
        }
    }
}

/// Stands for a sender without an address.
const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// Most datagrams (or runs) that one call receives.
const BATCH: usize = 32;

/// Fewest that are asked for.
const BATCH_LEAST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8], stride: usize) -> Vec<&[u8]> {
        Datagrams { rest: Some(bytes), stride }.collect()
    }

    #[test]
    fn runs_are_split_and_empty_datagrams_kept() {
        assert_eq!(split(b"aabbc", 2), [&b"aa"[..], b"bb", b"c"]);
        assert_eq!(split(b"aabb", 2), [&b"aa"[..], b"bb"]);
        assert_eq!(split(b"aa", 2), [&b"aa"[..]]);
        assert_eq!(split(b"", 0), [&b""[..]]);
        assert_eq!(split(b"aa", 0), [&b"aa"[..]], "a stride that makes no sense");
    }
}
