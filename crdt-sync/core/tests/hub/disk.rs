//! What happens when the disk refuses.
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::Epoch;
use stoa_crdt_sync_core::wire::{CloseCode, ServerMessage, Storage};
use stoa_crdt_sync_core::{Dialect, Event, Input, Limits, RequestError};

use crate::support::*;

fn failing() -> Input {
    Input::StorageFailing { reason: "no space".into() }
}

fn storage(storage: Storage, reason: &str) -> ServerMessage {
    ServerMessage::Storage { storage, reason: reason.into() }
}

#[test]
fn native_followers_are_told_that_the_disk_refuses() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Plain);
    world.input(failing());
    assert_eq!(world.take(ADA), [storage(Storage::Failing, "no space")]);
    assert_eq!(world.take(BOB), []);
    world.attach(attach(CAROL, Dialect::Native));
    assert!(matches!(world.take(CAROL)[0], ServerMessage::Opened { storage: Storage::Failing, .. }));
    world.input(Input::StorageWell);
    assert_eq!(world.take(ADA), [storage(Storage::Well, "")]);
}

#[test]
fn what_was_accepted_is_retried_in_order() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    for clock in 0..4 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.take_events();
    world.commit(1);
    world.input(failing());
    world.fail_commit(2);
    world.update(ADA, &typed(1, 4, "a"));
    assert_eq!(world.take_appended(), [], "nothing overtakes what failed");
    assert_eq!(world.take_updates(WATCHER), [] as [Bytes; 0]);
    world.input(Input::StorageWell);
    let again: Vec<_> = world.take_appended().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(again, [2, 3, 4, 5]);
    assert!(!world.take(ADA).contains(&ack(5)));
    world.commit(5);
    assert!(world.take(ADA).contains(&ack(5)));
    assert_eq!(world.hub.stats().dirty_bytes, 0);
}

#[test]
fn what_one_document_got_back_is_retried_by_itself() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.take_events();
    world.fail_commit(1);
    assert_eq!(world.take(ADA), [storage(Storage::Failing, "no space")]);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.take_appended(), [(1, typed(1, 0, "a"))]);
    assert_eq!(world.take(ADA), [], "it is well when it has committed");
    world.commit(1);
    let messages = world.take(ADA);
    assert!(messages.contains(&storage(Storage::Well, "")), "{messages:?}");
    assert!(messages.contains(&ack(1)));
}

#[test]
fn a_commit_that_was_given_back_is_no_commit() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.update(ADA, &typed(1, 1, "b"));
    world.fail_commit(1);
    world.take(ADA);
    world.commit(2);
    assert_eq!(world.take(ADA), []);
}

#[test]
fn updates_of_stock_clients_are_kept_while_there_is_room() {
    let limits = Limits { dirty_bytes: 1_000, ..Limits::default() };
    let mut world = World::open_with(limits, None);
    world.join(ADA, Dialect::Hocuspocus);
    world.join(BOB, Dialect::Native);
    world.input(failing());
    for clock in 0..100 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    assert_eq!(
        world.take(ADA),
        [closed(CloseCode::Unavailable)],
        "it comes again, and sends what was not acknowledged"
    );
    let handed_on = world.take_updates(BOB).len();
    assert!((50..100).contains(&handed_on), "{handed_on}");
    assert_eq!(world.take_appended().len(), handed_on);
    assert!(world.hub.stats().dirty_bytes <= 1_000);
    world.input(Input::StorageWell);
    world.commit(handed_on as u64);
    assert_eq!(world.hub.stats().dirty_bytes, 0);
}

