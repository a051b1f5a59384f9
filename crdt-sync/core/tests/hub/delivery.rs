//! Who is sent what, and when.
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::{Access, ConnectionId, Epoch, FollowerId};
use stoa_crdt_sync_core::update::{StateVector, Update};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, RefuseCode, ServerMessage, Storage};
use stoa_crdt_sync_core::{Attach, Dialect, Event, Input, Limits};

use crate::support::*;

#[test]
fn fan_out_does_not_wait_for_the_commit() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Plain);
    world.update(ADA, &typed(1, 0, "a"));
    assert_eq!(world.take_updates(BOB), [typed(1, 0, "a")]);
    assert_eq!(world.take_appended(), [(1, typed(1, 0, "a"))]);
}

#[test]
fn an_update_is_never_echoed() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    assert_eq!(world.take(ADA), []);
}

#[test]
fn many_get_one_transmit() {
    let mut world = World::open();
    for id in 100..150 {
        world.join(FollowerId(id), Dialect::Native);
    }
    world.join(ADA, Dialect::Native);
    world
        .hub
        .handle_input(Input::Message { follower: ADA, message: ClientMessage::Update(typed(1, 0, "a")) }, world.now);
    let transmits: Vec<_> = std::iter::from_fn(|| world.hub.poll_transmit()).collect();
    assert_eq!(transmits.len(), 1);
    assert_eq!(transmits[0].to.iter().count(), 50);
    assert!(transmits[0].to.iter().all(|follower| follower != ADA));
}

#[test]
fn an_ack_comes_only_after_the_commit() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.update(ADA, &typed(1, 1, "b"));
    assert_eq!(world.take(ADA), []);
    world.commit(1);
    assert!(world.take(ADA).contains(&ack(1)));
    world.commit(2);
    assert!(world.take(ADA).contains(&ack(2)));
}

#[test]
fn acks_are_cumulative_and_in_order() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.commit(1);
    world.take(ADA);
    world.update(ADA, &typed(1, 1, "b"));
    // A duplicate of what is committed, behind one that is not: it must not be acknowledged first.
    world.update(ADA, &typed(1, 0, "a"));
    assert_eq!(world.take(ADA), []);
    world.commit(2);
    let acks: Vec<_> =
        world.take(ADA).into_iter().filter(|message| matches!(message, ServerMessage::Ack { .. })).collect();
    assert_eq!(acks, [ack(3)]);
}

#[test]
fn hocuspocus_is_told_once_for_each_update() {
    let mut world = World::open();
    world.join(ADA, Dialect::Hocuspocus);
    for clock in 0..3 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.commit(3);
    assert_eq!(world.take(ADA), vec![ServerMessage::SyncStatus { is_saved: true }; 3]);
}

#[test]
fn a_duplicate_is_not_appended_again_and_waits_for_its_copy() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.take_appended();
    world.update(BOB, &typed(1, 0, "a"));
    assert_eq!(world.take_appended(), []);
    assert!(!world.take(BOB).contains(&ack(1)));
    world.commit(1);
    assert!(world.take(BOB).contains(&ack(1)));
    assert_eq!(world.hub.stats().duplicates, 1);
}

#[test]
fn a_duplicate_of_what_is_committed_is_acknowledged_at_once() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.commit(1);
    // Something else is on its way: it does not concern the duplicate.
    world.update(ADA, &typed(1, 1, "b"));
    world.take(BOB);
    world.update(BOB, &typed(1, 0, "a"));
    assert_eq!(world.take(BOB), [ack(1)]);
}

#[test]
fn known_structs_with_unknown_deletes_are_no_duplicate() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "abc"));
    world.take_appended();
    world.update(ADA, &deleted(1, 1, 1));
    assert_eq!(world.take_appended(), [(2, deleted(1, 1, 1))]);
    world.update(ADA, &deleted(1, 1, 1));
    assert_eq!(world.take_appended(), []);
    assert_eq!(world.take_updates(WATCHER), [] as [Bytes; 0], "who never asked gets no updates");
}

#[test]
fn a_step_1_is_answered_by_step_2_awareness_and_step_1() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "abc"));
    world.update(ADA, &deleted(1, 1, 1));
    world.say(ADA, states(&[(1, 0, "{}")]));
    for dialect in [Dialect::Native, Dialect::Plain, Dialect::Hocuspocus] {
        world.attach(attach(BOB, dialect));
        world.take(BOB);
        world.say(BOB, step_1(&StateVector::new()));
        let messages = world.take(BOB);
        assert!(matches!(messages[0], ServerMessage::Step2(_)), "{messages:?}");
        assert_eq!(messages[1], told(&[(1, 0, "{}")]));
        assert!(matches!(messages[2], ServerMessage::Step1(_)), "{messages:?}");
        assert_eq!(messages.len(), 3);
        assert_eq!(asked(&messages).unwrap().get(1), 3);
    }
}

