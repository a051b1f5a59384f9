use std::fs;
use std::path::Path;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_store::{Kind, SqliteOptions, SqliteStore, Stored, Write};
use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A store that is dated by the test.
pub(crate) fn open(dir: &Path) -> SqliteStore {
    open_at(dir, || 1_000)
}

pub(crate) fn open_at(dir: &Path, clock: fn() -> u64) -> SqliteStore {
    SqliteStore::open_with(dir, SqliteOptions { clock, ..SqliteOptions::default() }).unwrap()
}

pub(crate) fn name(text: &str) -> DocName {
    DocName::new(text).unwrap()
}

pub(crate) fn append(doc: &str, seq: u64, body: &str) -> Write {
    append_in(1, doc, seq, body)
}

pub(crate) fn append_in(epoch: u64, doc: &str, seq: u64, body: &str) -> Write {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Write::Append { doc: name(doc), epoch: Epoch(epoch), seq, kind: Kind::Plain, body }
}

pub(crate) fn snapshot(doc: &str, generation: u64, through: u64, body: &str) -> Write {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let (vector, deletes) = (Bytes::from_static(b"vector"), Bytes::from_static(b"deletes"));
    Write::Snapshot { doc: name(doc), epoch: Epoch::FIRST, generation, through, body, vector, deletes }
}

pub(crate) fn erase(doc: &str, epoch: u64, former_authors: &[u64]) -> Write {
    Write::Erase { doc: name(doc), epoch: Epoch(epoch), former_authors: former_authors.to_vec() }
}

pub(crate) fn version(doc: &str, id: u64, title: Option<&str>, body: &str) -> Write {
    Write::PutVersion {
        doc: name(doc),
        epoch: Epoch::FIRST,
        id,
        name: title.map(str::to_owned),
        created_ms: 10 * id,
        automatic: title.is_none(),
        author: Some("Ada".into()),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(crate) fn chat(room: &str, seq: u64, text: &str) -> Write {
    Write::Chat { room: name(room), seq, at_ms: seq, author: "p1".into(), name: "Ada".into(), text: text.into() }
}

/// The tail as texts.
pub(crate) fn tail(stored: &Stored) -> Vec<(u64, String)> {
    stored.tail.iter().map(|entry| (entry.seq, String::from_utf8(entry.body.to_vec()).unwrap())).collect()
}

/// The snapshot's body as a text.
pub(crate) fn state(stored: &Stored) -> Option<String> {
    stored.snapshot.as_ref().map(|snapshot| String::from_utf8(snapshot.body.to_vec()).unwrap())
}

/// How often bytes occur in the files of a folder.
pub(crate) fn occurrences(dir: &Path, text: &str) -> usize {
    let files = fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.map(|bytes| bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()).sum()
}

/// Flips the first byte of the only place in the database where a text stands.
pub(crate) fn damage(dir: &Path, text: &str) {
    let file = dir.join("stoa.db");
    let mut bytes = fs::read(&file).unwrap();
    let places: Vec<_> = (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect();
    let [place] = places[..] else { panic!("{text} stands at {places:?}") };
    bytes[place] ^= 1;
    fs::write(&file, bytes).unwrap();
}
