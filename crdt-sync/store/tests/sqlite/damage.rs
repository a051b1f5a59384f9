use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use stoa_crdt_sync_store::{
    Batch, ChatPage, ReadStore, Reader, SqliteOptions, SqliteReader, SqliteStore, StorageState, Store, StoreError,
    Writer, WriterOptions,
};

use crate::support::{append, chat, damage, erase, folder, name, open, snapshot, state, tail, version};

#[test]
fn damage_to_one_document_does_not_hurt_others() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), append("plan", 2, "BAD"), append("menu", 1, "soup")]).unwrap();
    store.commit(&[snapshot("zoo", 1, 0, "WORSE"), version("menu", 1, None, "SPOILT"), chat("menu", 1, "HI")]).unwrap();
    Box::new(store).close().unwrap();
    for text in ["BAD", "WORSE", "SPOILT", "HI"] {
        damage(dir.path(), text);
    }
    let mut store = open(dir.path());
    let plan = name("plan");
    let expected = StoreError::Corrupt { doc: plan.clone(), what: "log entry 2".into() };
    assert_eq!(store.load(&plan), Err(expected));
    assert!(matches!(store.load(&name("zoo")), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.version(&name("menu"), 1), Err(StoreError::Corrupt { .. })));
    assert_eq!(tail(&store.load(&name("menu")).unwrap().unwrap()), [(1, "soup".into())]);
    // The rest can be exported, and the report tells about everything.
    let export = store.sqlite_reader().export(&plan).unwrap().unwrap();
    assert_eq!((tail(&export.stored), export.losses), (vec![(1, "one".into())], vec!["log entry 2".to_owned()]));
    let report = store.verify().unwrap();
    let problems: Vec<_> = report.problems.iter().map(|problem| (problem.doc.as_deref(), &problem.what[..])).collect();
    let expected = [
        (Some("menu"), "version 1"),
        (Some("plan"), "log entry 2"),
        (Some("zoo"), "snapshot of generation 1"),
        (Some("menu"), "messages of the chat"),
    ];
    assert_eq!((report.documents, &problems[..]), (3, &expected[..]));
    // Writing goes on.
    store.commit(&[append("plan", 3, "three"), append("zoo", 1, "one"), chat("menu", 2, "again")]).unwrap();
}

/// A page that is no page any more: whoever writes there is told, everybody else goes on.
#[test]
fn a_broken_page_stops_only_those_who_write_there() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[snapshot("plan", 1, 0, "BROKEN"), snapshot("menu", 1, 0, "soup")]).unwrap();
    Box::new(store).close().unwrap();
    let file = dir.path().join("stoa.db");
    let mut bytes = fs::read(&file).unwrap();
    let page = bytes.windows(6).position(|window| window == b"BROKEN").unwrap() / 4096 * 4096;
    bytes[page] = 0xff;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(StoreError::Damaged(_))));
    let unchecked = SqliteOptions { check: false, ..SqliteOptions::default() };
    let store = SqliteStore::open_with(dir.path(), unchecked).unwrap();
    let reader = Reader::new(&store, 1).unwrap();
    let writer = Writer::start(Box::new(store), WriterOptions::default(), Box::new(|_: &StorageState| {})).unwrap();
    let (answer, answers) = mpsc::channel();
    for writes in [vec![append("menu", 1, "one")], vec![erase("plan", 2, &[])], vec![append("menu", 2, "two")]] {
        let answer = answer.clone();
        writer.handle().submit(Batch::new(writes, move |result| answer.send(result).unwrap())).unwrap();
    }
    let results: Vec<_> = (0..3).map(|_| answers.recv().unwrap()).collect();
    assert!(matches!(&results[..], [Ok(()), Err(StoreError::Damaged(_)), Ok(())]), "{results:?}");
    assert_eq!(reader.load(&name("menu")).unwrap().unwrap().tail.len(), 2);
    assert!(matches!(reader.load(&name("plan")), Err(StoreError::Corrupt { .. })));
    assert_eq!(writer.stop(Duration::ZERO), 0);
}

#[test]
fn a_lost_log_entry_is_missed() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), append("plan", 2, "two"), append("plan", 3, "three")]).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    other.execute("DELETE FROM log WHERE seq = 2", []).unwrap();
    assert!(matches!(store.load(&name("plan")), Err(StoreError::Corrupt { .. })));
}

