//! Updates that come before what they depend on.
use bytes::Bytes;
use stoa_base_types::Epoch;
use stoa_crdt_sync_core::update::{StateVector, Update};
use stoa_crdt_sync_core::wire::{ClientMessage, RefuseCode, ServerMessage};
use stoa_crdt_sync_core::{Dialect, Limits, Stored};

use crate::support::*;

fn with_three() -> World {
    with_three_and(Limits::default())
}

fn with_three_and(limits: Limits) -> World {
    let mut world = World::open_with(limits, None);
    for follower in [ADA, BOB, CAROL] {
        world.join(follower, Dialect::Native);
    }
    world.take_events();
    world
}

#[test]
fn an_update_with_a_gap_is_committed_and_acknowledged_but_not_handed_on() {
    let mut world = with_three();
    world.update(ADA, &typed(1, 1, "b"));
    assert_eq!(world.take_appended(), [(1, typed(1, 1, "b"))]);
    assert_eq!(world.take(BOB), []);
    let messages = world.take(ADA);
    assert_eq!(asked(&messages), Some(StateVector::new()), "its sender is asked, with what is known");
    world.commit(1);
    assert_eq!(world.take(ADA), [ack(1)]);
    assert_eq!(world.take(BOB), [], "what is held is not durable in the vector");
    world.say(BOB, step_1(&StateVector::new()));
    let messages = world.take(BOB);
    assert!(answered(&messages).unwrap().is_empty());
    assert_eq!(asked(&messages), Some(StateVector::new()), "nor is it advertised");
    assert_eq!(world.hub.stats().held_updates, 1);
}

#[test]
fn a_sender_is_asked_once_until_it_answers() {
    let mut world = with_three();
    world.update(ADA, &typed(1, 1, "b"));
    world.update(ADA, &typed(1, 2, "c"));
    world.update(ADA, &typed(1, 3, "d"));
    let questions = |messages: Vec<ServerMessage>| {
        messages.iter().filter(|message| matches!(message, ServerMessage::Step1(_))).count()
    };
    assert_eq!(questions(world.take(ADA)), 1);
    // It lacks the same. To ask again would never end.
    world.say(ADA, ClientMessage::Step2(typed(1, 1, "b")));
    assert_eq!(questions(world.take(ADA)), 0);
    world.update(ADA, &typed(1, 4, "e"));
    assert_eq!(questions(world.take(ADA)), 1);
}

#[test]
fn when_the_gap_closes_all_is_released_in_causal_order() {
    let mut world = with_three();
    // Carol's text stands behind Bob's, Bob's second word behind his first.
    world.update(CAROL, &typed_after(3, 0, Some((2, 1)), "c"));
    world.update(BOB, &typed(2, 1, "b"));
    world.update(CAROL, &deleted(3, 0, 1));
    assert_eq!(world.take_updates(ADA), [] as [Bytes; 0]);
    world.update(BOB, &typed(2, 0, "a"));
    let expected = [typed(2, 0, "a"), typed(2, 1, "b"), typed_after(3, 0, Some((2, 1)), "c"), deleted(3, 0, 1)];
    assert_eq!(world.take_updates(ADA), expected);
    assert_eq!(world.hub.stats().held_updates, 0);
}

#[test]
fn released_updates_are_not_sent_to_those_who_sent_them() {
    let mut world = with_three();
    world.update(ADA, &typed(2, 1, "b"));
    world.update(CAROL, &typed(2, 1, "b"));
    world.update(BOB, &typed(2, 0, "a"));
    assert_eq!(world.take_updates(ADA), [typed(2, 0, "a")]);
    assert_eq!(world.take_updates(CAROL), [typed(2, 0, "a")]);
    assert_eq!(world.take_updates(BOB), [typed(2, 1, "b")]);
    assert_eq!(world.take_appended().len(), 2, "what is held already is not appended again");
}

#[test]
fn a_copy_of_a_held_update_is_acknowledged_with_it() {
    let mut world = with_three();
    world.update(ADA, &typed(2, 1, "b"));
    world.update(CAROL, &typed(2, 1, "b"));
    assert!(!world.take(CAROL).contains(&ack(1)));
    world.commit(1);
    assert!(world.take(CAROL).contains(&ack(1)));
}

#[test]
fn a_copy_of_something_held_and_something_known_waits_for_both() {
    let mut world = with_three();
    world.update(ADA, &typed(2, 1, "b"));
    world.update(ADA, &typed(1, 0, "a"));
    let mut both = vec![2];
    both.extend_from_slice(&typed(2, 1, "b")[1..]);
    both.pop();
    both.extend_from_slice(&typed(1, 0, "a")[1..]);
    world.update(CAROL, &both.into());
    world.take(CAROL);
    world.commit(1);
    assert!(!world.take(CAROL).contains(&ack(1)));
    world.commit(2);
    assert!(world.take(CAROL).contains(&ack(1)));
    assert_eq!(world.take_appended().len(), 2);
}

