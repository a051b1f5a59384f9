use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use stoa_turn_relay_core::{FiveTuple, Relay, RelayId};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::outgoing::Stream;
use crate::story::Report;

/// What other threads send to a worker's relay.
pub(crate) enum Mail {
    /// Whole messages that arrived on a stream.
    Messages {
        stream: Arc<Stream>,
        bytes: Vec<u8>,
        /// The stream reads on when this is dropped.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// A stream is gone.
    Closed(FiveTuple),
    Order(Order),
    /// A peer connected to a relayed address.
    Accepted {
        relay: RelayId,
        peer: SocketAddr,
        stream: TcpStream,
    },
    /// What became of connecting to a peer.
    Connected {
        connection: u32,
        stream: Option<TcpStream>,
    },
    /// The joined connections of a client and a peer ended; bytes to and from the peer.
    Disconnected {
        connection: u32,
        carried: (u64, u64),
    },
}

/// What administrators and other parts want.
pub(crate) enum Order {
    Revoke(Revocation),
    /// The settings that all workers share have changed.
    Reconfigure,
    Drain,
    Report(oneshot::Sender<Report>),
}

/// Credentials that shall be good no more, as far as they expire up to `until` (seconds since 1970).
#[derive(Debug, Clone)]
pub(crate) struct Revocation {
    pub(crate) whom: Whom,
    pub(crate) until: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Whom {
    /// A configured user, or the user's part of time-limited names.
    User(Arc<str>),
    /// A whole username.
    Username(Arc<str>),
}

impl Revocation {
    pub(crate) fn carry_out(&self, relay: &mut Relay, now: Instant) {
        match &self.whom {
            Whom::User(user) => relay.revoke_user(user, self.until, now),
            Whom::Username(username) => relay.revoke_session(username, self.until, now),
        }
    }
}
