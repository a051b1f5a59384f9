use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use stoa_crdt_sync_store::{ReadStore, SqliteReader, SqliteStore, Store, StoreError};

use crate::support::{append, damage, folder, name, open, snapshot, state, tail};

#[test]
fn a_backup_is_one_private_file_that_can_be_served() {
    let (dir, other) = (folder(), folder());
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), snapshot("plan", 1, 1, "state"), append("plan", 2, "two")]).unwrap();
    let file = other.path().join("stoa.db");
    SqliteReader::open(dir.path()).unwrap().backup(&file).unwrap();
    store.commit(&[append("plan", 3, "later")]).unwrap();
    let names: Vec<_> = fs::read_dir(other.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["stoa.db"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut copy = SqliteReader::open(&file).unwrap();
    assert!(copy.verify().unwrap().problems.is_empty());
    assert_eq!(tail(&copy.load(&name("plan")).unwrap().unwrap()), [(2, "two".into())]);
    drop(copy);
    let mut served = open(other.path());
    served.commit(&[append("plan", 3, "other")]).unwrap();
    let stored = served.load(&name("plan")).unwrap().unwrap();
    assert_eq!((state(&stored), tail(&stored).len()), (Some("state".into()), 2));
}

#[test]
fn nothing_is_overwritten_and_nothing_half_is_left() {
    let (dir, other) = (folder(), folder());
    let mut store = open(dir.path());
    let file = other.path().join("copy.db");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(store.backup(&file), Err(StoreError::Refused(_))));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    fs::write(other.path().join("two.db.partial"), "").unwrap();
    assert!(matches!(store.backup(&other.path().join("two.db")), Err(StoreError::Refused(_))));
    assert!(store.backup(&other.path().join("no/such/folder.db")).is_err());
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 2);
}

#[test]
fn a_damaged_structure_is_not_backed_up_as_if_it_were_sound() {
    let (dir, other) = (folder(), folder());
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one")]).unwrap();
    Box::new(store).close().unwrap();
    // The number of free pages in the header.
    let mut bytes = fs::read(dir.path().join("stoa.db")).unwrap();
    bytes[39] += 1;
    fs::write(dir.path().join("stoa.db"), bytes).unwrap();
    let result = SqliteReader::open(dir.path()).unwrap().backup(&other.path().join("copy.db"));
    assert!(matches!(result, Err(StoreError::Damaged(_))), "{result:?}");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    assert!(matches!(SqliteStore::open(dir.path()), Err(StoreError::Damaged(_))));
}

#[test]
fn a_damaged_body_is_found_in_a_backup() {
    let (dir, other) = (folder(), folder());
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "ENTRY")]).unwrap();
    store.backup(&other.path().join("stoa.db")).unwrap();
    damage(other.path(), "ENTRY");
    let problems = SqliteReader::open(&other.path().join("stoa.db")).unwrap().verify().unwrap().problems;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].doc.as_deref(), Some("plan"));
}

/// Every transaction writes to two documents: a copy in which they differ was not one state.
#[test]
fn a_backup_made_while_others_write_is_one_state() {
    let (dir, other) = (folder(), folder());
    let mut store = open(dir.path());
    let filler = "x".repeat(1 << 20);
    store.commit(&[snapshot("filler", 1, 0, &filler)]).unwrap();
    store.commit(&[append("a", 1, "text"), append("b", 1, "text")]).unwrap();
    let mut reader = SqliteReader::open(dir.path()).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seq = 1;
            while !is_done.load(Ordering::Relaxed) {
                seq += 1;
                store.commit(&[append("a", seq, "text"), append("b", seq, "text")]).unwrap();
                store.tend(true);
            }
        });
        for number in 0..5 {
            let file = other.path().join(format!("{number}.db"));
            reader.backup(&file).unwrap();
            let mut copy = SqliteReader::open(&file).unwrap();
            assert!(copy.verify().unwrap().problems.is_empty());
            let seqs = ["a", "b"].map(|doc| copy.load(&name(doc)).unwrap().unwrap().tail.len());
            assert_eq!(seqs[0], seqs[1]);
        }
        is_done.store(true, Ordering::Relaxed);
    });
}
