//! Snapshots, and what the memory keeps.
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::Epoch;
use stoa_crdt_sync_core::update::{StateVector, Update, merge};
use stoa_crdt_sync_core::wire::{ClientMessage, ServerMessage};
use stoa_crdt_sync_core::{CompactJob, Compacted, Dialect, Event, Input, Limits, Stored, StoredSnapshot, Unproven};

use crate::support::*;

fn engine(job: &CompactJob) -> Compacted {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, ReadTxn, Transact};
    let doc = Doc::new();
    let mut transaction = doc.transact_mut();
    for part in job.parts() {
        transaction.apply_update(yrs::Update::decode_v1(part).unwrap()).unwrap();
    }
    let body = transaction.encode_state_as_update_v1(&yrs::StateVector::default());
    job.prove(body.into()).unwrap()
}

fn done(world: &mut World, job: &CompactJob, result: Result<Compacted, &str>) {
    let (doc, epoch, generation) = (doc(), job.epoch(), job.generation());
    world.input(Input::Compacted { doc, epoch, generation, result: result.map_err(Into::into) });
}

fn written(world: &mut World, generation: u64, is_committed: bool) {
    world.input(Input::SnapshotWritten { doc: doc(), epoch: Epoch(1), generation, is_committed });
}

fn take_snapshot(world: &mut World) -> Option<(u64, u64, Bytes)> {
    world.take_events().into_iter().find_map(|event| match event {
        Event::Snapshot { generation, through, body, .. } => Some((generation, through, body)),
        _ => None,
    })
}

/// With five updates, committed.
fn with_five(limits: Limits) -> World {
    let mut world = World::open_with(limits, None);
    world.join(ADA, Dialect::Native);
    for clock in 0..4 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.update(ADA, &deleted(1, 2, 1));
    world.commit(5);
    world
}

fn small() -> Limits {
    Limits { compact_updates: 5, ..Limits::default() }
}

#[test]
fn enough_updates_make_a_snapshot() {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    assert_eq!(job.parts().len(), 5);
    done(&mut world, &job, Ok(engine(&job)));
    let (generation, through, _) = take_snapshot(&mut world).unwrap();
    assert_eq!((generation, through), (1, 5));
    written(&mut world, 1, true);
    world.attach(attach(BOB, Dialect::Native));
    world.say(BOB, step_1(&StateVector::new()));
    let update = answered(&world.take(BOB)).unwrap();
    assert_eq!(update.authors().collect::<Vec<_>>(), [(1, 0..4)]);
    assert!(update.deletes().contains(1, 2));
    assert_eq!(world.hub.stats().compactions, 1);
}

#[test]
fn enough_bytes_or_time_make_a_snapshot() {
    let mut world = World::open_with(Limits { compact_bytes: 100, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, &"x".repeat(100)));
    assert!(world.take_job().is_some());
    let mut world = with_five(Limits::default());
    world.pass(Duration::from_secs(59));
    assert!(world.take_job().is_none());
    world.pass(Duration::from_secs(2));
    assert!(world.take_job().is_some());
}

#[test]
fn a_large_snapshot_is_not_written_for_a_small_change() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    let text = "x".repeat(1 << 20);
    world.update(ADA, &typed(1, 0, &text));
    world.commit(1);
    let job = world.take_job().unwrap();
    done(&mut world, &job, Ok(engine(&job)));
    written(&mut world, 1, true);
    world.update(ADA, &typed(1, 1 << 20, "y"));
    world.commit(2);
    world.pass(Duration::from_secs(600));
    assert!(world.take_job().is_none());
    world.update(ADA, &typed(1, (1 << 20) + 1, &text[..1 << 17]));
    world.pass(Duration::from_secs(600));
    assert!(world.take_events().iter().any(|event| matches!(event, Event::ReadSnapshot { .. })));
    snapshot_read(&mut world, &typed(1, 0, &text));
    assert!(world.take_job().is_some());
}

