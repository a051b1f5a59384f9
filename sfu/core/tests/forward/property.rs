use proptest::prelude::*;
use stoa_sfu_core::{Quality, Sink, Wish};

use crate::world::{CAMERA, Path, World};

#[derive(Debug, Clone, Copy)]
enum Act {
    Wish { sink: u64, layer: u8, temporal: u8, is_paused: bool },
    Estimate { sink: u64, bitrate: u64 },
    Restart { layer: u8 },
    Switch { layer: u8, is_on: bool },
    Mute { is_muted: bool },
    Join,
    Pli { sink: u64 },
    Nack { sink: u64 },
    Report,
    Path { loss: u64, repeats: u64, reorders: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let wish = (1_u64..3, 0_u8..3, 0_u8..3, prop::bool::weighted(0.2));
    prop_oneof![
        6 => wish.prop_map(|(sink, layer, temporal, is_paused)| Act::Wish { sink, layer, temporal, is_paused }),
        2 => (1_u64..3, 0_u64..100_000).prop_map(|(sink, bitrate)| Act::Estimate { sink, bitrate }),
        1 => (0_u8..3).prop_map(|layer| Act::Restart { layer }),
        2 => (0_u8..3, any::<bool>()).prop_map(|(layer, is_on)| Act::Switch { layer, is_on }),
        1 => any::<bool>().prop_map(|is_muted| Act::Mute { is_muted }),
        1 => Just(Act::Join),
        1 => (1_u64..3).prop_map(|sink| Act::Pli { sink }),
        2 => (1_u64..3).prop_map(|sink| Act::Nack { sink }),
        3 => Just(Act::Report),
        2 => (0_u64..12, 0_u64..10, 0_u64..20)
            .prop_map(|(loss, repeats, reorders)| Act::Path { loss, repeats, reorders }),
    ]
}

fn perform(world: &mut World, act: Act) {
    match act {
        Act::Wish { sink, layer, temporal, is_paused } => {
            world.wish(sink, Wish { most: Quality { layer, temporal }, is_paused, priority: 0 });
        }
        Act::Estimate { sink, bitrate } => world.estimate(sink, bitrate),
        Act::Restart { layer } => world.restart(layer),
        Act::Switch { layer, is_on } => world.encoders[usize::from(layer)].is_on = is_on,
        Act::Mute { is_muted } => world.mute(is_muted),
        Act::Join => {
            if !world.judges.contains_key(&Sink(9)) {
                world.subscribe(9, Wish::default());
            }
        }
        Act::Pli { sink } => world.forwarder.handle_keyframe_request(Sink(sink), CAMERA, world.now),
        Act::Nack { sink } => {
            let numbers = world.sink(sink).numbers();
            let latest: Vec<u16> = numbers.iter().rev().take(40).map(|number| *number as u16).collect();
            world.nack(sink, &latest);
        }
        Act::Report => world.report(),
        Act::Path { loss, repeats, reorders } => world.path = Path { loss, repeats, reorders },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to layers, packets and publishers, a subscriber sees one stream that a decoder can live with.
    #[test]
    fn a_subscriber_never_sees_a_break(seed: u64, acts in prop::collection::vec((0_usize..25, act()), 1..40)) {
        let mut world = World::new(seed);
        world.subscribe(1, Wish::default());
        world.subscribe(2, Wish { most: Quality { layer: 0, temporal: 1 }, ..Wish::default() });
        for (frames, act) in acts {
            world.frames(frames);
            perform(&mut world, act);
        }
        // When all is well again, everybody gets what they asked for.
        world.path = Path::default();
        world.mute(false);
        (0..3).for_each(|layer| world.encoders[layer].is_on = true);
        for sink in [1, 2] {
            world.estimate(sink, 100_000_000);
            world.wish(sink, Wish { most: Quality { layer: 2, temporal: 2 }, is_paused: false, priority: 0 });
        }
        world.frames(300);
        for sink in [1, 2] {
            prop_assert_eq!(world.forwarder.current_layer(Sink(sink), CAMERA), Some(2), "nobody is left behind");
        }
        world.judge();
    }
}
