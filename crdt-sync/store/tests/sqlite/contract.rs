use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use stoa_base_types::Epoch;
use stoa_crdt_sync_store::{
    Batch, ChatPage, Kind, ReadStore, Reader, SqliteStore, StorageState, Store, StoreError, VersionInfo, Write, Writer,
    WriterOptions,
};

use crate::support::{append, append_in, chat, erase, folder, name, open, open_at, snapshot, state, tail, version};

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let dir = folder();
    let mut store = open(dir.path());
    let encrypted = Write::Append {
        doc: name("plan"),
        epoch: Epoch::FIRST,
        seq: 2,
        kind: Kind::Encrypted,
        body: b"two"[..].into(),
    };
    store.commit(&[append("plan", 1, "one"), encrypted, append("menu", 7, "")]).unwrap();
    let before = store.load(&name("plan")).unwrap().unwrap();
    drop(store);
    let mut store = open(dir.path());
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!(stored, before);
    assert_eq!(tail(&stored), [(1, "one".into()), (2, "two".into())]);
    assert_eq!(stored.tail[1].kind, Kind::Encrypted);
    assert_eq!((stored.epoch, stored.generation, stored.snapshot), (Epoch::FIRST, 0, None));
    assert_eq!(tail(&store.load(&name("menu")).unwrap().unwrap()), [(7, String::new())]);
    assert_eq!(store.load(&name("nothing")), Ok(None));
}

#[test]
fn a_snapshot_takes_the_place_of_the_log_up_to_it() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), append("plan", 2, "two"), append("plan", 3, "three")]).unwrap();
    store.commit(&[snapshot("plan", 1, 2, "one two"), append("plan", 4, "four")]).unwrap();
    for is_reopened in [false, true] {
        if is_reopened {
            drop(store);
            store = open(dir.path());
        }
        let stored = store.load(&name("plan")).unwrap().unwrap();
        assert_eq!((state(&stored), stored.generation), (Some("one two".into()), 1));
        let snapshot = stored.snapshot.as_ref().unwrap();
        assert_eq!(
            (&snapshot.vector[..], &snapshot.deletes[..], snapshot.through),
            (&b"vector"[..], &b"deletes"[..], 2)
        );
        assert_eq!(tail(&stored), [(3, "three".into()), (4, "four".into())]);
    }
}

#[test]
fn all_writes_of_a_transaction_or_none() {
    let dir = folder();
    let mut store = open(dir.path());
    let error = store.commit(&[append("plan", 1, "one"), append("menu", 1, "soup"), append("plan", 1, "again")]);
    assert!(error.unwrap_err().is_final());
    assert_eq!((store.load(&name("plan")), store.load(&name("menu"))), (Ok(None), Ok(None)));
    store.commit(&[append("plan", 1, "one")]).unwrap();
    assert_eq!(tail(&store.load(&name("plan")).unwrap().unwrap()), [(1, "one".into())]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 5, "five"), snapshot("plan", 3, 5, "state"), append("plan", 6, "six")]).unwrap();
    let wrong = [
        append("plan", 6, "again"),
        append_in(2, "plan", 7, "another epoch"),
        snapshot("plan", 3, 6, "the same generation"),
        snapshot("plan", 4, 4, "less than there is"),
        erase("plan", 1, &[]),
        append("plan", u64::MAX, "no column for it"),
    ];
    for write in wrong {
        assert!(store.commit(std::slice::from_ref(&write)).unwrap_err().is_final(), "{write:?}");
    }
    store.commit(&[append("plan", 7, "seven"), snapshot("plan", 4, 7, "all")]).unwrap();
    store.commit(&[append("plan", 8, "eight")]).unwrap();
    // Also when nothing but the catalogue knows.
    store.commit(&[snapshot("plan", 5, 8, "all")]).unwrap();
    assert!(store.commit(&[append("plan", 8, "again")]).unwrap_err().is_final());
}

#[test]
fn a_document_can_be_begun_with_a_snapshot() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[snapshot("plan", 1, 40, "imported")]).unwrap();
    assert!(store.commit(&[append("plan", 40, "again")]).unwrap_err().is_final());
    store.commit(&[append("plan", 41, "new")]).unwrap();
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!((state(&stored), tail(&stored)), (Some("imported".into()), vec![(41, "new".into())]));
}

#[test]
fn large_bodies_come_back_whole() {
    let dir = folder();
    let mut store = open(dir.path());
    let large: String = (0..200_000).map(|number| format!("{number} ")).collect();
    let writes = [append("plan", 1, &large), snapshot("plan", 1, 1, &large), append("plan", 2, &large)];
    store.commit(&writes).unwrap();
    store.commit(&[version("plan", 1, None, &large)]).unwrap();
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert!(state(&stored).unwrap() == large && stored.tail[0].body == large.as_bytes());
    assert!(store.version(&name("plan"), 1).unwrap().unwrap().1 == large.as_bytes());
}

