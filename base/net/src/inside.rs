//! Datagrams between the handlers of a worker, by the addresses that both have, without the kernel.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::handler::SocketId;

/// Tells whether an address exists within this process only: the worker whose handler has it, and the tag with which
/// [`Handler::handle_passed`](crate::Handler::handle_passed) gets what is sent there.
pub type Insiders = Arc<dyn Fn(SocketAddr) -> Option<(usize, u64)> + Send + Sync>;

/// Datagrams that a handler put on a listening socket of its own worker. They are handed out before the turn ends.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The handler that sent it, which never gets it back.
    pub(crate) by: usize,
    pub(crate) socket: SocketId,
    pub(crate) from: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    end: usize,
}

impl Inside {
    /// Adds a datagram; false when there are too many.
    pub(crate) fn push(
        &mut self,
        by: usize,
        socket: SocketId,
        from: SocketAddr,
        local: Option<IpAddr>,
        bytes: &[u8],
    ) -> bool {
        let end = self.bytes.len() + bytes.len();
        if end > INSIDE_BYTES || self.entries.len() >= INSIDE_DATAGRAMS {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Entry { by, socket, from, local, end });
        true
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Entry, &[u8])> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let bytes = self.bytes.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            (*entry, bytes)
        })
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// Datagrams that wait for the end of one turn.
const INSIDE_DATAGRAMS: usize = 2048;
/// Bytes of these.
const INSIDE_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_comes_in_order() {
        let (mut inside, from) = (Inside::default(), SocketAddr::from(([192, 0, 2, 1], 1)));
        let mut push = |bytes: &[u8]| inside.push(0, SocketId(1), from, None, bytes);
        assert!(push(b"one") && push(b"") && push(b"three"));
        let more = (0..).take_while(|_| push(b"x")).count();
        assert_eq!(more, INSIDE_DATAGRAMS - 3);
        let first: Vec<_> = inside.iter().take(3).map(|(_, bytes)| bytes.to_vec()).collect();
        assert_eq!(first, [&b"one"[..], b"", b"three"]);
        inside.clear();
        let large = (0..).take_while(|_| inside.push(0, SocketId(1), from, None, &[0; 60_000])).count();
        assert_eq!(large, INSIDE_BYTES / 60_000);
    }
}