#[test]
fn there_is_one_job_at_a_time_and_what_comes_meanwhile_stays() {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    for clock in 4..20 {
        world.update(ADA, &typed(1, clock, "b"));
    }
    assert!(world.take_job().is_none());
    done(&mut world, &job, Ok(engine(&job)));
    assert!(take_snapshot(&mut world).is_some(), "everything that it holds is committed");
    assert_eq!(world.state().0.get(1), 20);
    assert!(world.take_job().is_none(), "not while it is written");
    written(&mut world, 1, true);
    let job = world.take_job().expect("the next one");
    assert_eq!((job.generation(), job.parts().len()), (2, 17));
}

#[test]
fn a_snapshot_waits_for_the_commit_of_what_it_holds() {
    let mut world = World::open_with(small(), None);
    world.join(ADA, Dialect::Native);
    for clock in 0..5 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    let job = world.take_job().unwrap();
    world.commit(4);
    done(&mut world, &job, Ok(engine(&job)));
    assert!(take_snapshot(&mut world).is_none());
    world.commit(5);
    assert!(take_snapshot(&mut world).is_some());
}

#[test]
fn held_updates_survive_compaction() {
    let mut world = World::open_with(small(), None);
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    world.update(BOB, &typed(2, 1, "held"));
    for clock in 0..5 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    let job = world.take_job().unwrap();
    assert!(
        job.parts().iter().all(|part| Update::read(part.clone()).unwrap().authors().all(|(client, _)| client == 1))
    );
    let appended = world.take_appended();
    assert_eq!(appended.last(), Some(&(7, typed(2, 1, "held"))), "it is logged again, behind the snapshot");
    world.commit(6);
    done(&mut world, &job, Ok(engine(&job)));
    assert!(take_snapshot(&mut world).is_none(), "not before it is there");
    world.commit(7);
    let (_, through, body) = take_snapshot(&mut world).unwrap();
    assert_eq!(through, 6);
    // A restart from what is now on disk.
    let (vector, deletes) = content(std::slice::from_ref(&body));
    let (vector, deletes) = (vector.encode().into(), deletes.encode().into());
    let snapshot = Some(StoredSnapshot { generation: 1, through, body, vector, deletes });
    let tail = appended.into_iter().filter(|(seq, _)| *seq > through).collect();
    let stored = Stored { epoch: Epoch(1), snapshot, tail, former_authors: vec![] };
    let mut world = World::open_with(small(), Some(stored));
    world.join(BOB, Dialect::Native);
    world.update(BOB, &typed(2, 0, "a"));
    assert_eq!(world.state().0, [(1, 5), (2, 5)].into_iter().collect());
}

#[test]
fn a_snapshot_that_lacks_something_is_refused() {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    let whole = job.merged().unwrap();
    assert!(job.prove(whole).is_ok());
    let body = |text: &str, deletes: &[(u64, u64)]| {
        let mut out = typed(1, 0, text).to_vec();
        out.pop();
        let deletes = deletes.iter().map(|(clock, len)| (1, *clock..clock + len));
        out.extend_from_slice(&deletes.collect::<stoa_crdt_sync_core::update::DeleteSet>().encode());
        Bytes::from(out)
    };
    let refused = |body| job.prove(body).map(|_| ()).unwrap_err();
    assert!(job.prove(body("aaaa", &[(2, 1)])).is_ok());
    assert_eq!(refused(body("aaa", &[(2, 1)])), Unproven::UnitsLost);
    assert_eq!(refused(body("aaaa", &[])), Unproven::DeletesLost);
    assert_eq!(refused(typed(1, 1, "aaaa")), Unproven::Gap);
    // All four units are there, but as if they had been deleted.
    assert_eq!(refused(Bytes::from_static(&[1, 1, 1, 0, 0, 4, 1, 1, 1, 2, 1])), Unproven::ContentLost);
    assert!(matches!(refused(Bytes::from_static(b"x")), Unproven::Unreadable(_)));
}

