use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use crate::address::FiveTuple;
use crate::allocation::{AllocationId, RelayId, SocketTag};
use crate::timeline::Timeline;

/// What becomes of a client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// Nothing is to be sent.
    Nothing,
    /// An answer.
    Answer(Answer<'a>),
    /// Payload leaves for a peer.
    ToPeer(ToPeer),
    /// Payload goes to another client of this worker, whose relayed address the peer is.
    Hairpin {
        /// How the message to that client begins and ends.
        to: ToClient,
        /// Of the client's message.
        payload: Range<usize>,
    },
    /// Payload goes to the relayed address of another worker, which takes it in with `handle_peer_datagram`.
    ToWorker {
        /// Whose it is.
        worker: usize,
        /// The relayed address.
        to: SocketAddr,
        /// The relayed address that it comes from.
        from: SocketAddr,
        /// Of the client's message.
        payload: Range<usize>,
    },
    /// Payload goes to one of our own UDP addresses: to the media handlers of this process, and nowhere else.
    ToMedia {
        /// Our address, as the client knows it.
        to: SocketAddr,
        /// The relayed address that it comes from.
        from: SocketAddr,
        /// Of the client's message.
        payload: Range<usize>,
    },
    /// The client's allocation lives on another worker: the message shall be handled there, with the same 5-tuple.
    Elsewhere {
        /// Whose it is.
        worker: usize,
    },
}

/// An answer to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The message.
    pub bytes: &'a [u8],
    /// The client, unless RESPONSE-PORT names another port of it.
    pub to: SocketAddr,
    /// Our address that it leaves from; another one than it came to when CHANGE-REQUEST asks for it.
    pub from: SocketAddr,
}

/// Payload on its way to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPeer {
    /// The allocation's socket.
    pub socket: SocketTag,
    /// The peer.
    pub peer: SocketAddr,
    /// Of the client's message.
    pub payload: Range<usize>,
    /// Whether the DF bit shall be set.
    pub dont_fragment: bool,
}

/// How payload is wrapped for a client: `head`, the payload, then `padding` zero bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToClient {
    /// The receiver.
    pub client: FiveTuple,
    /// A channel header, or a Data indication up to the payload.
    pub head: Head,
    /// 0 to 3 zero bytes behind the payload.
    pub padding: usize,
}

/// The first bytes of a message, on the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; LONGEST_HEAD],
    length: usize,
}

impl Head {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LONGEST_HEAD], length: 0 }
    }

    /// Appends; what is too long is a bug.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        debug_assert!(self.length + bytes.len() <= LONGEST_HEAD);
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// A message to a client that had to wait for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The receiver.
    pub to: FiveTuple,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What a relayed address carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections, RFC 6062.
    Tcp,
}

/// What the driver shall do or know.
#[derive(Debug)]
pub enum Event {
    /// Bind a socket (for TCP: listen) and tell with `handle_bound`.
    Bind {
        /// Whose socket it will be.
        relay: RelayId,
        /// Where.
        address: SocketAddr,
        /// What for.
        protocol: Protocol,
    },
    /// Close a socket. Its port may be bound again by the next event.
    Unbind {
        /// Which.
        socket: SocketTag,
    },
    /// Open a TCP connection from a relayed address and tell with `handle_connected`.
    Connect {
        /// The connection to be.
        connection: u32,
        /// From here.
        relay: RelayId,
        /// To there.
        peer: SocketAddr,
    },
    /// Join a client's connection with a peer's, once the answer was sent: from here on both carry plain payload.
    Splice {
        /// The peer's.
        connection: u32,
        /// The client's; no message will come from it any more.
        client: FiveTuple,
    },
    /// Close a peer's connection.
    Disconnect {
        /// Which.
        connection: u32,
    },
    /// An allocation is no more.
    Ended {
        /// Which.
        allocation: AllocationId,
        /// Its client.
        tuple: FiveTuple,
        /// Its user.
        user: Arc<str>,
        /// Why.
        end: End,
        /// Its story.
        timeline: Box<Timeline>,
    },
}

/// Why an allocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The client said so, with a lifetime of 0.
    Released,
    /// It was not refreshed.
    Expired,
    /// The user or the credentials were revoked.
    Revoked,
    /// The client's connection was closed.
    Closed,
    /// Its sockets could not be bound.
    NoSocket,
}

/// A STUN header, a long peer address and an ICMP attribute.
const LONGEST_HEAD: usize = 56;
