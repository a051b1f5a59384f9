//! Appends numbered updates to a few documents and prints every number that is on disk, until it is killed or done. The tests
//! cut its power.
//!
//! `appender FOLDER COUNT [careless]`: for each number up to `COUNT` one batch; `careless` runs SQLite with `synchronous=OFF`, and
//! says what is not true. Prints `saved N`, `state ...`, and `done` at the end; or
//! `refused ...` alone, with exit code 1, if the folder's disk does not let it begin.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test program may panic")]

use std::collections::BTreeMap;
use std::env;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_store::{
    Batch, Kind, ReadStore, SqliteOptions, SqliteStore, StorageState, Write, Writer, WriterHandle, WriterOptions,
};

const DOCS: u64 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (folder, count, waits_for_disk) = match &arguments[..] {
        [folder, count] => (folder, count, true),
        [folder, count, word] if word == "careless" => (folder, count, false),
        _ => panic!("appender FOLDER COUNT [careless]"),
    };
    // Checkpoints often, so that they are cut, too; but where nothing is to be waited for, they would make good what commits omit.
    let checkpoint_pages = if waits_for_disk { 12 } else { 1_000_000 };
    let options = SqliteOptions { checkpoint_pages, waits_for_disk, ..SqliteOptions::default() };
    let mut store = match SqliteStore::open_with(Path::new(folder), options) {
        Ok(store) => store,
        Err(error) => {
            say(&format!("refused {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut documents: BTreeMap<u64, Document> = (0..DOCS).map(|doc| (doc, Document::load(&mut store, doc))).collect();
    let first = documents.values().flat_map(|document| document.numbers.last()).max().map_or(1, |last| last + 1);
    let pauses = WriterOptions {
        commit_interval: Duration::ZERO,
        retry_first: Duration::from_millis(1),
        retry_most: Duration::from_millis(4),
        ..WriterOptions::default()
    };
    let writer =
        Writer::start(Box::new(store), pauses, Box::new(|state: &StorageState| say(&format!("state {state:?}"))));
    let writer = writer.unwrap();
    // As many permits as batches may be under way; an answer gives one back.
    let (give, take) = sync_channel(OUTSTANDING);
    (0..OUTSTANDING).for_each(|_| give.send(()).unwrap());
    for number in first..=count.parse().unwrap() {
        take.recv().unwrap();
        let document = documents.get_mut(&(number % DOCS)).unwrap();
        submit(&writer.handle(), number, document.writes(number), give.clone());
    }
    assert_eq!(writer.stop(Duration::from_mins(1)), 0);
    say("done");
    ExitCode::SUCCESS
}

/// What is known of a document.
struct Document {
    name: DocName,
    epoch: Epoch,
    generation: u64,
    numbers: Vec<u64>,
}

impl Document {
    fn load(store: &mut dyn ReadStore, doc: u64) -> Self {
        let name = DocName::new(&format!("doc{doc}")).unwrap();
        let mut document = Self { name, epoch: Epoch::FIRST, generation: 0, numbers: Vec::new() };
        if let Some(stored) = store.load(&document.name).unwrap() {
            (document.epoch, document.generation) = (stored.epoch, stored.generation);
            let state = stored.snapshot.map(|snapshot| snapshot.body).unwrap_or_default();
            document.numbers = state.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
            document.numbers.extend(stored.tail.iter().map(|entry| entry.seq));
        }
        document
    }

    /// A snapshot holds all numbers so far. Now and then the document is erased; then it begins with this number.
    fn writes(&mut self, number: u64) -> Vec<Write> {
        let (doc, mut writes) = (self.name.clone(), Vec::new());
        if number.is_multiple_of(211) {
            self.epoch = Epoch(self.epoch.0 + 1);
            (self.generation, self.numbers) = (0, Vec::new());
            writes.push(Write::Erase { doc: doc.clone(), epoch: self.epoch, former_authors: vec![number] });
        }
        let length = usize::try_from(number * 7919 % 3001).unwrap();
        let body = Bytes::from(format!("{number}:{}", "x".repeat(length)));
        writes.push(Write::Append { doc: doc.clone(), epoch: self.epoch, seq: number, kind: Kind::Plain, body });
        self.numbers.push(number);
        if number.is_multiple_of(13) {
            self.generation += 1;
            let body: Vec<u8> = self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let (epoch, generation, vector, deletes) = (self.epoch, self.generation, Bytes::new(), Bytes::new());
            let body = body.into();
            writes.push(Write::Snapshot { doc, epoch, generation, through: number, body, vector, deletes });
        }
        if number.is_multiple_of(17) {
            writes.push(Write::Prune { before_ms: u64::MAX >> 1 });
        }
        let (author, name, text) = ("p1".to_owned(), "Ada".to_owned(), number.to_string());
        writes.push(Write::Chat { room: DocName::new("agora").unwrap(), seq: number, at_ms: 0, author, name, text });
        writes
    }
}

fn submit(writer: &WriterHandle, number: u64, writes: Vec<Write>, give: SyncSender<()>) {
    let batch = Batch::new(writes, move |result| {
        match result {
            Ok(()) => say(&format!("saved {number}")),
            Err(error) => say(&format!("lost {number} {error}")),
        }
        let _ = give.send(());
    });
    writer.submit(batch).unwrap();
}

fn say(line: &str) {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// Batches under way at the same time.
const OUTSTANDING: usize = 6;