#[test]
fn a_document_is_not_forgotten_while_it_is_dirty() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.input(failing());
    world.fail_commit(1);
    for follower in [ADA, WATCHER] {
        world.input(Input::Detach { follower });
    }
    world.pass(Duration::from_secs(3_600));
    assert_eq!(world.hub.stats().documents, 1);
    world.take_events();
    world.input(Input::StorageWell);
    assert_eq!(world.take_appended().len(), 1);
    world.commit(1);
    let job = world.take_job().expect("a snapshot at the end");
    let body = job.merged().unwrap();
    let (doc, epoch, generation) = (doc(), job.epoch(), job.generation());
    world.input(Input::Compacted { doc: doc.clone(), epoch, generation, result: Ok(job.prove(body).unwrap()) });
    world.input(Input::SnapshotWritten { doc, epoch, generation, is_committed: true });
    assert_eq!(world.hub.stats().documents, 0);
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn edits_are_answered_after_the_commit() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    let edit =
        |request, update: &Bytes, expected| Input::Edit { request, doc: doc(), update: update.clone(), expected };
    world.input(edit(1, &typed(1, 0, "a"), Some((Epoch(1), 0))));
    assert_eq!(world.take_updates(ADA), [typed(1, 0, "a")]);
    assert_eq!(world.take_appended().len(), 1);
    world.commit(1);
    assert!(matches!(world.take_events()[..], [Event::Edited { request: 1, seq: 1, .. }]));
    let failure = |world: &mut World, input| {
        world.input(input);
        match world.take_events()[..] {
            [Event::RequestFailed { error, .. }] => error,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(failure(&mut world, edit(2, &typed(2, 0, "b"), Some((Epoch(1), 0)))), RequestError::Changed);
    assert_eq!(failure(&mut world, edit(3, &typed(2, 1, "b"), None)), RequestError::Malformed, "it has a gap");
    assert_eq!(failure(&mut world, edit(4, &Bytes::from_static(b"x"), None)), RequestError::Malformed);
    world.input(failing());
    assert_eq!(failure(&mut world, edit(5, &typed(2, 0, "b"), None)), RequestError::StorageFailing);
    world.input(Input::StorageWell);
    world.input(edit(6, &typed(1, 0, "a"), None));
    assert!(matches!(world.take_events()[..], [Event::Edited { request: 6, seq: 1, .. }]), "it is there already");
    world.update(ADA, &typed(1, 1, "b"));
    world.take_events();
    world.input(edit(7, &typed(1, 1, "b"), Some((Epoch(1), 2))));
    assert_eq!(world.take_events().len(), 0);
    world.commit(2);
    assert!(matches!(world.take_events()[..], [Event::Edited { request: 7, seq: 2, .. }]));
}

#[test]
fn an_edit_is_answered_with_its_own_number() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    let edit = |request, update, expected| Input::Edit { request, doc: doc(), update, expected };
    world.input(edit(1, typed(7, 0, "a"), None));
    // The editor has not seen this, and must not be taken to have.
    world.update(ADA, &typed(1, 0, "b"));
    world.take_events();
    world.commit(2);
    assert!(matches!(world.take_events()[..], [Event::Edited { request: 1, seq: 1, .. }]));
    world.input(edit(2, typed(7, 1, "c"), Some((Epoch(1), 1))));
    let changed = |event: &Event| matches!(event, Event::RequestFailed { request: 2, error: RequestError::Changed });
    assert!(world.take_events().iter().any(changed));
}

#[test]
fn a_read_names_the_state_that_an_edit_may_expect() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.take_events();
    world.input(Input::Read { request: 1, doc: doc() });
    let Some(Event::State { epoch, seq, parts, .. }) = world.take_events().pop() else { panic!("expected a state") };
    assert_eq!(parts, [typed(1, 0, "a")]);
    let update = typed_after(7, 0, Some((1, 0)), "!");
    world.input(Input::Edit { request: 2, doc: doc(), update, expected: Some((epoch, seq)) });
    world.commit(2);
    assert!(world.take_events().iter().any(|event| matches!(event, Event::Edited { request: 2, .. })));
}

#[test]
fn a_document_that_nobody_follows_is_read_for_a_request() {
    let mut world = World::new(Limits::default());
    world.input(Input::Read { request: 1, doc: doc() });
    assert!(matches!(world.take_events()[..], [Event::Load { .. }]));
    world.load(None);
    assert!(matches!(&world.take_events()[..], [Event::State { request: 1, parts, .. }] if parts.is_empty()));
    world.pass(Duration::from_secs(60));
    assert!(matches!(world.take_events()[..], [Event::Idle { .. }]));
}

#[test]
fn only_what_nobody_is_told_of_may_wait_for_the_disk() {
    let is_awaited = |world: &mut World| {
        let events = world.take_events();
        let mut appends = events.into_iter().filter_map(|event| match event {
            Event::Append { is_awaited, .. } => Some(is_awaited),
            _ => None,
        });
        appends.next().unwrap()
    };
    for (dialect, expected) in [(Dialect::Plain, false), (Dialect::Hocuspocus, true), (Dialect::Native, true)] {
        let mut world = World::open();
        world.join(ADA, Dialect::Plain);
        world.update(ADA, &typed(1, 0, "a"));
        assert!(!is_awaited(&mut world), "there are clients of y-websocket alone");
        world.join(BOB, dialect);
        world.update(BOB, &typed(2, 0, "b"));
        assert_eq!(is_awaited(&mut world), expected, "{dialect:?}");
    }
}
