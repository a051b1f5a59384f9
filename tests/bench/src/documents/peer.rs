//! A client with one document.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::venue::Venue;
use super::wire::{Dialect, EMPTY_UPDATE, EMPTY_VECTOR, Said};
use crate::Outcome;
use crate::client::{Client, Heard, Manner, Writer};

/// A client that follows a document.
pub(crate) struct Peer {
    client: Client,
    dialect: Dialect,
    /// What the server answered when the document was opened.
    pub(crate) opened: Opened,
}

/// How a document was opened.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// The server's step 2.
    pub(crate) state: Vec<u8>,
    /// From the beginning of the connection to the first byte of the message with the step 2.
    pub(crate) first_byte: Duration,
    /// To its last byte.
    pub(crate) last_byte: Duration,
}

/// What a client has of the document that it opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy<'a> {
    pub(crate) vector: &'a [u8],
    /// What it answers the server's question with.
    pub(crate) update: &'a [u8],
}

/// The copy of who has nothing.
pub(crate) const NOTHING: Copy<'_> = Copy { vector: &EMPTY_VECTOR, update: &EMPTY_UPDATE };

impl Peer {
    /// Connects and synchronises, as stock clients do: asks, is answered, and answers the server's question.
    pub(crate) async fn join(venue: &Venue, doc: &str, index: usize, copy: Copy<'_>) -> Outcome<Self> {
        timeout(PATIENCE, Self::try_join(venue, doc, index, copy))
            .await
            .map_err(|_| format!("{} did not open a document in time", venue.name))?
    }

    async fn try_join(venue: &Venue, doc: &str, index: usize, copy: Copy<'_>) -> Outcome<Self> {
        let (start, address, dialect) = (Instant::now(), venue.server.address, venue.dialect);
        let client = Client::connect(address, index, Manner::Usual).await?;
        let mut peer = Self { client, dialect, opened: Opened::default() };
        if venue.is_bare {
            return Ok(peer);
        }
        peer.client.upgrade_at(address, &venue.path(doc), None).await?;
        if dialect == Dialect::Hocuspocus {
            peer.say(&dialect.token(doc)).await?;
            while peer.hear().await? != Said::Authenticated {}
        }
        peer.say(&dialect.step1(doc, copy.vector)).await?;
        let (mut has_state, mut has_answered) = (false, false);
        // Hocuspocus settles what the client answers, too.
        let mut is_settled = dialect == Dialect::Plain;
        while !(has_state && has_answered && is_settled) {
            match peer.hear().await? {
                Said::Step1 if !has_answered => {
                    peer.say(&dialect.step2(doc, copy.update)).await?;
                    has_answered = true;
                }
                Said::Step2(state) => {
                    let first_byte = peer.client.first_byte().saturating_duration_since(start);
                    peer.opened = Opened { state, first_byte, last_byte: start.elapsed() };
                    has_state = true;
                }
                Said::Settled(true) => is_settled = true,
                Said::Settled(false) => return Err("the server did not take what the client has".into()),
                Said::Step1 | Said::Update(_) | Said::Authenticated | Said::Other => {}
            }
        }
        Ok(peer)
    }

    pub(crate) async fn say(&self, message: &[u8]) -> Outcome<()> {
        self.client.writer().say_bytes(message).await
    }

    /// The next thing that the server says.
    pub(crate) async fn hear(&mut self) -> Outcome<Said> {
        match self.client.next().await? {
            Heard::Text(message) | Heard::Binary(message) => self.dialect.read(&message),
            Heard::Closed(code) => Err(format!("closed with {code:?}").into()),
        }
    }

    /// The next message, unread.
    pub(crate) async fn hear_any(&mut self) -> Outcome<()> {
        match self.client.next().await? {
            Heard::Text(_) | Heard::Binary(_) => Ok(()),
            Heard::Closed(code) => Err(format!("closed with {code:?}").into()),
        }
    }

    pub(crate) fn writer(&self) -> Writer {
        self.client.writer()
    }

    /// Listens until the socket ends.
    pub(crate) async fn idle(mut self) {
        while self.hear_any().await.is_ok() {}
    }
}

/// One document to open: its name, and the update that the client brings.
pub(crate) type Opening = (String, Arc<Vec<u8>>);

/// Opens documents, some at a time.
pub(crate) async fn join_all(venue: &Arc<Venue>, openings: impl IntoIterator<Item = Opening>) -> Outcome<Vec<Peer>> {
    let permits = Arc::new(Semaphore::new(JOINS_AT_ONCE));
    let mut joining = JoinSet::new();
    for (index, (doc, update)) in openings.into_iter().enumerate() {
        let (venue, permits) = (Arc::clone(venue), Arc::clone(&permits));
        joining.spawn(async move {
            let _permit = permits.acquire().await?;
            let copy = Copy { vector: &EMPTY_VECTOR, update: &update };
            Outcome::Ok((index, Peer::join(&venue, &doc, index, copy).await?))
        });
    }
    let mut peers = Vec::new();
    while let Some(peer) = joining.join_next().await {
        peers.push(peer??);
    }
    peers.sort_by_key(|(index, _)| *index);
    Ok(peers.into_iter().map(|(_, peer)| peer).collect())
}

/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(30);
const JOINS_AT_ONCE: usize = 8;
