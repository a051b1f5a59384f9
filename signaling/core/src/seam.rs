//! What edge and owner say to each other. Nothing else passes between them, so they may live on different nodes.

use std::time::{Duration, Instant};

use stoa_base_types::{ConnectionId, ParticipantId, SessionId};

use crate::close::CloseCode;
use crate::frame::{Frame, Unreadable};
use crate::message::{ClientFrame, DocumentsGrant, ErrorCode, Grants, IceServer, MediaState, Resume};
use crate::name::RoomName;
use crate::token::Proven;

/// From the node that holds the socket to the one that owns the room.
#[derive(Debug)]
pub(crate) enum ToOwner {
    /// A checked `hello`.
    Enter { connection: ConnectionId, hello: Box<Hello> },
    /// A readable frame of a bound socket.
    Frame { connection: ConnectionId, session: SessionId, frame: Box<ClientFrame> },
    /// A newer token of the same identity, already checked.
    Refreshed { connection: ConnectionId, session: SessionId, cid: Option<u64>, ack: Option<u64>, rights: Box<Rights> },
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

/// What a checked token says of its holder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    /// Who this is to the application; `None` where no tokens are asked for.
    pub(crate) identity: Option<Box<str>>,
    pub(crate) grants: Grants,
    /// The name, if the token decides it.
    pub(crate) fixed_name: Option<String>,
    /// When the token ends.
    pub(crate) expires: Option<Instant>,
}

/// Why somebody may not enter.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) message: String,
    pub(crate) code: CloseCode,
}

impl Refusal {
    pub(crate) fn new(error: ErrorCode, message: String, code: CloseCode) -> Self {
        Self { error, message, code }
    }
}

/// A `hello` whose names and token are known to be good.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) cid: Option<u64>,
    pub(crate) room: RoomName,
    pub(crate) name: String,
    pub(crate) media: MediaState,
    pub(crate) resume: Option<Resume>,
    pub(crate) ice_servers: Vec<IceServer>,
    pub(crate) rights: Rights,
    /// When the good invitation that comes with it was made, by the time of day.
    pub(crate) invited_at: Option<Duration>,
    /// Holds unless the client proves to own a session: an invitation may have expired since it opened the door.
    pub(crate) deferred: Option<Box<Refusal>>,
    /// Whom the client proves to have been in this room.
    pub(crate) proven: Option<Proven>,
}

/// From the owner of the room to the node that holds the socket.
#[derive(Debug)]
pub(crate) enum ToEdge {
    /// The socket now carries this session.
    Bind {
        connection: ConnectionId,
        session: SessionId,
        participant: ParticipantId,
        room: RoomName,
        identity: Option<Box<str>>,
        documents: DocumentsGrant,
        resumed: bool,
    },
    /// What the participant of this socket may do with documents has changed.
    Documents { connection: ConnectionId, documents: DocumentsGrant },
    /// A frame for the socket.
    Send { connection: ConnectionId, frame: Frame },
    /// The `hello` is refused: an error frame, then the close.
    Refuse {
        connection: ConnectionId,
        cid: Option<u64>,
        error: ErrorCode,
        message: String,
        retry_after_ms: Option<u64>,
        code: CloseCode,
    },
    /// The socket shall close.
    Close { connection: ConnectionId, code: CloseCode },
    /// A session is over and its id no longer means anything.
    Ended { session: SessionId },
}
