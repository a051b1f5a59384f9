//! Cursors and names: who may speak for whom, and who is told.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stoa_base_types::{Access, FollowerId};
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Attach, Dialect, Input, Limits};

use crate::support::*;

fn with_three() -> World {
    let mut world = World::open();
    for follower in [ADA, BOB, CAROL] {
        world.join(follower, Dialect::Native);
    }
    world
}

fn known_as(follower: FollowerId, name: &str) -> Attach {
    Attach { identity: Some(Arc::from(name)), ..attach(follower, Dialect::Native) }
}

#[test]
fn a_state_is_told_to_the_others() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 0, r#"{"name":"Ada"}"#)]));
    assert_eq!(world.take(BOB), [told(&[(1, 0, r#"{"name":"Ada"}"#)])]);
    assert_eq!(world.take(ADA), []);
    world.say(CAROL, ClientMessage::QueryAwareness);
    assert_eq!(world.take(CAROL).last(), Some(&told(&[(1, 0, r#"{"name":"Ada"}"#)])));
}

#[test]
fn a_question_is_answered_even_if_nobody_is_there() {
    let mut world = with_three();
    world.say(ADA, ClientMessage::QueryAwareness);
    assert_eq!(world.take(ADA), [told(&[])]);
}

#[test]
fn states_of_one_turn_are_told_once_for_each_id() {
    let mut world = with_three();
    let say = |follower, entries: &[_]| Input::Message { follower, message: states(entries) };
    world.inputs([
        say(ADA, &[(1, 0, "{}")]),
        say(ADA, &[(1, 1, "[1]")]),
        say(BOB, &[(2, 0, "{}")]),
        say(ADA, &[(1, 2, "[2]")]),
    ]);
    assert_eq!(world.take(CAROL), [told(&[(1, 2, "[2]"), (2, 0, "{}")])]);
}

#[test]
fn a_reader_has_a_cursor() {
    let mut world = with_three();
    world.join_as(Attach { access: Access::Read, ..attach(BOB, Dialect::Native) });
    world.say(BOB, states(&[(2, 0, "{}")]));
    assert_eq!(world.take(ADA), [told(&[(2, 0, "{}")])]);
}

#[test]
fn foreign_ids_are_ignored_silently() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 0, "{}")]));
    world.say(BOB, states(&[(2, 0, "{}")]));
    for follower in [ADA, BOB, CAROL] {
        world.take(follower);
    }
    // An echo, a lie, and an attempt to remove.
    world.say(BOB, states(&[(1, 0, "{}")]));
    world.say(BOB, states(&[(1, 9, "[1]")]));
    world.say(BOB, states(&[(1, 10, "null")]));
    for follower in [ADA, BOB, CAROL] {
        assert_eq!(world.take(follower), []);
    }
    assert_eq!(world.hub.stats().awareness_ignored, 3);
}

#[test]
fn old_states_are_ignored() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.take(BOB);
    world.say(ADA, states(&[(1, 5, "[1]")]));
    world.say(ADA, states(&[(1, 4, "null")]));
    assert_eq!(world.take(BOB), []);
    world.say(ADA, states(&[(1, 5, " null ")]));
    assert_eq!(world.take(BOB), [told(&[(1, 5, "null")])]);
}

#[test]
fn who_leaves_is_removed() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}"), (7, 0, "{}")]));
    world.take(BOB);
    world.input(Input::Detach { follower: ADA });
    assert_eq!(world.take(BOB), [told(&[(1, 6, "null"), (7, 1, "null")])]);
}

#[test]
fn the_newest_socket_of_a_user_speaks_for_an_id() {
    let mut world = World::open();
    world.join_as(known_as(ADA, "ada"));
    world.join(CAROL, Dialect::Native);
    world.say(ADA, states(&[(1, 5, "{}")]));
    // The page connects again before its old socket is known to be dead.
    world.join_as(known_as(BOB, "ada"));
    world.say(BOB, states(&[(1, 5, "{}")]));
    world.take(CAROL);
    world.input(Input::Detach { follower: ADA });
    assert_eq!(world.take(CAROL), [], "the id belongs to the new socket");
    world.say(BOB, states(&[(1, 6, "[1]")]));
    assert_eq!(world.take(CAROL), [told(&[(1, 6, "[1]")])]);
    // Somebody else may not.
    world.join_as(known_as(FollowerId(7), "eve"));
    world.say(FollowerId(7), states(&[(1, 7, "[2]")]));
    assert_eq!(world.take(CAROL), []);
    world.input(Input::Detach { follower: BOB });
    world.take(CAROL);
    world.say(FollowerId(7), states(&[(1, 99, "[2]")]));
    assert_eq!(world.take(CAROL), [], "not even when the id is free again");
    assert_eq!(world.take(FollowerId(7)).len(), 1, "it was only told that the id went");
}

#[test]
fn where_users_are_unknown_a_young_socket_may_take_over_but_an_echo_does_not() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.say(CAROL, states(&[(3, 0, "{}")]));
    // Carol is younger, and has an id of her own.
    world.say(CAROL, states(&[(1, 5, "{}")]));
    world.input(Input::Detach { follower: CAROL });
    world.take(BOB);
    let again = FollowerId(50);
    world.join(again, Dialect::Native);
    world.say(again, states(&[(1, 5, "{}")]));
    world.input(Input::Detach { follower: ADA });
    assert_eq!(world.take(BOB), [], "the socket that came again has the id");
}