#[test]
fn the_ready_part_of_an_update_goes_on_at_once() {
    let mut world = with_three();
    // One update of two authors: the text of 1 can be read, that of 2 stands behind something unknown.
    let mut both = vec![2];
    both.extend_from_slice(&typed_after(2, 0, Some((9, 0)), "x")[1..]);
    both.pop();
    both.extend_from_slice(&typed(1, 0, "a")[1..]);
    world.update(ADA, &both.clone().into());
    assert_eq!(world.take_updates(BOB), [typed(1, 0, "a")]);
    assert_eq!(world.take_appended(), [(1, both.into())], "it is logged as it came");
    world.update(CAROL, &typed(9, 0, "c"));
    assert_eq!(world.take_updates(BOB), [typed(9, 0, "c"), typed_after(2, 0, Some((9, 0)), "x")]);
    assert_eq!(world.state().0, [(1, 1), (2, 1), (9, 1)].into_iter().collect());
}

#[test]
fn deletes_of_unknown_units_are_held() {
    let mut world = with_three();
    world.update(ADA, &deleted(2, 0, 2));
    assert_eq!(world.take_updates(BOB), [] as [Bytes; 0]);
    world.update(BOB, &typed(2, 0, "a"));
    assert_eq!(world.take_updates(CAROL), [typed(2, 0, "a"), deleted(2, 0, 1)]);
    world.update(BOB, &typed(2, 1, "b"));
    assert_eq!(world.take_updates(CAROL), [typed(2, 1, "b"), deleted(2, 1, 1)]);
}

#[test]
fn what_is_released_is_durable_when_what_released_it_is() {
    let mut world = with_three();
    world.update(ADA, &typed(1, 1, "b"));
    world.commit(1);
    world.update(ADA, &typed(1, 0, "a"));
    world.take(CAROL);
    world.commit(2);
    let vector: StateVector = [(1, 2)].into_iter().collect();
    let durable = ServerMessage::Durable { vector: vector.encode().into(), deletes: Bytes::from_static(&[0]) };
    assert_eq!(world.take(CAROL), [durable]);
}

#[test]
fn held_updates_are_bounded() {
    let mut world = with_three_and(Limits { held_updates: 2, ..Limits::default() });
    world.update(ADA, &typed(1, 1, "b"));
    world.update(ADA, &typed(1, 2, "c"));
    world.take(ADA);
    world.say(ADA, ClientMessage::Step2(Bytes::from_static(&[0, 0])));
    world.update(ADA, &typed(1, 3, "d"));
    let messages = world.take(ADA);
    assert!(messages.contains(&ServerMessage::Refused { number: 4, code: RefuseCode::TooManyHeld }));
    assert!(asked(&messages).is_some());
    assert_eq!(world.take_appended().len(), 2);
    // What has no gap is taken all the same, and makes room.
    world.say(ADA, ClientMessage::Step2(typed(1, 0, "abcd")));
    assert_eq!(world.state().0.get(1), 4);
    assert_eq!(world.hub.stats().held_updates, 0);
}

#[test]
fn who_is_refused_because_too_much_is_held_is_not_asked_for_ever() {
    let mut world = with_three_and(Limits { held_updates: 1, ..Limits::default() });
    world.update(ADA, &typed(1, 1, "b"));
    world.take(BOB);
    // Bob has something of Carol's that lacks its beginning, and cannot give that.
    let behind = typed(3, 1, "x");
    world.update(BOB, &behind);
    assert!(asked(&world.take(BOB)).is_some());
    world.say(BOB, ClientMessage::Step2(behind.clone()));
    assert!(asked(&world.take(BOB)).is_none());
    // When there is room, he is asked again.
    world.update(ADA, &typed(1, 0, "a"));
    assert!(asked(&world.take(BOB)).is_some());
    world.say(BOB, ClientMessage::Step2(behind));
    assert_eq!(world.hub.stats().held_updates, 1);
}

