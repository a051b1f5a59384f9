//! Whatever followers and drivers say, the hub does not fall over.
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use stoa_base_types::{Access, ConnectionId, Epoch, FollowerId};
use stoa_crdt_sync_core::update::StateVector;
use stoa_crdt_sync_core::wire::{ClientMessage, CloseCode};
use stoa_crdt_sync_core::{Attach, Dialect, Event, Input, Limits};

use crate::support::*;

fn bytes() -> impl Strategy<Value = Bytes> {
    let typed = (1u64..4, 0u64..6, "[a-c]{1,3}").prop_map(|(client, clock, text)| typed(client, clock, &text));
    let behind = (1u64..4, 0u64..6, 1u64..4, 0u64..6)
        .prop_map(|(client, clock, other, at)| typed_after(client, clock, Some((other, at)), "x"));
    let deleted = (1u64..4, 0u64..6, 1u64..4).prop_map(|(client, clock, len)| deleted(client, clock, len));
    prop_oneof![
        4 => typed,
        2 => behind,
        2 => deleted,
        1 => prop::collection::vec(0u8..12, 0..20).prop_map(Bytes::from),
        1 => any::<Vec<u8>>().prop_map(Bytes::from),
    ]
}

fn message() -> impl Strategy<Value = ClientMessage> {
    let vector = prop::collection::vec((1u64..4, 0u64..6), 0..3)
        .prop_map(|entries| step_1(&entries.into_iter().collect::<StateVector>()));
    let state =
        (1u64..4, 0u64..6, "null|\\{\\}|\\[|x").prop_map(|(client, clock, state)| states(&[(client, clock, &state)]));
    prop_oneof![
        6 => bytes().prop_map(ClientMessage::Update),
        2 => bytes().prop_map(ClientMessage::Step2),
        2 => vector,
        1 => bytes().prop_map(ClientMessage::Step1),
        2 => state,
        1 => bytes().prop_map(ClientMessage::Awareness),
        1 => Just(ClientMessage::QueryAwareness),
        1 => Just(ClientMessage::TooLarge),
        1 => Just(ClientMessage::Close),
        1 => Just(ClientMessage::Open { epoch: None }),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Attach(u64, u8, bool),
    Message(u64, ClientMessage),
    Written(u64, usize),
    Detach(u64),
    Access(u64, bool),
    Commit(u64, u64),
    FailCommit(u64),
    Failing(bool),
    Load(bool),
    Compact(bool),
    SnapshotWritten(u64, bool),
    SnapshotRead(u64, bool),
    Edit(Bytes),
    Read,
    Erase,
    Quota(bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..5, 0u8..3, any::<bool>()).prop_map(|(id, dialect, may)| Step::Attach(id, dialect, may)),
        24 => (1u64..5, message()).prop_map(|(id, message)| Step::Message(id, message)),
        4 => (1u64..5, 0usize..400).prop_map(|(id, cost)| Step::Written(id, cost)),
        1 => (1u64..5).prop_map(Step::Detach),
        1 => (1u64..5, any::<bool>()).prop_map(|(id, may)| Step::Access(id, may)),
        6 => (1u64..3, 0u64..20).prop_map(|(epoch, through)| Step::Commit(epoch, through)),
        1 => (0u64..20).prop_map(Step::FailCommit),
        1 => any::<bool>().prop_map(Step::Failing),
        3 => any::<bool>().prop_map(Step::Load),
        2 => any::<bool>().prop_map(Step::Compact),
        2 => (0u64..3, any::<bool>()).prop_map(|(generation, is)| Step::SnapshotWritten(generation, is)),
        1 => (0u64..3, any::<bool>()).prop_map(|(generation, is)| Step::SnapshotRead(generation, is)),
        1 => bytes().prop_map(Step::Edit),
        1 => Just(Step::Read),
        1 => Just(Step::Erase),
        1 => any::<bool>().prop_map(Step::Quota),
        3 => (0u64..70).prop_map(Step::Pass),
    ]
}

