//! What it costs. With `STOA_MEASURE=1` each is repeated and its time is printed; otherwise it is done once.
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update, merge};
use yrs::{ReadTxn, Transact};

use crate::yrs_engine::typed;

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures")]
fn measure<T>(name: &str, count: u32, mut act: impl FnMut() -> T) -> T {
    if std::env::var_os("STOA_MEASURE").is_none() {
        return act();
    }
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..count {
            black_box(act());
        }
        best = best.min(start.elapsed() / count);
    }
    println!("{name:52} {best:?}");
    act()
}

fn read(bytes: &Bytes) -> Update {
    Update::read(bytes.clone()).unwrap()
}

fn sum(updates: &[Update]) -> (StateVector, DeleteSet) {
    let (mut vector, mut deletes) = (StateVector::new(), DeleteSet::new());
    for update in updates {
        for (client, clocks) in update.authors() {
            vector.set_max(client, clocks.end);
        }
        deletes.union(update.deletes());
    }
    (vector, deletes)
}

#[test]
fn one_letter() {
    let (_, updates) = typed(3_000_000_000, 1000, true);
    let letter = updates.last().unwrap();
    let update = measure("read a letter", 100_000, || read(letter));
    let known: StateVector = [(3_000_000_000, 999)].into_iter().collect();
    let split = measure("split it, all ready", 100_000, || update.split(&known));
    assert_eq!(split.ready.as_ref(), Some(letter));
    let mut deletes = DeleteSet::new();
    assert!(!measure("ask whether it is known", 100_000, || update.is_known(&known, &deletes)));
    measure("add its deletes", 100_000, || deletes.union(update.deletes()));
}

#[test]
fn twenty_thousand_letters_become_one_text() {
    let (doc, updates) = typed(3_000_000_000, 20_000, true);
    let updates: Vec<Update> = updates.iter().map(read).collect();
    let parts: Vec<&Update> = updates.iter().collect();
    let none = (StateVector::new(), DeleteSet::new());
    let merged = measure("merge 20,000 letters", 20, || merge(&parts, &none.0, &none.1));
    assert!(merged.len() < 20_100, "{} bytes", merged.len());
    assert_eq!(merged, doc.transact().encode_diff_v1(&yrs::StateVector::default()));
}

#[test]
fn large_document() {
    let (doc, updates) = typed(3_000_000_000, 16_000, false);
    let state = Bytes::from(doc.transact().encode_diff_v1(&yrs::StateVector::default()));
    let snapshot = measure(&format!("read a snapshot of {} bytes", state.len()), 20, || read(&state));
    let (vector, deletes) = sum(std::slice::from_ref(&snapshot));
    let updates: Vec<Update> = updates.iter().map(read).collect();
    let lagging = sum(&updates[..updates.len() - 10]).0;
    let parts = [&snapshot];
    let difference = measure("difference of 10 edits to it", 20, || merge(&parts, &lagging, &deletes));
    assert!(difference.len() < deletes.encode().len() + 400);
    measure("the same without deletes", 20, || merge(&parts, &lagging, &DeleteSet::new()));
    measure("encode its deletes", 20, || deletes.encode());
    assert_eq!(measure("encode and decode them", 20, || DeleteSet::decode(&deletes.encode())).as_ref(), Ok(&deletes));
    measure("rewrite it", 20, || merge(&parts, &StateVector::new(), &deletes));
    assert!(measure("ask whether it is known", 20, || snapshot.is_known(&vector, &deletes)));
    let all: Vec<&Update> = updates.iter().collect();
    let merged = measure("merge its 16,000 updates", 5, || merge(&all, &StateVector::new(), &deletes));
    assert!(merged.len() < state.len() * 2, "{} bytes", merged.len());
    measure("split it, all ready", 5, || snapshot.split(&StateVector::new()));
}