/// What the catalogue says of a document is held against the other places that say it.
#[test]
fn a_catalogue_at_odds_with_itself_is_never_believed() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), snapshot("plan", 1, 1, "one"), append("plan", 2, "two")]).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    other.execute("UPDATE doc SET generation = 0", []).unwrap();
    assert!(matches!(store.load(&name("plan")), Err(StoreError::Corrupt { .. })));
    other.execute("UPDATE doc SET generation = 1", []).unwrap();
    other.close().unwrap();
    Box::new(store).close().unwrap();
    // Once in the table, once in its index.
    let file = dir.path().join("stoa.db");
    let sound = fs::read(&file).unwrap();
    let places: Vec<_> =
        sound.windows(4).enumerate().filter(|(_, window)| window == b"plan").map(|(place, _)| place).collect();
    assert_eq!(places.len(), 2);
    for place in places {
        let mut bytes = sound.clone();
        bytes[place + 3] = b' ';
        fs::write(&file, bytes).unwrap();
        assert!(matches!(SqliteStore::open(dir.path()), Err(StoreError::Damaged(_))));
    }
}

/// An entry that names another document, or comes at another place, is missed by the document that it was written for.
#[test]
fn an_entry_that_went_astray_is_missed() {
    for change in ["doc = 0", "doc = 2", "seq = 0", "kind = 9"] {
        let dir = folder();
        let mut store = open(dir.path());
        store.commit(&[append("plan", 1, "one"), append("menu", 1, "soup"), append("plan", 2, "two")]).unwrap();
        Box::new(store).close().unwrap();
        let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
        other.execute(&format!("UPDATE log SET {change} WHERE id = 3"), []).unwrap();
        other.close().unwrap();
        let mut store = open(dir.path());
        assert!(matches!(store.load(&name("plan")), Err(StoreError::Corrupt { .. })), "{change}");
        assert_eq!(tail(&store.load(&name("menu")).unwrap().unwrap()), [(1, "soup".into())], "{change}");
        let report = store.verify().unwrap();
        assert_eq!(report.problems.iter().map(|problem| problem.doc.as_deref()).collect::<Vec<_>>(), [Some("plan")]);
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one")]).unwrap();
    Box::new(store).close().unwrap();
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    other.pragma_update(None, "user_version", 2).unwrap();
    other.close().unwrap();
    let before = fs::read(dir.path().join("stoa.db")).unwrap();
    let error = SqliteStore::open(dir.path()).unwrap_err();
    assert_eq!(error, StoreError::NewerSchema { found: 2, known: 1 });
    assert!(error.to_string().contains("use a newer release"));
    assert_eq!(SqliteReader::open(dir.path()).unwrap_err(), error);
    assert_eq!(fs::read(dir.path().join("stoa.db")).unwrap(), before);
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let dir = folder();
    fs::write(dir.path().join("stoa.db"), "a shopping list, much longer than a header, and no database at all")
        .unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(StoreError::Damaged(_))));
    let dir = folder();
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    other.execute_batch("CREATE TABLE recipes (id INTEGER)").unwrap();
    other.close().unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(StoreError::Damaged(_))));
    assert!(matches!(SqliteReader::open(&dir.path().join("elsewhere")), Err(StoreError::Refused(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Overwrites any bytes of the file: then the store is refused, or a document says that it is damaged, or it is what it
    /// was. It is never another text, and nothing panics.
    #[test]
    fn damage_is_never_passed_off_as_text(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let dir = folder();
        let mut store = open(dir.path());
        let body = "text ".repeat(300);
        for seq in 1..8 {
            store.commit(&[append("plan", seq, &body), append("menu", seq, "soup")]).unwrap();
        }
        store.commit(&[snapshot("plan", 1, 3, &body), version("plan", 1, None, &body), chat("plan", 1, &body)]).unwrap();
        let whole = [store.load(&name("plan")).unwrap(), store.load(&name("menu")).unwrap()];
        Box::new(store).close().unwrap();
        let file = dir.path().join("stoa.db");
        let mut bytes = fs::read(&file).unwrap();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        fs::write(&file, bytes).unwrap();
        let Ok(mut store) = SqliteStore::open(dir.path()) else { return Ok(()) };
        for (doc, whole) in ["plan", "menu"].iter().zip(whole) {
            if let (Ok(Some(read)), Some(whole)) = (store.load(&name(doc)), whole) {
                prop_assert_eq!(state(&read).or_else(|| state(&whole)), state(&whole));
                let read_tail = tail(&read);
                prop_assert!(read.recovered.is_some() || read_tail == tail(&whole), "{doc}: {read_tail:?}");
            }
        }
        if let Ok(entries) = store.chat(&name("plan"), ChatPage::Newest, 9) {
            prop_assert!(entries.iter().all(|entry| entry.text == body));
        }
        let _ = store.verify();
        let _ = store.commit(&[append("plan", 99, "more"), append("new", 1, "more")]);
        let _ = Box::new(store).close();
    }
}