fn act(world: &mut World, step: Step) {
    let access = |may| if may { Access::Write } else { Access::Read };
    let doc = doc();
    let epoch = Epoch(1);
    let input = match step {
        Step::Attach(id, dialect, may) => Input::Attach(Attach {
            follower: FollowerId(id),
            doc,
            dialect: [Dialect::Native, Dialect::Plain, Dialect::Hocuspocus][usize::from(dialect)],
            access: access(may),
            connection: ConnectionId(id % 2),
            identity: None,
        }),
        Step::Message(id, message) => Input::Message { follower: FollowerId(id), message },
        Step::Written(id, cost) => Input::Written { follower: FollowerId(id), cost },
        Step::Detach(id) => Input::Detach { follower: FollowerId(id) },
        Step::Access(id, may) => Input::SetAccess { follower: FollowerId(id), access: access(may) },
        Step::Commit(epoch, through) => Input::Committed { doc, epoch: Epoch(epoch), through },
        Step::FailCommit(from) => Input::CommitFailed { doc, epoch, from, reason: "".into() },
        Step::Failing(true) => Input::StorageFailing { reason: "".into() },
        Step::Failing(false) => Input::StorageWell,
        Step::Load(true) => Input::Loaded { doc, result: Ok(None) },
        Step::Load(false) => Input::Loaded { doc, result: Err("".into()) },
        Step::Compact(is_good) => {
            let Some(job) = world.take_job() else { return };
            let (epoch, generation) = (job.epoch(), job.generation());
            let body = job.merged().expect("parts are sound");
            let result = if is_good { Ok(job.prove(body).expect("a merge holds everything")) } else { Err("".into()) };
            Input::Compacted { doc, epoch, generation, result }
        }
        Step::SnapshotWritten(generation, is_committed) => {
            Input::SnapshotWritten { doc, epoch, generation, is_committed }
        }
        Step::SnapshotRead(generation, true) => {
            Input::SnapshotRead { doc, generation, result: Ok(Bytes::from_static(&[0, 0])) }
        }
        Step::SnapshotRead(generation, false) => Input::SnapshotRead { doc, generation, result: Err("".into()) },
        Step::Edit(update) => Input::Edit { request: 0, doc, update, expected: None },
        Step::Read => Input::Read { request: 0, doc },
        Step::Erase => Input::Erase { request: 0, doc },
        Step::Quota(is_full) => Input::Quota { is_full },
        Step::Pass(seconds) => return world.pass(Duration::from_secs(seconds)),
    };
    world.input(input);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_inputs_are_survived(steps in prop::collection::vec(step(), 0..120)) {
        let limits = Limits {
            compact_updates: 4,
            queue_bytes: 500,
            slow_queue_bytes: 300,
            held_updates: 3,
            dirty_bytes: 200,
            update_bytes: 60,
            document_bytes: 2_000,
            awareness_removed: 2,
            ..Limits::default()
        };
        let mut world = World::new(limits);
        world.writes = false;
        for step in steps {
            act(&mut world, step);
            let stats = world.hub.stats();
            prop_assert!(stats.documents <= 1 && stats.followers <= 4);
            prop_assert!(stats.dirty_bytes <= 4 * 200 + 4 * 60 + 2_000);
        }
        // And it ends when everything that it waits for comes.
        world.input(Input::StorageWell);
        world.input(Input::Drain);
        for _ in 0..20 {
            settle(&mut world);
        }
        prop_assert!(world.events.iter().any(|event| matches!(event, Event::Drained)), "{:#?}", world.hub);
        prop_assert_eq!(world.hub.stats().dirty_bytes, 0);
        prop_assert_eq!(world.hub.stats().held_updates, 0);
        prop_assert_eq!(world.hub.poll_timeout(), None);
    }
}

/// Answers whatever may still be waited for.
fn settle(world: &mut World) {
    world.input(Input::Loaded { doc: doc(), result: Ok(None) });
    let (mut epoch, mut last_generation) = (Epoch(1), 0);
    for event in &world.events {
        match event {
            Event::Erased { epoch: next, .. } => epoch = epoch.max(*next),
            Event::Snapshot { generation, .. } => last_generation = last_generation.max(*generation),
            _ => {}
        }
    }
    // The disk may have been read before it was erased, or after.
    for epoch in (1..=epoch.0).map(Epoch) {
        world.input(Input::Committed { doc: doc(), epoch, through: 1_000 });
        for generation in 0..=last_generation + 1 {
            world.input(Input::SnapshotWritten { doc: doc(), epoch, generation, is_committed: true });
            world.input(Input::Compacted { doc: doc(), epoch, generation, result: Err("".into()) });
        }
    }
    world.input(Input::SnapshotRead { doc: doc(), generation: 0, result: Err("".into()) });
    world.pass(Duration::from_secs(10));
}

#[test]
fn to_open_twice_is_a_mistake() {
    let mut world = World::open();
    world.join(ADA, Dialect::Native);
    world.say(ADA, ClientMessage::Open { epoch: None });
    assert_eq!(world.take(ADA), [closed(CloseCode::Malformed)]);
}

#[test]
fn a_vector_that_is_none_closes_its_sender() {
    let mut world = World::open();
    world.join(ADA, Dialect::Plain);
    world.say(ADA, ClientMessage::Step1(Bytes::from_static(b"\xff")));
    assert_eq!(world.take(ADA), [closed(CloseCode::Malformed)]);
}