#[test]
fn a_failed_compaction_changes_nothing_and_is_tried_later() {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    done(&mut world, &job, Err("out of memory"));
    assert_eq!(world.hub.stats().compactions_failed, 1);
    assert!(world.take_events().iter().any(|event| matches!(event, Event::Fault { .. })));
    assert_eq!(world.state().0.get(1), 4);
    world.update(ADA, &typed(1, 4, "b"));
    assert!(world.take_job().is_none(), "not at once");
    world.pass(Duration::from_secs(61));
    let job = world.take_job().unwrap();
    done(&mut world, &job, Ok(engine(&job)));
    world.commit(6);
    assert!(take_snapshot(&mut world).is_some());
    written(&mut world, 1, false);
    assert_eq!(world.state().0.get(1), 5);
    assert_eq!(world.hub.stats().compactions_failed, 2);
}

#[test]
fn the_last_follower_leaves_a_snapshot_behind() {
    let mut world = with_five(Limits::default());
    world.input(Input::Detach { follower: ADA });
    world.input(Input::Detach { follower: WATCHER });
    world.pass(Duration::from_secs(4));
    assert!(world.take_job().is_none(), "pages are reloaded");
    world.pass(Duration::from_secs(2));
    let job = world.take_job().unwrap();
    done(&mut world, &job, Ok(engine(&job)));
    assert!(!world.events.iter().any(|event| matches!(event, Event::Idle { .. })));
    written(&mut world, 1, true);
    assert!(matches!(world.take_events()[..], [.., Event::Idle { .. }]));
    assert_eq!((world.hub.stats().documents, world.hub.poll_timeout()), (0, None));
}

#[test]
fn who_comes_while_the_document_closes_keeps_it_open() {
    let mut world = with_five(Limits::default());
    world.input(Input::Detach { follower: ADA });
    world.input(Input::Detach { follower: WATCHER });
    world.pass(Duration::from_secs(6));
    let job = world.take_job().unwrap();
    world.join(BOB, Dialect::Native);
    done(&mut world, &job, Ok(engine(&job)));
    written(&mut world, 1, true);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.hub.stats().documents, 1);
    world.update(BOB, &typed(2, 0, "b"));
    assert_eq!(world.state().0, [(1, 4), (2, 1)].into_iter().collect());
}

/// With a snapshot whose bytes have left the memory.
fn forgetful() -> (World, Bytes) {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    done(&mut world, &job, Ok(engine(&job)));
    let (_, _, body) = take_snapshot(&mut world).unwrap();
    written(&mut world, 1, true);
    world.pass(Duration::from_secs(120));
    world.take_events();
    (world, body)
}

fn is_asked(world: &mut World) -> bool {
    let events = world.take_events();
    assert!(events.iter().all(|event| matches!(event, Event::ReadSnapshot { generation: 1, .. })), "{events:?}");
    !events.is_empty()
}

fn snapshot_read(world: &mut World, body: &Bytes) {
    world.input(Input::SnapshotRead { doc: doc(), generation: 1, result: Ok(body.clone()) });
}

#[test]
fn a_snapshot_that_nobody_needs_leaves_the_memory_and_comes_back() {
    let (mut world, body) = forgetful();
    world.attach(attach(BOB, Dialect::Native));
    world.say(BOB, step_1(&StateVector::new()));
    assert!(is_asked(&mut world));
    world.input(Input::Read { request: 3, doc: doc() });
    assert!(!is_asked(&mut world), "once is enough");
    world.update(ADA, &typed(1, 4, "b"));
    world.take(BOB);
    snapshot_read(&mut world, &body);
    assert_eq!(answered(&world.take(BOB)).unwrap().authors().collect::<Vec<_>>(), [(1, 0..5)]);
    let read = |event: &Event| matches!(event, Event::State { request: 3, parts, .. } if parts.len() == 2);
    assert!(world.take_events().iter().any(read));
}