#[test]
fn the_catalogue_is_read_page_by_page() {
    let dir = folder();
    let mut store = open(dir.path());
    let names = ["agora", "agora/a", "agora/b", "agora/é", "agorb", "zoo", "äther"];
    for doc in names {
        store.commit(&[append(doc, 3, "12345")]).unwrap();
    }
    store.commit(&[snapshot("zoo", 1, 3, "1234567890")]).unwrap();
    let listed = |store: &mut SqliteStore, after, limit, prefix: &str| {
        let infos = store.list(after, limit, prefix).unwrap();
        infos.into_iter().map(|info| info.name).collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut store, None, 100, ""), names);
    assert_eq!(listed(&mut store, None, 2, "agora"), ["agora", "agora/a"]);
    assert_eq!(listed(&mut store, Some("agora/a"), 2, "agora"), ["agora/b", "agora/é"]);
    assert_eq!(listed(&mut store, Some("agora/é"), 2, "agora"), [""; 0]);
    assert_eq!(listed(&mut store, Some("agora/aa"), 1, "agora/"), ["agora/b"]);
    assert_eq!(listed(&mut store, None, 0, ""), [""; 0]);
    let info = |store: &mut SqliteStore, doc: &str| store.list(None, 1, doc).unwrap().remove(0);
    let (agora, zoo) = (info(&mut store, "agora"), info(&mut store, "zoo"));
    assert_eq!((agora.epoch, agora.seq, agora.bytes, agora.created_ms), (Epoch::FIRST, 3, 5, 1_000));
    assert_eq!((zoo.seq, zoo.bytes), (3, 10 + "vectordeletes".len() as u64));
    drop(store);
    let mut store = open_at(dir.path(), || 9_000);
    store.commit(&[append("agora", 4, "678")]).unwrap();
    let agora = info(&mut store, "agora");
    assert_eq!((agora.seq, agora.bytes, agora.created_ms, agora.updated_ms), (4, 8, 1_000, 9_000));
}

#[test]
fn versions_are_put_listed_renamed_and_deleted() {
    let dir = folder();
    let mut store = open(dir.path());
    let plan = name("plan");
    store.commit(&[append("plan", 1, "one")]).unwrap();
    store.commit(&[version("plan", 1, None, "first"), version("plan", 2, Some("Draft"), "second")]).unwrap();
    store.commit(&[version("plan", 3, None, "third"), version("menu", 9, None, "other")]).unwrap();
    let ids = |versions: Vec<VersionInfo>| versions.into_iter().map(|version| version.id).collect::<Vec<_>>();
    assert_eq!(ids(store.versions(&plan, None, 10).unwrap()), [3, 2, 1]);
    assert_eq!(ids(store.versions(&plan, Some(3), 1).unwrap()), [2]);
    let (info, body) = store.version(&plan, 2).unwrap().unwrap();
    let expected = VersionInfo {
        id: 2,
        name: Some("Draft".into()),
        created_ms: 20,
        automatic: false,
        author: Some("Ada".into()),
        bytes: 6,
    };
    assert_eq!((info, &body[..]), (expected, &b"second"[..]));
    let rename = |id, name: Option<&str>| Write::RenameVersion { doc: plan.clone(), id, name: name.map(str::to_owned) };
    store.commit(&[rename(1, Some("Start")), rename(2, None), rename(77, Some("no such"))]).unwrap();
    store.commit(&[version("plan", 3, Some("Final"), "replaced")]).unwrap();
    store.commit(&[Write::DeleteVersion { doc: plan.clone(), id: 2 }]).unwrap();
    store.commit(&[Write::DeleteVersion { doc: name("unknown"), id: 2 }]).unwrap();
    let titles: Vec<_> = store.versions(&plan, None, 9).unwrap().into_iter().map(|version| version.name).collect();
    assert_eq!(titles, [Some("Final".to_owned()), Some("Start".to_owned())]);
    assert_eq!(store.version(&plan, 2), Ok(None));
    assert_eq!(&store.version(&plan, 3).unwrap().unwrap().1[..], b"replaced");
    assert_eq!(ids(store.versions(&name("menu"), None, 9).unwrap()), [9]);
}

#[test]
fn a_version_from_before_an_erasure_is_refused() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), erase("plan", 2, &[])]).unwrap();
    assert!(store.commit(&[version("plan", 1, None, "one")]).unwrap_err().is_final());
}

