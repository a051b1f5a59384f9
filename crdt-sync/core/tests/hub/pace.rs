//! Many followers are written to once for what comes within a moment.

use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::FollowerId;
use stoa_crdt_sync_core::update::{StateVector, Update};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Dialect, Input, Limits};

use crate::support::{
    ADA, BOB, CAROL, WATCHER, World, ack, answered, attach, closed, content, deleted, doc, states, step_1, told, typed,
};

const PAUSE: Duration = Duration::from_millis(30);
const MOMENT: Duration = Duration::from_millis(10);

fn limits() -> Limits {
    Limits { unpaced_followers: 3, pause_each: Duration::from_millis(10), pause_most: PAUSE, ..Limits::default() }
}

/// Four followers, one more than are told at once; one of them is silent.
fn crowd(limits: Limits) -> World {
    let mut world = World::open_with(limits, None);
    for follower in [ADA, BOB, CAROL] {
        world.join(follower, Dialect::Native);
    }
    world
}

fn knows(updates: &[Bytes], whole: &[Bytes]) -> bool {
    content(updates) == content(whole)
}

#[test]
fn what_comes_within_a_moment_is_told_as_one() {
    let mut world = crowd(limits());
    let typed: Vec<_> = (0..5).map(|clock| typed(7, clock, "x")).collect();
    world.update(ADA, &typed[0]);
    assert_eq!(world.take_updates(BOB), typed[..1], "the first is told at once");
    for update in &typed[1..3] {
        world.pass(MOMENT);
        world.update(ADA, update);
    }
    assert!(world.take_updates(BOB).is_empty());
    world.pass(PAUSE - 2 * MOMENT);
    let told = [BOB, CAROL].map(|follower| world.take_updates(follower));
    assert!(told[0].len() == 1 && knows(&told[0], &typed[1..3]), "{told:?}");
    assert!(told[1].len() == 2 && told[1][1] == told[0][0], "{told:?}");
    world.update(ADA, &typed[3]);
    assert!(world.take_updates(BOB).is_empty(), "they were written to just now");
    world.pass(PAUSE);
    assert_eq!(world.take_updates(BOB), typed[3..4]);
    assert!(world.take_updates(ADA).is_empty(), "who wrote it is not told");
    assert!(world.take_updates(WATCHER).is_empty(), "who did not ask is not told");
    world.pass(PAUSE);
    world.update(ADA, &typed[4]);
    assert_eq!(world.take_updates(BOB), typed[4..], "after a quiet time at once again");
}

#[test]
fn a_few_are_told_at_once() {
    let mut world = crowd(Limits { unpaced_followers: 4, ..limits() });
    for clock in 0..3 {
        let update = typed(7, clock, "x");
        world.update(ADA, &update);
        assert_eq!(world.take_updates(BOB), [update]);
    }
}

#[test]
fn who_wrote_a_part_of_it_is_told_all() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "begin"));
    let (adas, bobs) = (typed(7, 5, "ada"), typed(8, 0, "bob"));
    world.update(ADA, &adas);
    world.update(BOB, &bobs);
    world.update(BOB, &deleted(7, 0, 2));
    for follower in [ADA, BOB, CAROL] {
        world.take(follower);
    }
    world.pass(PAUSE);
    for follower in [ADA, BOB, CAROL] {
        let told = world.take_updates(follower);
        assert_eq!(told.len(), 1);
        assert!(knows(&told, &[adas.clone(), bobs.clone(), deleted(7, 0, 2)]), "{follower:?}");
    }
}

#[test]
fn acknowledgements_do_not_wait_but_notices_and_awareness_do() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "x"));
    world.say(BOB, states(&[(8, 1, "{}")]));
    world.commit(1);
    let messages = world.take(ADA);
    assert_eq!(messages, [ack(1)]);
    assert!(world.take(CAROL).iter().all(|message| matches!(message, ServerMessage::Update(_))));
    world.pass(PAUSE);
    let messages = world.take(CAROL);
    assert!(messages.contains(&told(&[(8, 1, "{}")])), "{messages:?}");
    assert!(messages.iter().any(|message| matches!(message, ServerMessage::Durable { .. })), "{messages:?}");
    // They are writes like others: what follows waits.
    world.update(ADA, &typed(7, 1, "y"));
    assert!(world.take_updates(CAROL).is_empty());
    world.pass(PAUSE);
    assert_eq!(world.take_updates(CAROL).len(), 1);
}

#[test]
fn much_does_not_wait_and_does_not_overtake() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "x"));
    world.update(ADA, &typed(7, 1, "y"));
    world.take(BOB);
    let large = typed(7, 2, &"z".repeat(20_000));
    world.update(ADA, &large);
    let told = world.take_updates(BOB);
    assert!(told.len() == 1 && knows(&told, &[typed(7, 1, "y"), large]));
}

#[test]
fn who_asks_meanwhile_has_it_in_step_2() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "x"));
    world.update(ADA, &typed(7, 1, "y"));
    let late = FollowerId(4);
    world.attach(attach(late, Dialect::Plain));
    world.say(late, step_1(&StateVector::new()));
    let step_2 = answered(&world.take(late)).unwrap();
    assert_eq!(step_2.authors().collect::<Vec<_>>(), [(7, 0..2)]);
}

/// What waits was handed to nobody, whatever else is sent meanwhile.
#[test]
fn a_follower_that_becomes_slow_meanwhile_misses_nothing() {
    let mut world = crowd(Limits { queue_bytes: 2_000, ..limits() });
    world.update(ADA, &typed(7, 0, "x"));
    world.take(BOB);
    // Something waits, other things are sent and read, and then it is too much.
    world.update(ADA, &typed(7, 1, "y"));
    world.say(BOB, ClientMessage::QueryAwareness);
    world.writes = false;
    for clock in 2..5 {
        world.update(ADA, &typed(7, clock, "z"));
    }
    let large = typed(7, 5, &"w".repeat(17_000));
    world.update(ADA, &large);
    let slow = world.hub.stats().slow_followers;
    assert!(slow >= 2, "BOB and CAROL");
    let in_flight: usize = world.take(BOB).iter().map(ServerMessage::cost).sum();
    world.writes = true;
    world.input(Input::Written { follower: BOB, cost: in_flight });
    let missed = world.take_updates(BOB);
    let first = missed.iter().flat_map(|update| Update::read(update.clone()).unwrap().authors().collect::<Vec<_>>());
    assert_eq!(first.map(|(_, clocks)| clocks.start).min(), Some(1), "what waited is among what is sent again");
}

#[test]
fn a_drain_tells_before_it_closes() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "x"));
    world.update(ADA, &typed(7, 1, "y"));
    world.take(BOB);
    world.input(Input::Drain);
    assert_eq!(world.take(BOB), [ServerMessage::Update(typed(7, 1, "y")), closed(CloseCode::Restarting)]);
}

#[test]
fn what_waits_goes_with_an_erasure() {
    let mut world = crowd(limits());
    world.update(ADA, &typed(7, 0, "x"));
    world.update(ADA, &typed(7, 1, "y"));
    world.input(Input::Erase { request: 1, doc: doc() });
    for follower in [ADA, BOB, CAROL] {
        world.join(follower, Dialect::Native);
    }
    world.pass(2 * PAUSE);
    assert!(world.take_updates(BOB).is_empty());
}
