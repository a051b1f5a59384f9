use std::sync::mpsc;
use std::time::Duration;

use stoa_crdt_sync_store::{
    Batch, ReadStore, SqliteReader, SqliteStore, StorageState, Store, StoreError, Writer, WriterOptions,
};

use crate::support::{append, folder, name, open, snapshot, tail};

#[test]
fn two_servers_never_share_a_folder() {
    let dir = folder();
    let mut first = open(dir.path());
    first.commit(&[append("plan", 1, "one")]).unwrap();
    let error = SqliteStore::open(dir.path()).unwrap_err();
    assert_eq!(error, StoreError::InUse(dir.path().to_path_buf()));
    assert!(error.to_string().contains("another stoa process"));
    first.commit(&[append("plan", 2, "two")]).unwrap();
    drop(first);
    assert_eq!(open(dir.path()).load(&name("plan")).unwrap().unwrap().tail.len(), 2);
}

#[test]
fn another_process_reads_what_a_server_writes() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), append("menu", 1, "soup")]).unwrap();
    let mut reader = SqliteReader::open(dir.path()).unwrap();
    assert_eq!(tail(&reader.load(&name("plan")).unwrap().unwrap()), [(1, "one".into())]);
    store.commit(&[append("plan", 2, "two"), snapshot("menu", 1, 1, "menu")]).unwrap();
    assert_eq!(tail(&reader.load(&name("plan")).unwrap().unwrap()).len(), 2);
    let seqs: Vec<_> = reader.list(None, 9, "").unwrap().iter().map(|info| (info.seq, info.bytes)).collect();
    assert_eq!(seqs, [(1, 4 + 13), (2, 6)]);
    assert!(reader.verify().unwrap().problems.is_empty());
}

/// Somebody works on the file with another program.
#[test]
fn a_locked_file_is_waited_for() {
    let dir = folder();
    let store = open(dir.path());
    let other = rusqlite::Connection::open(dir.path().join("stoa.db")).unwrap();
    let lock = rusqlite::Transaction::new_unchecked(&other, rusqlite::TransactionBehavior::Immediate).unwrap();
    let ((tell, states), (answer, answers)) = (mpsc::channel(), mpsc::channel());
    let observer = Box::new(move |state: &StorageState| tell.send(state.clone()).unwrap());
    let writer = Writer::start(Box::new(store), WriterOptions::default(), observer).unwrap();
    let batch = Batch::new(vec![append("plan", 1, "one")], move |result| answer.send(result).unwrap());
    writer.handle().submit(batch).unwrap();
    assert!(matches!(states.recv().unwrap(), StorageState::Failing { reason } if reason.contains("locked")));
    drop(lock);
    assert_eq!(answers.recv().unwrap(), Ok(()));
    assert_eq!(states.recv().unwrap(), StorageState::Well);
    assert_eq!(writer.stop(Duration::ZERO), 0);
}

#[test]
fn a_folder_can_be_read_while_no_server_runs() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one")]).unwrap();
    Box::new(store).close().unwrap();
    let mut reader = SqliteReader::open(dir.path()).unwrap();
    assert_eq!(reader.load(&name("plan")).unwrap().unwrap().tail.len(), 1);
    assert!(reader.export(&name("plan")).unwrap().unwrap().losses.is_empty());
    // It is not in a server's way.
    open(dir.path()).commit(&[append("plan", 2, "two")]).unwrap();
    assert_eq!(reader.load(&name("plan")).unwrap().unwrap().tail.len(), 2);
}