#[test]
fn step_2_has_what_the_asker_lacks_and_all_deletes() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "abc"));
    world.update(ADA, &deleted(1, 1, 1));
    world.update(ADA, &typed(1, 3, "d"));
    world.attach(attach(BOB, Dialect::Native));
    let step_2 = |world: &mut World, clock| {
        world.say(BOB, step_1(&[(1, clock)].into_iter().collect()));
        answered(&world.take(BOB)).unwrap()
    };
    let update = step_2(&mut world, 3);
    assert_eq!(update.authors().collect::<Vec<_>>(), [(1, 3..4)]);
    assert!(update.deletes().contains(1, 1));
    // Who has every struct is still told the deletes: a vector says nothing about them.
    let update = step_2(&mut world, 4);
    assert_eq!(update.authors().count(), 0);
    assert!(update.deletes().contains(1, 1));
}

#[test]
fn step_2_is_sent_even_when_empty() {
    let mut world = World::open();
    world.attach(attach(ADA, Dialect::Plain));
    world.say(ADA, step_1(&StateVector::new()));
    assert!(answered(&world.take(ADA)).unwrap().is_empty());
}

#[test]
fn an_update_between_open_and_step_1_is_in_step_2() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.attach(attach(BOB, Dialect::Native));
    world.take(BOB);
    world.update(ADA, &typed(1, 0, "a"));
    assert_eq!(world.take(BOB), []);
    world.say(BOB, step_1(&StateVector::new()));
    assert_eq!(answered(&world.take(BOB)).unwrap().authors().collect::<Vec<_>>(), [(1, 0..1)]);
}

fn reader(dialect: Dialect) -> Attach {
    Attach { access: Access::Read, ..attach(BOB, dialect) }
}

#[test]
fn a_reader_is_not_asked_and_its_updates_are_refused() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.commit(1);
    world.attach(reader(Dialect::Native));
    world.say(BOB, step_1(&StateVector::new()));
    let messages = world.take(BOB);
    assert!(asked(&messages).is_none());
    assert!(answered(&messages).is_some());
    world.take_appended();
    world.update(BOB, &typed(2, 0, "x"));
    let refused = ServerMessage::Refused { number: 1, code: RefuseCode::ReadOnly };
    assert_eq!(world.take(BOB), [refused, ack(1)]);
    assert_eq!(world.take_appended(), []);
    assert_eq!(world.take_updates(ADA), [] as [Bytes; 0]);
}

#[test]
fn a_step_2_of_a_reader_that_brings_nothing_is_not_refused() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.commit(1);
    world.join_as(reader(Dialect::Native));
    world.say(BOB, ClientMessage::Step2(Bytes::from_static(&[0, 0])));
    assert_eq!(world.take(BOB), [ack(1)]);
    world.say(BOB, ClientMessage::Step2(typed(1, 0, "a")));
    assert_eq!(world.take(BOB), [ack(2)]);
}

#[test]
fn a_reading_hocuspocus_provider_counts_down_to_zero() {
    let mut world = World::open();
    world.attach(reader(Dialect::Hocuspocus));
    world.say(BOB, step_1(&StateVector::new()));
    assert!(asked(&world.take(BOB)).is_some(), "the provider waits for the answer to its step 2");
    world.say(BOB, ClientMessage::Step2(Bytes::from_static(&[0, 0])));
    assert_eq!(world.take(BOB), [ServerMessage::SyncStatus { is_saved: true }]);
    world.update(BOB, &typed(2, 0, "x"));
    assert_eq!(world.take(BOB), [ServerMessage::SyncStatus { is_saved: false }]);
}

#[test]
fn rights_may_change() {
    let mut world = World::open();
    world.join_as(reader(Dialect::Native));
    world.input(Input::SetAccess { follower: BOB, access: Access::Write });
    let messages = world.take(BOB);
    assert_eq!(messages[0], ServerMessage::Access(Access::Write));
    assert!(asked(&messages).is_some(), "who may write now is asked for what it wrote before");
    world.update(BOB, &typed(2, 0, "x"));
    assert_eq!(world.take_appended().len(), 1);
    world.input(Input::SetAccess { follower: BOB, access: Access::Read });
    world.update(BOB, &typed(2, 1, "y"));
    assert_eq!(world.take_appended(), []);
}

