//! Documents that are erased and begun anew.
use stoa_base_types::Epoch;
use stoa_crdt_sync_core::update::StateVector;
use stoa_crdt_sync_core::wire::{CloseCode, ServerMessage};
use stoa_crdt_sync_core::{Dialect, Event, Input, Limits, RequestError, Stored};

use crate::support::*;

fn erase(world: &mut World) -> (Epoch, Vec<u64>) {
    world.input(Input::Erase { request: 5, doc: doc() });
    let erased = world.take_events().into_iter().find_map(|event| match event {
        Event::Erased { request: 5, epoch, former_authors, .. } => Some((epoch, former_authors)),
        _ => None,
    });
    erased.expect("it is erased")
}

#[test]
fn an_erased_document_begins_anew_in_the_next_epoch() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.join(BOB, Dialect::Plain);
    world.update(ADA, &typed(1, 0, "a"));
    world.update(ADA, &typed(8, 1, "held"));
    world.say(ADA, states(&[(1, 0, "{}")]));
    assert_eq!(erase(&mut world), (Epoch(2), vec![1, 8]));
    assert_eq!(world.take(ADA).last(), Some(&closed(CloseCode::Gone)));
    assert_eq!(world.take(BOB).last(), Some(&closed(CloseCode::Gone)));
    assert_eq!(world.hub.stats().dirty_bytes, 0);
    assert_eq!(world.hub.stats().held_updates, 0);
    world.attach(attach(CAROL, Dialect::Native));
    world.say(CAROL, step_1(&StateVector::new()));
    let messages = world.take(CAROL);
    assert!(matches!(messages[0], ServerMessage::Opened { epoch: Epoch(2), .. }));
    assert!(answered(&messages).unwrap().is_empty());
    world.update(CAROL, &typed(3, 0, "c"));
    let events = world.take_events();
    assert!(matches!(events[..], [Event::Append { epoch: Epoch(2), seq: 1, .. }]), "{events:?}");
    // What was on its way in the old epoch settles nothing in the new one.
    world.commit(2);
    assert_eq!(world.take(CAROL), []);
    world.input(Input::Committed { doc: doc(), epoch: Epoch(2), through: 1 });
    assert!(world.take(CAROL).contains(&ack(1)));
}

#[test]
fn a_document_that_is_not_open_is_read_and_erased() {
    let mut world = World::new(Limits::default());
    world.input(Input::Erase { request: 5, doc: doc() });
    assert!(matches!(world.take_events()[..], [Event::Load { .. }]));
    let tail = vec![(1, typed(4, 0, "a"))];
    world.load(Some(Stored { epoch: Epoch(6), snapshot: None, tail, former_authors: vec![3, 2] }));
    let events = world.take_events();
    let Event::Erased { epoch, former_authors, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((*epoch, &former_authors[..]), (Epoch(7), &[2, 3, 4][..]));
    world.pass(std::time::Duration::from_secs(60));
    assert_eq!(world.hub.stats().documents, 1, "it stays until the disk has erased it");
    world.input(Input::Committed { doc: doc(), epoch: Epoch(7), through: 0 });
    assert_eq!(world.hub.stats().documents, 0);
}

#[test]
fn a_copy_of_an_erased_document_is_turned_away() {
    let stored = Stored { epoch: Epoch(2), snapshot: None, tail: vec![], former_authors: vec![9, 4] };
    let mut world = World::open_with(Limits::default(), Some(stored));
    let vector = |entries: &[(u64, u64)]| step_1(&entries.iter().copied().collect());
    world.attach(attach(ADA, Dialect::Plain));
    world.say(ADA, vector(&[(1, 1), (4, 7)]));
    assert_eq!(world.take(ADA), [closed(CloseCode::Gone)]);
    // Nor does an update bring the old content back.
    for update in [typed(9, 0, "a"), deleted(4, 0, 1)] {
        world.join(BOB, Dialect::Hocuspocus);
        world.update(BOB, &update);
        assert_eq!(world.take(BOB), [closed(CloseCode::Gone)]);
    }
    assert_eq!(world.take_appended(), []);
    world.attach(attach(CAROL, Dialect::Plain));
    world.say(CAROL, vector(&[(1, 1)]));
    assert!(answered(&world.take(CAROL)).is_some());
}

#[test]
fn an_edit_on_its_way_is_gone_with_the_document() {
    let mut world = World::open();
    world.input(Input::Edit { request: 1, doc: doc(), update: typed(1, 0, "a"), expected: None });
    world.input(Input::Erase { request: 2, doc: doc() });
    let events = world.take_events();
    let gone = |event: &Event| matches!(event, Event::RequestFailed { request: 1, error: RequestError::Gone });
    assert!(events.iter().any(gone), "{events:?}");
    world.input(Input::Edit { request: 3, doc: doc(), update: typed(7, 0, "seed"), expected: Some((Epoch(1), 1)) });
    let changed = |event: &Event| matches!(event, Event::RequestFailed { request: 3, error: RequestError::Changed });
    assert!(world.take_events().iter().any(changed));
}
