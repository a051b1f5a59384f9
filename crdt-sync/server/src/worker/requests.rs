//! What the server itself asks of a hub, for REST and for automatic versions; and what the hub asks of the disk.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_core::{Input, RequestError, Stored, StoredSnapshot};
use stoa_crdt_sync_store::{ReadStore, StoreError};
use tokio::sync::oneshot;
use tracing::warn;

use super::{Notice, Worker};
use crate::material;
use crate::versions;

/// Something that is asked of one document.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) doc: DocName,
    pub(crate) what: What,
    pub(crate) answer: oneshot::Sender<Result<Answer, RequestFailure>>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum What {
    Read,
    Edit { update: Bytes, expected: Option<(Epoch, u64)> },
    Erase,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    State(State),
    /// Committed.
    Edited {
        epoch: Epoch,
        seq: u64,
    },
    /// Committed.
    Erased,
}

/// What a document is.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    pub(crate) seq: u64,
    /// Updates, in an order in which none needs a later one.
    pub(crate) parts: Vec<Bytes>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    Hub(RequestError),
    /// The worker failed, or the store refused.
    Lost,
}

impl From<RequestError> for RequestFailure {
    fn from(error: RequestError) -> Self {
        Self::Hub(error)
    }
}

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

#[derive(Debug)]
enum Waiting {
    Client(oneshot::Sender<Result<Answer, RequestFailure>>),
    /// The state becomes an automatic version.
    Version(DocName),
}

impl Requests {
    fn note(&mut self, waiting: Waiting) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, waiting);
        self.next
    }

    /// Whether a program waits for something, perhaps for the disk.
    pub(super) fn has_clients(&self) -> bool {
        self.waiting.values().any(|waiting| matches!(waiting, Waiting::Client(_)))
    }

    pub(super) fn answer(&mut self, request: u64, answer: Result<Answer, RequestFailure>) {
        // Who does not wait any more is not told.
        if let Some(Waiting::Client(client)) = self.waiting.remove(&request) {
            let _ = client.send(answer);
        }
    }

    pub(super) fn fail(&mut self, request: u64) {
        self.answer(request, Err(RequestFailure::Lost));
    }
}

impl Worker {
    pub(super) fn request(&mut self, request: Request, now: Instant) {
        let Request { doc, what, answer } = request;
        let number = self.requests.note(Waiting::Client(answer));
        let input = match what {
            What::Read => Input::Read { request: number, doc },
            What::Edit { update, expected } => Input::Edit { request: number, doc, update, expected },
            What::Erase => Input::Erase { request: number, doc },
        };
        self.hub.handle_input(input, now);
    }

    pub(super) fn make_version(&mut self, doc: DocName, now: Instant) {
        let request = self.requests.note(Waiting::Version(doc.clone()));
        self.hub.handle_input(Input::Read { request, doc }, now);
    }

    pub(super) fn state(&mut self, request: u64, state: State) {
        match self.requests.waiting.remove(&request) {
            Some(Waiting::Client(client)) => {
                let _ = client.send(Ok(Answer::State(state)));
            }
            Some(Waiting::Version(doc)) => {
                let (storage, keep) = (self.around.storage.clone(), self.around.limits.automatic_versions);
                self.around.crew.give(move |()| match material::merged(&state.parts) {
                    Ok(body) => versions::put_automatic(&storage, doc, state.epoch, body, keep),
                    Err(error) => warn!(%doc, %error, "no automatic version"),
                });
            }
            None => {}
        }
    }

    pub(super) fn load(&self, doc: DocName) {
        let notices = self.around.notices.clone();
        self.around.storage.read(move |reader| {
            let result = reader.load(&doc).map(|stored| stored.map(|stored| converted(&doc, stored)));
            let result = result.map_err(|error| error.to_string().into());
            let _ = notices.send(Notice::Input(Input::Loaded { doc, result }));
        });
    }

    pub(super) fn read_snapshot(&self, doc: DocName, generation: u64) {
        let notices = self.around.notices.clone();
        self.around.storage.read(move |reader| {
            let result = snapshot_of(reader, &doc).map_err(|error| error.to_string().into());
            let _ = notices.send(Notice::Input(Input::SnapshotRead { doc, generation, result }));
        });
    }
}

fn snapshot_of(reader: &mut dyn ReadStore, doc: &DocName) -> Result<Bytes, StoreError> {
    let gone = || StoreError::Corrupt { doc: doc.clone(), what: "its snapshot is gone".to_owned() };
    let stored = reader.load(doc)?.ok_or_else(gone)?;
    stored.snapshot.map(|snapshot| snapshot.body).ok_or_else(gone)
}

/// As the hub takes it.
fn converted(doc: &DocName, stored: stoa_crdt_sync_store::Stored) -> Stored {
    if let Some(damage) = &stored.recovered {
        warn!(%doc, damage, "the newest snapshot is damaged; the document was put together from the one before, without loss");
    }
    // The next snapshot takes a higher generation than the newest one, whichever was used.
    let generation = stored.generation;
    let snapshot = stored.snapshot.map_or_else(
        || (generation > 0).then(|| nothing(generation)),
        |snapshot| {
            let stoa_crdt_sync_store::Snapshot { through, body, vector, deletes, .. } = snapshot;
            Some(StoredSnapshot { generation, through, body, vector, deletes })
        },
    );
    Stored {
        epoch: stored.epoch,
        snapshot,
        tail: stored.tail.into_iter().map(|entry| (entry.seq, entry.body)).collect(),
        former_authors: stored.former_authors,
    }
}

/// A snapshot of an empty document.
fn nothing(generation: u64) -> StoredSnapshot {
    StoredSnapshot {
        generation,
        through: 0,
        body: Bytes::from_static(&[0, 0]),
        vector: Bytes::from_static(&[0]),
        deletes: Bytes::from_static(&[0]),
    }
}