#[test]
fn the_clock_of_a_removed_id_is_remembered() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.input(Input::Detach { follower: ADA });
    world.take(BOB);
    // An old state comes late.
    world.say(BOB, states(&[(1, 5, "{}")]));
    assert_eq!(world.take(CAROL), [told(&[(1, 5, "{}")]), told(&[(1, 6, "null")])]);
    // Whoever believes it alive is told otherwise: the client itself then raises its clock.
    assert_eq!(world.take(BOB), [told(&[(1, 6, "null")])]);
    world.say(BOB, states(&[(1, 7, "{}")]));
    assert_eq!(world.take(CAROL), [told(&[(1, 7, "{}")])]);
}

/// Its provider raises the clock too, but says so only when it is asked.
#[test]
fn a_hocuspocus_provider_that_came_back_is_asked() {
    let mut world = World::open();
    world.join(ADA, Dialect::Hocuspocus);
    world.join(BOB, Dialect::Hocuspocus);
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.input(Input::Detach { follower: ADA });
    world.take(BOB);
    world.say(BOB, states(&[(1, 5, "{}")]));
    assert_eq!(world.take(BOB), [told(&[(1, 6, "null")]), ServerMessage::QueryAwareness]);
}

#[test]
fn the_memory_of_a_removed_id_ends_after_a_minute() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.input(Input::Detach { follower: ADA });
    world.pass(Duration::from_secs(64));
    world.take(CAROL);
    world.say(BOB, states(&[(1, 0, "{}")]));
    assert_eq!(world.take(CAROL), [told(&[(1, 0, "{}")])]);
}

#[test]
fn an_id_that_is_not_renewed_expires_after_30_seconds() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    world.say(BOB, states(&[(2, 0, "{}")]));
    world.pass(Duration::from_secs(20));
    world.say(BOB, states(&[(2, 1, "{}")]));
    world.take(CAROL);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.take(CAROL), [told(&[(1, 6, "null")])]);
    assert_eq!(world.take(ADA).last(), Some(&told(&[(1, 6, "null")])), "its owner may object");
    world.say(ADA, states(&[(1, 7, "{}")]));
    assert_eq!(world.take(CAROL), [told(&[(1, 7, "{}")])]);
}

#[test]
fn nothing_is_awaited_when_nobody_is_there() {
    let mut world = with_three();
    world.say(ADA, states(&[(1, 5, "{}")]));
    for follower in [ADA, BOB, CAROL, WATCHER] {
        world.input(Input::Detach { follower });
    }
    world.pass(Duration::from_secs(100));
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn states_and_ids_are_bounded() {
    let limits = Limits { awareness_bytes: 40_000, awareness_ids: 2, ..Limits::default() };
    let mut world = World::open_with(limits, None);
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Native);
    world.join(CAROL, Dialect::Plain);
    let long = format!("\"{}\"", "x".repeat(16_000));
    let too_long = format!("\"{}\"", "x".repeat(17_000));
    world.say(ADA, states(&[(1, 0, &too_long)]));
    world.say(ADA, states(&[(1, 0, "{]")]));
    assert_eq!(world.take(BOB), []);
    world.say(ADA, states(&[(1, 0, &long), (2, 0, &long), (3, 0, "{}")]));
    assert_eq!(world.take(BOB), [told(&[(1, 0, &long), (2, 0, &long)])]);
    world.say(CAROL, states(&[(5, 0, &long)]));
    assert_eq!(world.take(BOB), []);
    for id in 10..13 {
        world.say(CAROL, states(&[(id, 0, "{}")]));
    }
    assert_eq!(world.take(BOB).len(), 3);
    assert_eq!(world.hub.stats().awareness_ignored, 4);
}

#[test]
fn a_damaged_awareness_update_closes_its_sender() {
    let mut world = with_three();
    world.say(ADA, ClientMessage::Awareness(Bytes::from_static(b"\x05\x01")));
    assert_eq!(world.take(ADA), [closed(CloseCode::Malformed)]);
}

#[test]
fn a_follower_that_was_slow_learns_who_left() {
    let mut world = World::open_with(Limits { queue_bytes: 500, ..Limits::default() }, None);
    for follower in [ADA, BOB, CAROL] {
        world.join(follower, Dialect::Native);
    }
    world.say(ADA, states(&[(1, 0, "{}")]));
    world.writes = false;
    for clock in 0..20 {
        world.say(CAROL, states(&[(3, clock, "{}")]));
    }
    world.input(Input::Detach { follower: ADA });
    let kept: usize = world.take(BOB).iter().map(ServerMessage::cost).sum();
    world.input(Input::Written { follower: BOB, cost: kept });
    assert_eq!(world.take(BOB)[0], told(&[(3, 19, "{}"), (1, 1, "null")]));
}
