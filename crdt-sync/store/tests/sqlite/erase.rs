use proptest::prelude::*;
use stoa_base_types::Epoch;
use stoa_crdt_sync_store::{ChatPage, ReadStore, SqliteStore, Store, Write};

use crate::support::{append, append_in, chat, erase, folder, name, occurrences, open, snapshot, tail, version};

/// Lets the store do what it does when it is quiet.
fn tidy(store: &mut SqliteStore) {
    while store.tend(true).is_some() {}
}

#[test]
fn name_epoch_and_authors_stay_and_nothing_else() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), snapshot("plan", 1, 1, "one"), append("plan", 2, "two")]).unwrap();
    store.commit(&[version("plan", 1, None, "one"), chat("plan", 1, "hello"), append("menu", 1, "soup")]).unwrap();
    store.commit(&[erase("plan", 2, &[9, 3, 9])]).unwrap();
    drop(store);
    let mut store = open(dir.path());
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!((stored.epoch, stored.generation, &stored.former_authors[..]), (Epoch(2), 0, &[3, 9][..]));
    assert_eq!((stored.snapshot, stored.tail), (None, vec![]));
    assert!(store.versions(&name("plan"), None, 9).unwrap().is_empty());
    assert!(store.chat(&name("plan"), ChatPage::Newest, 9).unwrap().is_empty());
    assert_eq!(tail(&store.load(&name("menu")).unwrap().unwrap()), [(1, "soup".into())]);
    let info = store.list(None, 1, "plan").unwrap().remove(0);
    assert_eq!((info.epoch, info.seq, info.bytes), (Epoch(2), 0, 0));
    // The document begins anew, and remembers the authors of all its lives.
    store.commit(&[append_in(2, "plan", 1, "uno"), erase("plan", 5, &[4]), append_in(5, "plan", 1, "un")]).unwrap();
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!((stored.epoch, tail(&stored)), (Epoch(5), vec![(1, "un".into())]));
    assert_eq!(stored.former_authors, [3, 4, 9]);
}

#[test]
fn a_document_that_was_never_written_can_be_erased() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[erase("plan", 2, &[])]).unwrap();
    assert!(store.commit(&[append("plan", 1, "one")]).unwrap_err().is_final());
    assert_eq!(store.load(&name("plan")).unwrap().unwrap().epoch, Epoch(2));
}

#[test]
fn a_crash_does_not_forget_to_overwrite_traces() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "SECRET"), version("plan", 1, Some("SECRET"), "SECRET")]).unwrap();
    store.commit(&[erase("plan", 2, &[])]).unwrap();
    // Dropped, not closed.
    drop(store);
    let chores = || {
        let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
        other.query_row("SELECT count(*) FROM chore", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!(chores(), 1);
    let mut store = open(dir.path());
    tidy(&mut store);
    assert_eq!(chores(), 0);
    assert_eq!(occurrences(dir.path(), "SECRET"), 0);
}

#[test]
fn a_reader_in_the_way_only_delays_it() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "SECRET")]).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    let reading = other.unchecked_transaction().unwrap();
    reading.query_row("SELECT count(*) FROM log", [], |_| Ok(())).unwrap();
    store.commit(&[erase("plan", 2, &[])]).unwrap();
    assert!(store.tend(true).is_some());
    assert!(occurrences(dir.path(), "SECRET") > 0);
    store.commit(&[append("menu", 1, "soup")]).unwrap();
    drop(reading);
    tidy(&mut store);
    assert_eq!(occurrences(dir.path(), "SECRET"), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize, usize),
    Snapshot(usize, usize),
    Version(usize, usize),
    Chat(usize, usize),
    Prune,
}

const DOCS: usize = 8;

fn step() -> impl Strategy<Value = Step> {
    // Lengths around those at which SQLite begins to store a row elsewhere.
    let length = prop_oneof![4 => 0usize..40, 3 => 40usize..600, 2 => 600usize..4200, 1 => 4200usize..20_000];
    let doc = 0..DOCS;
    prop_oneof![
        12 => (doc.clone(), length.clone()).prop_map(|(doc, length)| Step::Append(doc, length)),
        2 => (doc.clone(), length.clone()).prop_map(|(doc, length)| Step::Snapshot(doc, length)),
        1 => (doc.clone(), length.clone()).prop_map(|(doc, length)| Step::Version(doc, length)),
        3 => (doc, length).prop_map(|(doc, length)| Step::Chat(doc, length)),
        1 => Just(Step::Prune),
    ]
}

/// What every text of a document consists of, so that any trace of it is found.
fn mark(doc: usize) -> String {
    format!("<TRACE{doc:03}>")
}

fn text(doc: usize, length: usize) -> String {
    mark(doc).repeat(1 + length / 10)
}

fn write(step: &Step, number: u64, generations: &mut [u64; DOCS]) -> Write {
    match step {
        Step::Append(doc, length) => append(&format!("doc{doc}"), number, &text(*doc, *length)),
        Step::Snapshot(doc, length) => {
            generations[*doc] += 1;
            snapshot(&format!("doc{doc}"), generations[*doc], number, &text(*doc, *length))
        }
        Step::Version(doc, length) => {
            let title = text(*doc, (*length).min(300));
            version(&format!("doc{doc}"), number % 5, Some(&title), &text(*doc, *length))
        }
        Step::Chat(doc, length) => chat(&format!("doc{doc}"), number, &text(*doc, *length)),
        Step::Prune => Write::Prune { before_ms: 2_000 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was written, moved about, compacted and pruned before: nothing of an erased document is left in any file.
    #[test]
    fn no_byte_of_an_erased_document_is_left(
        steps in prop::collection::vec(step(), 50..600),
        group in 1usize..8,
        erased in prop::collection::vec(any::<bool>(), DOCS),
    ) {
        let dir = folder();
        let mut store = open(dir.path());
        let mut generations = [0; DOCS];
        let writes: Vec<_> = (1..).zip(&steps).map(|(number, step)| write(step, number, &mut generations)).collect();
        for some in writes.chunks(group) {
            store.commit(some).unwrap();
            store.tend(false);
        }
        let gone: Vec<_> = (0..DOCS).filter(|doc| erased[*doc]).collect();
        for doc in &gone {
            store.commit(&[erase(&format!("doc{doc}"), 2, &[])]).unwrap();
        }
        tidy(&mut store);
        for doc in gone {
            prop_assert_eq!(occurrences(dir.path(), &mark(doc)), 0, "doc{}", doc);
        }
        prop_assert_eq!(store.verify().unwrap().problems, vec![]);
        Box::new(store).close().unwrap();
    }
}
