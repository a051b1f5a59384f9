use std::sync::atomic::{AtomicU64, Ordering};

use stoa_crdt_sync_store::{ReadStore, Store, Write};

use crate::support::{append, damage, folder, name, occurrences, open, open_at, snapshot, state, tail};

#[test]
fn what_a_snapshot_replaces_stays_until_it_is_pruned() {
    static NOW: AtomicU64 = AtomicU64::new(1_000);
    let dir = folder();
    let mut store = open_at(dir.path(), || NOW.load(Ordering::Relaxed));
    store.commit(&[append("plan", 1, "ENTRY"), snapshot("plan", 1, 1, "STATE-A")]).unwrap();
    NOW.store(5_000, Ordering::Relaxed);
    store.commit(&[snapshot("plan", 2, 1, "STATE-B")]).unwrap();
    let mut kept = |before_ms| {
        store.commit(&[Write::Prune { before_ms }]).unwrap();
        // Everything goes to its place, so that nothing is found twice.
        Box::new(std::mem::replace(&mut store, open(folder().path()))).close().unwrap();
        store = open(dir.path());
        ["ENTRY", "STATE-A", "STATE-B"].map(|text| occurrences(dir.path(), text))
    };
    assert_eq!(kept(1_000), [1, 1, 1]);
    assert_eq!(kept(1_001), [0, 1, 1], "generation 0 was replaced at 1,000");
    assert_eq!(kept(5_001), [0, 0, 1], "generation 1 was replaced at 5,000");
    assert_eq!(state(&store.load(&name("plan")).unwrap().unwrap()), Some("STATE-B".into()));
    assert!(store.verify().unwrap().problems.is_empty());
}

#[test]
fn a_damaged_snapshot_is_made_up_for_without_loss() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), append("plan", 2, "two"), append("plan", 3, "three")]).unwrap();
    store.commit(&[snapshot("plan", 1, 2, "STATE-A")]).unwrap();
    store.commit(&[append("plan", 4, "four"), snapshot("plan", 2, 3, "STATE-B"), append("plan", 5, "five")]).unwrap();
    Box::new(store).close().unwrap();
    damage(dir.path(), "STATE-B");
    let mut store = open(dir.path());
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!((state(&stored), stored.generation), (Some("STATE-A".into()), 2));
    assert_eq!(tail(&stored), [(3, "three".into()), (4, "four".into()), (5, "five".into())]);
    assert!(stored.recovered.unwrap().contains("generation 2"));
    Box::new(store).close().unwrap();
    // Even the first generation, the empty document, will do.
    damage(dir.path(), "STATE-A");
    let mut store = open(dir.path());
    let stored = store.load(&name("plan")).unwrap().unwrap();
    let all = [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five")];
    assert_eq!((state(&stored), tail(&stored)), (None, all.map(|(seq, text)| (seq, text.to_owned())).to_vec()));
    // The next snapshot mends it.
    store.commit(&[snapshot("plan", stored.generation + 1, 5, "STATE-C")]).unwrap();
    let stored = store.load(&name("plan")).unwrap().unwrap();
    assert_eq!((state(&stored), stored.recovered), (Some("STATE-C".into()), None));
}

#[test]
fn a_gap_between_generations_is_never_passed_over_in_silence() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), snapshot("plan", 1, 1, "STATE-A")]).unwrap();
    store.commit(&[append("plan", 2, "BETWEEN"), snapshot("plan", 2, 2, "STATE-B")]).unwrap();
    Box::new(store).close().unwrap();
    damage(dir.path(), "STATE-B");
    damage(dir.path(), "BETWEEN");
    let mut store = open(dir.path());
    let error = store.load(&name("plan")).unwrap_err();
    assert!(error.is_final() && error.to_string().contains("generation 2"), "{error}");
    let export = store.sqlite_reader().export(&name("plan")).unwrap().unwrap();
    assert_eq!((state(&export.stored), export.losses.len()), (Some("STATE-A".into()), 1));
}

#[test]
fn a_damaged_log_entry_does_not_look_sound_after_compaction() {
    let dir = folder();
    let mut store = open(dir.path());
    store.commit(&[append("plan", 1, "one"), snapshot("plan", 1, 1, "STATE-A"), append("plan", 2, "ENTRY")]).unwrap();
    Box::new(store).close().unwrap();
    damage(dir.path(), "ENTRY");
    let mut store = open(dir.path());
    assert!(store.load(&name("plan")).is_err());
    store.commit(&[snapshot("plan", 2, 2, "STATE-B")]).unwrap();
    assert_eq!(state(&store.load(&name("plan")).unwrap().unwrap()), Some("STATE-B".into()));
    let problems = store.verify().unwrap().problems;
    assert!(matches!(&problems[..], [problem] if problem.what == "retired generation 1"), "{problems:?}");
}

#[test]
fn pruning_is_done_in_bounded_steps() {
    let dir = folder();
    let mut store = open(dir.path());
    let large = "x".repeat(9 << 20);
    for generation in 1..5 {
        store.commit(&[snapshot("plan", generation, 0, &large)]).unwrap();
    }
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(store.size().unwrap().used >> 20);
        store.commit(&[Write::Prune { before_ms: 2_000 }]).unwrap();
    }
    assert_eq!(sizes, [36, 18, 9], "two kept and one of the day, beside the present one; then two go, then one");
}

/// A document that is compacted every minute for a week.
#[test]
fn of_many_generations_one_a_day_is_kept_beside_the_newest() {
    static NOW: AtomicU64 = AtomicU64::new(0);
    const HOUR_MS: u64 = 60 * 60 * 1000;
    let dir = folder();
    let mut store = open_at(dir.path(), || NOW.load(Ordering::Relaxed));
    for hour in 0..7 * 24 {
        NOW.store(hour * HOUR_MS, Ordering::Relaxed);
        store.commit(&[append("plan", hour + 1, "text"), snapshot("plan", hour + 1, hour + 1, "STATE")]).unwrap();
    }
    Box::new(store).close().unwrap();
    // One of each of the seven days, the two newest, and the present one.
    assert_eq!(occurrences(dir.path(), "STATE"), 7 + 2 + 1 - 1, "the very first one retired was empty");
    assert!(open(dir.path()).verify().unwrap().problems.is_empty());
}
