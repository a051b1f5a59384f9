//! What a panic costs: one job, or one turn of one worker; never a connection of somebody else's, and nothing acknowledged. And
//! what becomes of what the store has no room for.
use std::time::Duration;

use stoa_base_types::Access;
use stoa_crdt_sync_core::wire::CloseCode;
use tempfile::TempDir;

use super::*;
use crate::access::Authorize;
use crate::crew::CrewError;
use crate::material::{self, Author, View};
use crate::port::{Outgoing, Port, PortOptions};
use crate::storage::{MOST_BATCHES, Ticket};

fn start(dir: &TempDir) -> Documents {
    Documents::start(&Config::new(dir.path())).unwrap()
}

fn name(text: &str) -> DocName {
    DocName::new(text).unwrap()
}

/// Somebody who follows a document as y-websocket does.
struct Follower(Port);

impl Follower {
    async fn open(documents: &Documents, doc: &DocName) -> Self {
        let authorize: Authorize = Arc::new(|_, _| Ok(Access::Write));
        let mut port = documents.open(PortOptions::Plain { doc: doc.clone(), token: None, authorize }, None);
        port.begin().await.unwrap();
        // Step 1 of an empty copy.
        port.handle(Bytes::from_static(&[0, 0, 1, 0])).await.unwrap();
        let mut follower = Self(port);
        follower.hears(|message| message.starts_with(&[0, 1])).await;
        follower
    }

    async fn write(&mut self, update: &Bytes) {
        let length = u8::try_from(update.len()).unwrap();
        self.0.handle([&[0, 2, length], &update[..]].concat().into()).await.unwrap();
    }

    /// Waits for a message.
    async fn hears(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        loop {
            match self.0.next().await {
                Outgoing::Message(message) if wanted(&message) => return,
                Outgoing::Message(_) | Outgoing::Flush => self.0.written(),
                Outgoing::Close { code, reason } => panic!("closed: {code} {reason}"),
            }
        }
    }

    async fn hears_update(&mut self, update: &Bytes) {
        self.hears(|message| message.starts_with(&[0, 2]) && message.ends_with(update)).await;
    }

    /// Waits for the end, and tells its code.
    async fn end(mut self) -> u16 {
        loop {
            match self.0.next().await {
                Outgoing::Close { code, .. } => return code,
                Outgoing::Message(_) | Outgoing::Flush => self.0.written(),
            }
        }
    }
}

fn edit(parts: &[Bytes], text: &str) -> Bytes {
    material::edit_text(parts, "note", text, Author::Anew).unwrap().unwrap()
}

