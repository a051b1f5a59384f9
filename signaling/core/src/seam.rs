//! What edge and owner say to each other. Nothing else passes between them, so they may live on different nodes.

use bytes::Bytes;
use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use crate::close::CloseCode;
use crate::frame::Unreadable;
use crate::message::{ClientFrame, ErrorCode, IceServer, MediaState, Resume};
use crate::name::RoomName;

/// From the node that holds the socket to the one that owns the room.
#[derive(Debug)]
pub(crate) enum ToOwner {
    /// A checked `hello`.
    Enter { connection: ConnectionId, hello: Box<Hello> },
    /// A readable frame of a bound socket.
    Frame { connection: ConnectionId, session: SessionId, frame: Box<ClientFrame> },
    /// A frame of a bound socket that could not be read or came too fast.
    Refused { connection: ConnectionId, session: SessionId, refusal: Unreadable, retry_after_ms: Option<u64> },
    /// The socket wrote this many bytes.
    Written { connection: ConnectionId, session: SessionId, bytes: usize },
    /// The socket is gone.
    Detached { connection: ConnectionId, session: SessionId, departure: Departure },
}

/// How a socket went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Closed on purpose: the page was left.
    Closed,
    /// Broke, or was closed by the server with a resumable code.
    Broken,
}

/// A `hello` whose names are known to be good.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) cid: Option<u64>,
    pub(crate) room: RoomName,
    pub(crate) name: String,
    pub(crate) media: MediaState,
    pub(crate) resume: Option<Resume>,
    pub(crate) ice_servers: Vec<IceServer>,
}

/// From the owner of the room to the node that holds the socket.
#[derive(Debug)]
pub(crate) enum ToEdge {
    /// The socket now carries this session.
    Bind { connection: ConnectionId, session: SessionId, participant: ParticipantId, room: RoomName, resumed: bool },
    /// A frame for the socket.
    Send { connection: ConnectionId, bytes: Bytes },
    /// The `hello` is refused: an error frame, then the close.
    Refuse { connection: ConnectionId, cid: Option<u64>, error: ErrorCode, message: String, code: CloseCode },
    /// The socket shall close.
    Close { connection: ConnectionId, code: CloseCode },
    /// A session is over and its id no longer means anything.
    Ended { session: SessionId },
}