#[test]
fn chat_is_kept_per_room() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[chat("agora", 1, "hello"), chat("agora", 2, "you"), chat("forum", 1, "else")]).unwrap();
    assert!(store.commit(&[chat("agora", 2, "again")]).unwrap_err().is_final());
    drop(store);
    let mut store = open(dir.path());
    store.commit(&[chat("agora", 3, "three")]).unwrap();
    let texts = |store: &mut SqliteStore, page, limit| {
        let entries = store.chat(&name("agora"), page, limit).unwrap();
        entries.into_iter().map(|entry| entry.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&mut store, ChatPage::Newest, 2), ["you", "three"]);
    assert_eq!(texts(&mut store, ChatPage::Before(3), 1), ["you"]);
    assert_eq!(texts(&mut store, ChatPage::After(0), 2), ["hello", "you"]);
    assert!(store.list(None, 9, "").unwrap().is_empty(), "a room that was chatted in is no document");
}

#[test]
fn only_the_owner_may_read_the_files() {
    let dir = folder();
    let home = dir.path().join("a/b");
    let mut store = open(&home);
    store.commit(&[append("plan", 1, "one")]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    for file in ["stoa.db", "stoa.db-wal", "stoa.db-shm", "stoa.lock"] {
        assert_eq!(mode(&home.join(file)), 0o600, "{file}");
    }
}

#[test]
fn readers_on_other_threads_see_what_was_answered() {
    let dir = folder();
    let store = open(dir.path());
    let reader = Reader::new(&store, 2).unwrap();
    let writer = Writer::start(Box::new(store), WriterOptions::default(), Box::new(|_: &StorageState| {})).unwrap();
    let handle = writer.handle();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (reader, (ask, questions)) = (reader.clone(), mpsc::channel::<(String, u64)>());
            let thread = std::thread::spawn(move || {
                for (doc, seq) in questions {
                    let stored = reader.load(&name(&doc)).unwrap().unwrap();
                    let newest = stored.tail.last().map(|entry| entry.seq);
                    let reached = newest.into_iter().chain(stored.snapshot.map(|snapshot| snapshot.through)).max();
                    assert!(reached >= Some(seq), "{doc} {seq}: {reached:?}");
                }
            });
            (ask, thread)
        })
        .collect();
    for seq in 1..300 {
        let doc = format!("doc{}", seq % 7);
        let mut writes = vec![append(&doc, seq, "text")];
        if seq % 3 == 0 {
            writes.push(snapshot(&doc, seq, seq, "compacted"));
        }
        let asks: Vec<_> = readers.iter().map(|(ask, _)| ask.clone()).collect();
        let told = move |result: Result<(), StoreError>| {
            result.unwrap();
            asks.iter().for_each(|ask| ask.send((doc.clone(), seq)).unwrap());
        };
        handle.submit(Batch::new(writes, told)).unwrap();
    }
    assert_eq!(writer.stop(Duration::from_mins(1)), 0);
    for (ask, thread) in readers {
        drop(ask);
        thread.join().unwrap();
    }
}

#[test]
fn a_transaction_of_many_documents_is_one_commit() {
    let dir = folder();
    let store = open(dir.path());
    let writer = Writer::start(Box::new(store), WriterOptions::default(), Box::new(|_: &StorageState| {})).unwrap();
    let (answer, answers) = mpsc::channel();
    let writes = (0..100).map(|number| append(&format!("doc{number}"), 1, "text")).collect();
    writer.handle().submit(Batch::new(writes, move |result| answer.send(result).unwrap())).unwrap();
    answers.recv().unwrap().unwrap();
    assert_eq!(writer.handle().stats().commits, 1);
    assert_eq!(writer.stop(Duration::ZERO), 0);
    assert_eq!(open(dir.path()).list(None, 1000, "doc").unwrap().len(), 100);
}

#[test]
fn free_space_is_used_again_and_not_counted() {
    let dir = folder();
    let mut store = open(dir.path());
    let large = "x".repeat(1 << 20);
    store.commit(&[snapshot("plan", 1, 0, &large)]).unwrap();
    let full = store.size().unwrap();
    assert!(full.used > 1 << 20 && full.file >= full.used);
    store.commit(&[erase("plan", 2, &[])]).unwrap();
    let erased = store.size().unwrap();
    assert!(erased.used < 1 << 18 && erased.file >= full.file, "{erased:?}");
    store.commit(&[snapshot("menu", 1, 0, &large)]).unwrap();
    assert_eq!(store.size().unwrap().file, erased.file);
}