#[test]
fn what_is_ready_is_taken_even_if_the_rest_cannot_be_held() {
    let mut world = with_three_and(Limits { held_updates: 0, ..Limits::default() });
    let mut both = vec![2];
    both.extend_from_slice(&typed_after(2, 0, Some((9, 0)), "x")[1..]);
    both.pop();
    both.extend_from_slice(&typed(1, 0, "a")[1..]);
    world.say(ADA, ClientMessage::Step2(both.into()));
    assert!(world.take(ADA).contains(&ServerMessage::Refused { number: 1, code: RefuseCode::TooManyHeld }));
    assert_eq!(world.take_appended(), [(1, typed(1, 0, "a"))]);
    assert_eq!(world.take_updates(BOB), [typed(1, 0, "a")]);
}

#[test]
fn a_provider_that_is_asked_for_a_gap_does_not_take_later_changes_for_saved() {
    let mut world = World::open();
    world.attach(attach(ADA, Dialect::Hocuspocus));
    world.say(ADA, step_1(&StateVector::new()));
    world.say(ADA, ClientMessage::Step2(Bytes::from_static(&[0, 0])));
    let saved = |messages: Vec<ServerMessage>| {
        messages.iter().filter(|message| **message == ServerMessage::SyncStatus { is_saved: true }).count()
    };
    assert_eq!(saved(world.take(ADA)), 1);
    world.update(ADA, &typed(1, 1, "b"));
    assert!(asked(&world.take(ADA)).is_some());
    world.say(ADA, ClientMessage::Step2(typed(1, 0, "ab")));
    world.update(ADA, &typed(1, 2, "c"));
    world.commit(2);
    assert_eq!(saved(world.take(ADA)), 1, "the provider has counted one change, not its answer");
    world.commit(3);
    assert_eq!(saved(world.take(ADA)), 1);
}

#[test]
fn a_provider_that_begins_to_count_anew_is_not_told_of_what_was_before() {
    let mut world = World::open();
    world.join(ADA, Dialect::Hocuspocus);
    world.update(ADA, &typed(1, 0, "a"));
    world.update(ADA, &typed(1, 1, "b"));
    world.say(ADA, step_1(&StateVector::new()));
    world.take(ADA);
    world.commit(1);
    assert_eq!(world.take(ADA), []);
    // Twice: the one step 1 was answered by nobody.
    world.say(ADA, ClientMessage::Step2(Bytes::from_static(&[0, 0])));
    assert_eq!(world.take(ADA), []);
    world.commit(2);
    assert_eq!(world.take(ADA), [ServerMessage::SyncStatus { is_saved: true }]);
}

#[test]
fn held_bytes_are_bounded() {
    let mut world = with_three_and(Limits { held_bytes: 100, ..Limits::default() });
    world.update(ADA, &typed(1, 1, &"x".repeat(70)));
    world.update(ADA, &typed(1, 71, &"x".repeat(70)));
    assert!(world.take(ADA).contains(&ServerMessage::Refused { number: 2, code: RefuseCode::TooManyHeld }));
}

#[test]
fn held_updates_survive_a_restart() {
    let tail = vec![(1, typed(1, 1, "b")), (2, typed_after(3, 0, Some((1, 1)), "c")), (3, typed(5, 0, "e"))];
    let stored = Stored { epoch: Epoch(1), snapshot: None, tail, former_authors: vec![] };
    let mut world = World::open_with(Limits::default(), Some(stored));
    assert_eq!(world.hub.stats().held_updates, 2);
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    assert_eq!(world.state().0, [(5, 1)].into_iter().collect());
    world.update(ADA, &typed(1, 0, "a"));
    let expected = [typed(1, 0, "a"), typed(1, 1, "b"), typed_after(3, 0, Some((1, 1)), "c")];
    assert_eq!(world.take_updates(BOB), expected);
    let appended = world.take_appended();
    assert_eq!(appended, [(4, typed(1, 0, "a"))], "the log goes on where it ended");
}

#[test]
fn a_step_2_is_logged_without_the_deletes_that_are_known() {
    let mut world = with_three();
    world.update(ADA, &typed(1, 0, &"x".repeat(100)));
    let mut deletes = stoa_crdt_sync_core::update::DeleteSet::new();
    (0..40).for_each(|at| deletes.insert(1, at * 2..at * 2 + 1));
    let all = |deletes: &stoa_crdt_sync_core::update::DeleteSet| Bytes::from([&[0][..], &deletes.encode()].concat());
    world.update(ADA, &all(&deletes));
    world.take(BOB);
    world.take_events();
    deletes.insert(1, 81..82);
    world.say(CAROL, ClientMessage::Step2(all(&deletes)));
    assert_eq!(world.take_appended(), [(3, deleted(1, 81, 1))]);
    assert_eq!(world.take_updates(BOB), [deleted(1, 81, 1)]);
    assert!(world.state().1.contains_all(&Update::read(all(&deletes)).unwrap().deletes().clone()));
}