#[test]
fn a_native_follower_is_told_epoch_rights_and_what_is_durable() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "abc"));
    world.update(ADA, &deleted(1, 0, 1));
    world.commit(2);
    world.update(ADA, &typed(1, 3, "d"));
    world.update(ADA, &deleted(1, 1, 1));
    world.attach(attach(BOB, Dialect::Native));
    let messages = world.take(BOB);
    let opened = ServerMessage::Opened { epoch: Epoch::FIRST, access: Access::Write, storage: Storage::Well };
    let durable = |vector: &[(u64, u64)], deletes: Bytes| ServerMessage::Durable {
        vector: vector.iter().copied().collect::<StateVector>().encode().into(),
        deletes: deletes.slice(1..),
    };
    assert_eq!(messages, [opened, durable(&[(1, 3)], deleted(1, 0, 1))]);
    world.commit(3);
    assert_eq!(world.take(BOB), [durable(&[(1, 4)], Bytes::from_static(&[0, 0]))]);
    world.commit(4);
    assert_eq!(world.take(BOB), [durable(&[], deleted(1, 1, 1))]);
    assert_eq!(world.take(ADA).last(), Some(&ack(4)));
}

#[test]
fn too_large_malformed_and_full_are_refused() {
    let mut world = World::open_with(Limits { update_bytes: 100, document_bytes: 150, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    let text = "x".repeat(70);
    let refused = |number, code| ServerMessage::Refused { number, code };
    world.update(ADA, &typed(1, 0, &text));
    world.update(ADA, &typed(1, 70, &"x".repeat(100)));
    assert_eq!(world.take(ADA), [refused(2, RefuseCode::TooLarge)]);
    world.say(ADA, ClientMessage::TooLarge);
    assert_eq!(world.take(ADA), [refused(3, RefuseCode::TooLarge)]);
    world.update(ADA, &typed(1, 70, &text));
    assert_eq!(world.take(ADA), [refused(4, RefuseCode::TooLarge)]);
    world.update(ADA, &Bytes::from_static(b"\x01\x01nonsense"));
    assert_eq!(world.take(ADA), [refused(5, RefuseCode::Malformed)]);
    world.input(Input::Quota { is_full: true });
    world.update(ADA, &typed(1, 70, "y"));
    assert_eq!(world.take(ADA), [refused(6, RefuseCode::Quota)]);
    world.update(ADA, &typed(1, 0, "x"));
    assert_eq!(world.take(ADA), [], "a duplicate needs no room");
    world.input(Input::Quota { is_full: false });
    world.update(ADA, &typed(1, 70, "y"));
    assert_eq!(world.take_appended().len(), 2);
    world.commit(2);
    assert!(world.take(ADA).contains(&ack(8)));
}

#[test]
fn stock_clients_are_refused_in_their_own_words() {
    let mut world = World::open();
    world.join_as(reader(Dialect::Plain));
    world.update(BOB, &typed(2, 0, "x"));
    assert_eq!(world.take(BOB), [ServerMessage::Refused { number: 1, code: RefuseCode::ReadOnly }]);
    world.join(CAROL, Dialect::Plain);
    world.update(CAROL, &Bytes::from_static(b"nonsense"));
    assert_eq!(world.take(CAROL), [closed(CloseCode::Malformed)]);
    world.join(ADA, Dialect::Hocuspocus);
    world.update(ADA, &Bytes::from_static(b"nonsense"));
    assert_eq!(world.take(ADA), [ServerMessage::SyncStatus { is_saved: false }]);
}

#[test]
fn messages_wait_while_the_document_is_read() {
    let mut world = World::new(Limits { waiting_messages: 3, ..Limits::default() });
    world.attach(attach(ADA, Dialect::Plain));
    world.attach(attach(BOB, Dialect::Plain));
    world.say(ADA, step_1(&StateVector::new()));
    world.update(ADA, &typed(1, 0, "a"));
    for _ in 0..4 {
        world.say(BOB, ClientMessage::QueryAwareness);
    }
    assert_eq!(world.take(BOB), [closed(CloseCode::Unavailable)]);
    assert_eq!(world.take(ADA), []);
    world.load(None);
    assert!(answered(&world.take(ADA)).is_some());
    assert_eq!(world.state().0.get(1), 1);
}

#[test]
fn who_cannot_be_served_comes_again() {
    let mut world = World::new(Limits::default());
    world.attach(attach(ADA, Dialect::Native));
    world.input(Input::Read { request: 7, doc: doc() });
    world.input(Input::Loaded { doc: doc(), result: Err("bad disk".into()) });
    assert_eq!(world.take(ADA), [closed(CloseCode::Unavailable)]);
    assert!(world.events.iter().any(|event| matches!(event, Event::RequestFailed { request: 7, .. })));
    assert_eq!(world.hub.stats().documents, 0);
    world.take_events();
    world.attach(attach(ADA, Dialect::Native));
    assert!(matches!(world.events[..], [Event::Load { .. }]));
}

#[test]
fn followers_and_documents_are_bounded() {
    let mut world = World::open_with(Limits { followers: 2, connection_documents: 1, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    world.attach(attach(BOB, Dialect::Native));
    assert_eq!(world.take(BOB), [closed(CloseCode::TooMany)]);
    let mut second = attach(CAROL, Dialect::Native);
    second.connection = ConnectionId(ADA.0);
    second.doc = stoa_base_types::DocName::new("other").unwrap();
    world.attach(second.clone());
    assert_eq!(world.take(CAROL), [closed(CloseCode::TooMany)]);
    world.input(Input::Detach { follower: ADA });
    world.attach(second);
    assert_eq!(world.take(CAROL), []);
    assert_eq!(world.hub.stats().followers, 2);
}

#[test]
fn a_quiet_stock_client_is_told_something_every_15_seconds() {
    let mut world = World::open();
    world.join(ADA, Dialect::Plain);
    world.join(BOB, Dialect::Native);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.take(ADA), []);
    world.update(BOB, &typed(1, 0, "a"));
    world.take(ADA);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.take(ADA), []);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.take(ADA), [told(&[])]);
    world.pass(Duration::from_secs(60));
    assert!((3..=5).contains(&world.take(ADA).len()));
    assert_eq!(world.take(BOB).len(), 0);
}

/// A world in which nothing is written, and a follower that is 1 KiB away from being slow.
fn with_slow_follower() -> World {
    let mut world = World::open_with(Limits { queue_bytes: 1_000, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    world.writes = false;
    world
}

/// The driver drops what it may, and has the rest written.
fn drain(world: &mut World) -> Vec<ServerMessage> {
    let messages = world.take(BOB);
    for message in &messages {
        world.hub.handle_input(Input::Written { follower: BOB, cost: message.cost() }, world.now);
    }
    world.poll();
    messages.into_iter().filter(|message| !message.is_droppable()).collect()
}

#[test]
fn a_slow_follower_is_sent_what_it_missed() {
    let mut world = with_slow_follower();
    for clock in 0..100 {
        world.update(ADA, &typed(1, clock, "a"));
        world.take(ADA);
        world.input(Input::Written { follower: ADA, cost: 1 << 20 });
    }
    world.say(ADA, states(&[(1, 0, "{}")]));
    assert!(world.events.iter().any(|event| matches!(event, Event::DropQueue { follower: BOB })));
    assert!(world.inboxes[&BOB].len() < 20, "nothing more is queued");
    assert_eq!(drain(&mut world), []);
    let missed = world.take(BOB);
    let ServerMessage::Update(update) = &missed[0] else { panic!("expected one update: {missed:?}") };
    assert_eq!(Update::read(update.clone()).unwrap().authors().collect::<Vec<_>>(), [(1, 0..100)]);
    assert_eq!(missed[1], told(&[(1, 0, "{}")]));
    assert!(matches!(missed[2], ServerMessage::Durable { .. }));
    assert_eq!(missed.len(), 3);
    world.update(ADA, &typed(1, 100, "a"));
    assert_eq!(world.take_updates(BOB), [typed(1, 100, "a")]);
    assert_eq!(world.hub.stats().slow_followers, 1);
}

#[test]
fn what_was_written_before_is_not_sent_again() {
    let mut world = with_slow_follower();
    for clock in 0..5 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    drain(&mut world);
    for clock in 5..25 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    drain(&mut world);
    let ServerMessage::Update(update) = world.take(BOB).remove(0) else { panic!("expected an update") };
    let (_, clocks) = Update::read(update).unwrap().authors().next().unwrap();
    assert!((1..=5).contains(&clocks.start), "{clocks:?}");
    assert_eq!(clocks.end, 25);
}

#[test]
fn a_follower_that_becomes_slow_amid_released_updates_misses_none() {
    let mut world = with_slow_follower();
    // Held until their beginning comes; then all are handed on at once, and too much for Bob.
    for clock in 1..20 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.join(CAROL, Dialect::Native);
    world.update(CAROL, &typed(1, 0, "a"));
    // He has written only the first of them when the queue is dropped.
    let first = world.inboxes.get_mut(&BOB).unwrap().remove(0);
    world.input(Input::Written { follower: BOB, cost: first.cost() });
    for clock in 20..40 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    assert!(world.events.iter().any(|event| matches!(event, Event::DropQueue { follower: BOB })));
    drain(&mut world);
    let ServerMessage::Update(update) = world.take(BOB).remove(0) else { panic!("expected an update") };
    let (_, clocks) = Update::read(update).unwrap().authors().next().unwrap();
    assert!(clocks.start <= 1, "{clocks:?}");
}

#[test]
fn acks_of_a_slow_follower_wait_and_refusals_do_not() {
    let mut world = with_slow_follower();
    for clock in 0..60 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    world.update(BOB, &typed(2, 0, "b"));
    world.update(BOB, &Bytes::from_static(b"nonsense"));
    world.commit(61);
    let refused = ServerMessage::Refused { number: 2, code: RefuseCode::Malformed };
    assert_eq!(drain(&mut world), [refused]);
    assert!(world.take(BOB).contains(&ack(2)));
}

#[test]
fn a_slow_follower_that_asks_gets_one_answer() {
    let mut world = with_slow_follower();
    for clock in 0..60 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    for _ in 0..50 {
        world.say(BOB, step_1(&[(1, 7)].into_iter().collect()));
    }
    assert_eq!(drain(&mut world), []);
    let messages = world.take(BOB);
    assert_eq!(messages.iter().filter(|message| matches!(message, ServerMessage::Step2(_))).count(), 1);
    assert_eq!(answered(&messages).unwrap().authors().collect::<Vec<_>>(), [(1, 7..60)]);
}

/// Not even one that kept up until then makes the server queue answers without end.
#[test]
fn who_asks_and_asks_and_reads_nothing_gets_few_answers() {
    let mut world = World::open_with(Limits { queue_bytes: 2_000, ..Limits::default() }, None);
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, &"a".repeat(500)));
    world.attach(attach(BOB, Dialect::Native));
    world.writes = false;
    for _ in 0..50 {
        world.say(BOB, step_1(&StateVector::new()));
    }
    let answers = world.take(BOB).iter().filter(|message| matches!(message, ServerMessage::Step2(_))).count();
    assert!((1..=5).contains(&answers), "{answers} answers");
    assert_eq!(world.hub.stats().slow_followers, 1);
}

#[test]
fn a_slow_follower_that_goes_on_sending_nonsense_is_closed() {
    let mut world = with_slow_follower();
    for clock in 0..60 {
        world.update(ADA, &typed(1, clock, "a"));
    }
    for _ in 0..2_000 {
        world.update(BOB, &Bytes::from_static(b"nonsense"));
    }
    assert_eq!(world.take(BOB).last(), Some(&closed(CloseCode::Unavailable)));
    assert_eq!(world.hub.stats().followers, 2);
}

#[test]
fn a_step_2_larger_than_the_queue_is_not_dropped() {
    let mut world = with_slow_follower();
    world.update(ADA, &typed(1, 0, &"x".repeat(5_000)));
    drain(&mut world);
    drain(&mut world);
    world.take(BOB);
    world.attach(attach(CAROL, Dialect::Native));
    world.say(CAROL, step_1(&StateVector::new()));
    world.update(ADA, &typed(1, 5_000, "y"));
    world.update(ADA, &typed(1, 5_001, "z"));
    let messages = world.take(CAROL);
    assert_eq!(answered(&messages).unwrap().authors().collect::<Vec<_>>(), [(1, 0..5_000)]);
    let kept: usize = messages.iter().map(ServerMessage::cost).sum();
    world.input(Input::Written { follower: CAROL, cost: kept });
    let ServerMessage::Update(update) = world.take(CAROL).remove(0) else { panic!("expected an update") };
    assert_eq!(Update::read(update).unwrap().authors().collect::<Vec<_>>(), [(1, 5_000..5_002)]);
}

#[test]
fn draining_sends_everybody_away_and_ends_when_all_is_committed() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.update(ADA, &typed(1, 0, "a"));
    world.input(Input::Drain);
    assert_eq!(world.take(ADA), [closed(CloseCode::Restarting)]);
    assert!(!world.events.iter().any(|event| matches!(event, Event::Drained)));
    world.attach(attach(BOB, Dialect::Native));
    assert_eq!(world.take(BOB), [closed(CloseCode::Restarting)]);
    world.commit(1);
    let ends: Vec<_> = world.take_events().into_iter().rev().take(2).collect();
    assert!(matches!(ends[..], [Event::Drained, Event::Idle { .. }]), "{ends:?}");
}