#[test]
fn who_has_the_snapshot_is_answered_without_it() {
    let (mut world, _) = forgetful();
    world.update(ADA, &typed(1, 4, "b"));
    world.take_events();
    world.attach(attach(BOB, Dialect::Native));
    world.say(BOB, step_1(&[(1, 4)].into_iter().collect()));
    assert!(!is_asked(&mut world));
    let update = answered(&world.take(BOB)).unwrap();
    assert_eq!(update.authors().collect::<Vec<_>>(), [(1, 4..5)]);
    assert!(update.deletes().contains(1, 2), "with all deletes");
}

/// An engine also deletes what stands in something deleted, which no update ever said.
#[test]
fn what_a_snapshot_deletes_is_told_with_all_deletes() {
    let mut world = with_five(small());
    let job = world.take_job().unwrap();
    let [merged, more] = [job.merged().unwrap(), deleted(1, 0, 1)].map(|update| Update::read(update).unwrap());
    let mut deletes = merged.deletes().clone();
    deletes.union(more.deletes());
    let body = merge(&[&merged], &StateVector::new(), &deletes);
    done(&mut world, &job, Ok(job.prove(body.into()).unwrap()));
    written(&mut world, 1, true);
    world.attach(attach(BOB, Dialect::Native));
    world.say(BOB, step_1(&[(1, 4)].into_iter().collect()));
    let update = answered(&world.take(BOB)).unwrap();
    assert!(update.deletes().contains(1, 0) && update.deletes().contains(1, 2));
}

#[test]
fn a_slow_follower_waits_for_the_snapshot_too() {
    let mut world = with_five(Limits { queue_bytes: 500, ..small() });
    world.join(BOB, Dialect::Native);
    world.writes = false;
    for clock in 4..24 {
        world.update(ADA, &typed(1, clock, "b"));
        world.input(Input::Written { follower: ADA, cost: 1 << 20 });
    }
    world.commit(25);
    let job = world.take_job().unwrap();
    done(&mut world, &job, Ok(engine(&job)));
    take_snapshot(&mut world).unwrap();
    written(&mut world, 1, true);
    let job = world.take_job().unwrap();
    assert_eq!(job.parts().len(), 21, "one of 5 updates was there already");
    done(&mut world, &job, Ok(engine(&job)));
    let (_, _, body) = take_snapshot(&mut world).unwrap();
    written(&mut world, 2, true);
    world.pass(Duration::from_secs(130));
    world.take(BOB);
    world.input(Input::Written { follower: BOB, cost: 1 << 20 });
    assert_eq!(world.take(BOB), []);
    assert!(matches!(world.take_events()[..], [Event::ReadSnapshot { generation: 2, .. }]));
    world.input(Input::SnapshotRead { doc: doc(), generation: 2, result: Ok(body) });
    let ServerMessage::Update(update) = world.take(BOB).remove(0) else { panic!("expected an update") };
    assert_eq!(Update::read(update).unwrap().authors().collect::<Vec<_>>(), [(1, 0..24)]);
}

#[test]
fn a_snapshot_that_cannot_be_read_costs_only_those_who_need_it() {
    let (mut world, _) = forgetful();
    world.attach(attach(BOB, Dialect::Native));
    world.say(BOB, step_1(&StateVector::new()));
    world.input(Input::SnapshotRead { doc: doc(), generation: 1, result: Err("bad sector".into()) });
    assert!(world.take(BOB).iter().any(|message| matches!(message, ServerMessage::Closed { .. })));
    world.say(ADA, ClientMessage::Update(typed(1, 4, "b")));
    assert_eq!(world.take_appended().len(), 1);
}

#[test]
fn many_updates_are_few_parts() {
    let mut world = World::open_with(Limits { compact_updates: 100_000, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    for clock in 0..2_000 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.commit(2_000);
    world.take_events();
    world.input(Input::Read { request: 1, doc: doc() });
    let Some(Event::State { parts, .. }) = world.take_events().pop() else { panic!("expected a state") };
    assert!(parts.len() < 100, "{}", parts.len());
    assert_eq!(content(&parts).0.get(1), 2_000);
    assert!(parts.iter().map(Bytes::len).sum::<usize>() < 10_000, "characters of one author are joined");
}