async fn shown(documents: &Documents, doc: &DocName) -> String {
    let parts = documents.read(doc).await.unwrap().parts;
    documents.crew().ask(move |()| material::view(&parts, "note", View::Text).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_panic_of_a_job_costs_nobody_a_connection() {
    let dir = TempDir::new().unwrap();
    let (documents, doc) = (start(&dir), name("agora"));
    let (mut ada, mut bob) = (Follower::open(&documents, &doc).await, Follower::open(&documents, &doc).await);
    let first = edit(&[], "one");
    ada.write(&first).await;
    bob.hears_update(&first).await;
    // More often than there are threads.
    for _ in 0..8 {
        let asked = documents.crew().ask(|()| -> () { panic!("on purpose") }).await;
        assert_eq!(asked, Err(CrewError::Failed));
    }
    let second = edit(std::slice::from_ref(&first), "one two");
    bob.write(&second).await;
    ada.hears_update(&second).await;
    assert_eq!(shown(&documents, &doc).await, "one two");
    documents.drain().await;
}

#[tokio::test]
async fn a_worker_that_breaks_sends_its_followers_away_and_loses_nothing_committed() {
    let dir = TempDir::new().unwrap();
    let (documents, doc) = (start(&dir), name("agora"));
    let first = edit(&[], "kept");
    documents.edit(&doc, first.clone(), None).await.unwrap();
    let ada = Follower::open(&documents, &doc).await;
    let second = edit(std::slice::from_ref(&first), "kept as well");
    documents.edit(&doc, second, None).await.unwrap();
    documents.break_worker_of(&doc);
    assert_eq!(ada.end().await, CloseCode::Unavailable.socket_code());
    // It works on: what was committed is there, and more can be written.
    assert_eq!(shown(&documents, &doc).await, "kept as well");
    let mut bob = Follower::open(&documents, &doc).await;
    let third = edit(&documents.read(&doc).await.unwrap().parts, "kept as well, and more");
    documents.edit(&doc, third.clone(), None).await.unwrap();
    bob.hears_update(&third).await;
    documents.drain().await;
    let again = start(&dir);
    assert_eq!(shown(&again, &doc).await, "kept as well, and more");
    again.drain().await;
}

#[tokio::test]
async fn a_worker_that_breaks_costs_the_documents_of_others_nothing() {
    let dir = TempDir::new().unwrap();
    let documents = start(&dir);
    let workers: Vec<_> = documents.0.workers.iter().map(|worker| worker.notices.clone()).collect();
    let worker_of = |doc: &DocName| {
        let notices = &documents.worker_of(doc).unwrap().notices;
        workers.iter().position(|worker| worker.same_channel(notices))
    };
    let names: Vec<_> = (0..64).map(|number| name(&format!("doc-{number}"))).collect();
    let broken = &names[0];
    let Some(other) = names.iter().find(|doc| worker_of(doc) != worker_of(broken)) else {
        // A machine with one processor has one worker.
        return;
    };
    let mut ada = Follower::open(&documents, other).await;
    let bob = Follower::open(&documents, broken).await;
    documents.break_worker_of(broken);
    assert_eq!(bob.end().await, CloseCode::Unavailable.socket_code());
    let update = edit(&[], "undisturbed");
    documents.edit(other, update.clone(), None).await.unwrap();
    ada.hears_update(&update).await;
    documents.drain().await;
}

/// All the room that the store has for what waits, so that it takes nothing more.
fn all_room(documents: &Documents) -> Vec<Ticket> {
    loop {
        let room: Vec<_> = std::iter::from_fn(|| documents.storage().ticket()).collect();
        // What is being written, as a part of housekeeping perhaps, has its own until it is on disk.
        if room.len() == MOST_BATCHES {
            return room;
        }
        drop(room);
        thread::yield_now();
    }
}

/// A bound on a broken test, not a measurement.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it does not happen")
}

#[tokio::test]
async fn what_the_store_has_no_room_for_is_offered_again() {
    let dir = TempDir::new().unwrap();
    let (documents, doc) = (start(&dir), name("agora"));
    let mut ada = Follower::open(&documents, &doc).await;
    let room = all_room(&documents);
    let (update, theirs) = (edit(&[], "kept"), documents.clone());
    let editing = tokio::spawn({
        let (doc, update) = (doc.clone(), update.clone());
        async move { theirs.edit(&doc, update, None).await }
    });
    soon(ada.hears_update(&update)).await;
    assert!(!editing.is_finished(), "it is not on disk");
    drop(room);
    soon(editing).await.unwrap().unwrap();
    soon(documents.drain()).await;
    let again = start(&dir);
    assert_eq!(shown(&again, &doc).await, "kept");
    again.drain().await;
}

#[tokio::test]
async fn an_erasure_for_which_there_is_no_room_happens_when_there_is() {
    let dir = TempDir::new().unwrap();
    let (documents, doc) = (start(&dir), name("agora"));
    documents.edit(&doc, edit(&[], "to be forgotten"), None).await.unwrap();
    let room = all_room(&documents);
    let ada = Follower::open(&documents, &doc).await;
    let erasing = erase(&documents, &doc);
    assert_eq!(soon(ada.end()).await, CloseCode::Gone.socket_code());
    assert!(!erasing.is_finished(), "it is not on disk");
    // Nothing else happens that could wake the worker.
    drop(room);
    soon(erasing).await.unwrap().unwrap();
    soon(documents.drain()).await;
    let again = start(&dir);
    assert_eq!(shown(&again, &doc).await, "");
    again.drain().await;
}

/// Nobody was told that it is done, so it must not be done later, to a document that is followed again.
#[tokio::test]
async fn an_erasure_that_waits_for_room_is_forgotten_when_the_worker_breaks() {
    let dir = TempDir::new().unwrap();
    let (documents, doc) = (start(&dir), name("agora"));
    let first = edit(&[], "kept");
    documents.edit(&doc, first.clone(), None).await.unwrap();
    let room = all_room(&documents);
    let ada = Follower::open(&documents, &doc).await;
    let erasing = erase(&documents, &doc);
    assert_eq!(soon(ada.end()).await, CloseCode::Gone.socket_code());
    documents.break_worker_of(&doc);
    assert!(soon(erasing).await.unwrap().is_err());
    drop(room);
    let mut bob = soon(Follower::open(&documents, &doc)).await;
    let second = edit(&[first], "kept, and more");
    soon(documents.edit(&doc, second.clone(), None)).await.unwrap();
    bob.hears_update(&second).await;
    soon(documents.drain()).await;
    let again = start(&dir);
    assert_eq!(shown(&again, &doc).await, "kept, and more");
    again.drain().await;
}

#[tokio::test]
async fn neither_who_waits_for_the_disk_nor_the_end_waits_for_a_commit_to_fill() {
    let dir = TempDir::new().unwrap();
    let config = Config { commit_interval: Duration::from_hours(1), ..Config::new(dir.path()) };
    let (documents, doc) = (Documents::start(&config).unwrap(), name("agora"));
    let mut texts = Vec::new();
    for text in ["one", "one, two", "one, two, three"] {
        let update = edit(&texts, text);
        soon(documents.edit(&doc, update.clone(), None)).await.unwrap();
        texts.push(update);
    }
    let (mut ada, mut bob) = (Follower::open(&documents, &doc).await, Follower::open(&documents, &doc).await);
    let last = edit(&texts, "one, two, three, four");
    ada.write(&last).await;
    soon(bob.hears_update(&last)).await;
    soon(documents.drain()).await;
    let again = start(&dir);
    assert_eq!(shown(&again, &doc).await, "one, two, three, four");
    again.drain().await;
}

fn erase(documents: &Documents, doc: &DocName) -> tokio::task::JoinHandle<Result<(), RequestFailure>> {
    let (documents, doc) = (documents.clone(), doc.clone());
    tokio::spawn(async move { documents.erase(&doc).await })
}
