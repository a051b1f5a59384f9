//! What has gone wrong in other servers. Tests are named after the trap. `call` is `tests/call`, where the engine and the network take part.
//!
//! | Trap | Where |
//! |---|---|
//! | 1 Numbers after dropped packets, padding | here; `property.rs` |
//! | 2 Timestamps at a switch of layers | here; `property.rs` |
//! | 3 A frame that a switch cuts off | here |
//! | 4 Picture ids of VP8 and VP9, AV1's descriptors | `property.rs` (VP8), call `codecs.rs`. VP9 and AV1 pass as they were sent: no layers are cut, so that neither markers nor decode targets need rewriting |
//! | 5 RTX: own numbers, mid, nothing stale, few repeats | here; call `traps.rs` |
//! | 6 Streams that are named only at first, repeats before originals | here; call `traps.rs` |
//! | 7 Old packets as probes | call `traps.rs` |
//! | 8 Transport-wide numbers | call `traps.rs`; feedback is read by the engine and not touched |
//! | 9 Padding and probing | call `traps.rs`; on which stream the engine probes is not touched |
//! | 10 Sender reports, lips and voice | call `sync.rs`; RED passes as it is, capture times are not sent on |
//! | 11 Mute, pause, restart of a publisher | here; call `traps.rs` |
//! | 12 Keyframe requests | here; call `calls.rs`, `traps.rs` |
//! | 13 ICE: restart, another address, interruption | call `calls.rs`, `paths.rs`. Nomination by Firefox is for real browsers |
//! | 14 Media sections that do not grow | call `slots.rs`. Inactive sections are not taken into use again by us; profiles of H.264: `session/translate.rs` |
//! | 15 Layers that never come or vanish | here; call `traps.rs` |
//! | 16 Allocation that swings or gets stuck | here; `allocate.rs`; call `congestion.rs` |
//! | 17 Amplification, made-up streams, taken addresses | call `hostile.rs`, `traps.rs`; `tests/fuzzed`; `tests/mutated.rs` |
use std::time::Duration;

use bytes::Bytes;
use stoa_sfu_core::{
    Codec, Event, Extensions, Forwarder, Kind, Packet, Publisher, Quality, ShortId, Sink, Stream, TrackConfig, TrackId,
    Wish,
};

use crate::world::{ADA, CAMERA, Path, World};

const fn wish(layer: u8, temporal: u8) -> Wish {
    Wish { most: Quality { layer, temporal }, is_paused: false, priority: 0 }
}

#[test]
fn trap_01_numbers_close_over_layers_left_out_and_stay_open_over_losses() {
    let mut world = World::new(1);
    world.subscribe(1, wish(0, 0));
    world.frames(100);
    let numbers = world.sink(1).numbers();
    assert_eq!(numbers.len() as u64, numbers.last().unwrap() - numbers[0] + 1);
    assert!(world.sink(1).frames().len() < 30);
    world.path = Path { loss: 10, repeats: 5, reorders: 20 };
    world.frames(300);
    world.judge();
    let numbers = world.sink(1).numbers();
    assert!((numbers.len() as u64) < numbers.last().unwrap() - numbers[0] + 1);
    assert!(world.sink(1).fillers() > 0, "what came too late to be left out is filled");
}

#[test]
fn trap_01_padding_leaves_no_gap() {
    let mut world = World::new(1);
    world.subscribe(1, wish(0, 2));
    for _ in 0..50 {
        world.frame();
        let encoder = &mut world.encoders[0];
        let mut padding = encoder.encode(1).remove(0);
        padding.payload = Bytes::new();
        world.arrive(&padding);
    }
    let numbers = world.sink(1).numbers();
    assert_eq!(numbers.len() as u64, numbers.last().unwrap() - numbers[0] + 1);
    assert_eq!(world.sink(1).fillers(), 0);
}

#[test]
fn trap_02_timestamps_follow_the_sender_reports_over_a_switch() {
    let mut world = World::new(5);
    world.subscribe(1, wish(0, 2));
    world.frames(20);
    world.report();
    world.wish(1, wish(2, 2));
    world.frames(40);
    world.report();
    world.judge();
    assert_eq!(world.sink(1).layers(), [0, 2]);
    // All layers encode one picture at the same time; the encoders' clocks count frames.
    let started: Vec<u32> = world.encoders.iter().map(|encoder| encoder.timestamp.wrapping_sub(60 * 3_000)).collect();
    let of_layer = |layer: u8| {
        let of_layer = move |(content, _): &(crate::publisher::Content, u32)| content.layer == layer;
        let (content, timestamp) = world.sink(1).timestamps().into_iter().find(of_layer).unwrap();
        timestamp.wrapping_sub(u32::from(content.frame + 1) * 3_000)
    };
    let (low, high) = (of_layer(0), of_layer(2));
    assert_eq!(low, started[0], "the first layer keeps its own timestamps");
    assert!(high.wrapping_sub(low).cast_signed().abs() <= 3, "{high} {low}: off by more than rounding");
}

#[test]
fn trap_02_a_switch_without_sender_reports_goes_by_arrival_and_reports_tell_the_truth() {
    let mut world = World::new(6);
    world.subscribe(1, wish(0, 2));
    world.frames(20);
    world.wish(1, wish(1, 2));
    world.frames(40);
    world.judge();
    world.report();
    let (sink, track, report) = world.reports.pop().unwrap();
    assert_eq!((sink, track), (Sink(1), CAMERA));
    let (content, timestamp) = world.sink(1).timestamps().pop().unwrap();
    assert_eq!((content.layer, timestamp), (1, report.rtp), "the report is of the moment of the last frame");
}

#[test]
fn trap_02_a_wrong_sender_report_does_not_throw_the_timeline() {
    let mut world = World::new(7);
    world.subscribe(1, wish(0, 2));
    world.frames(20);
    world.report();
    let report = stoa_sfu_core::SenderReport { ntp: 1, rtp: 77 };
    let ssrc = world.encoders[1].ssrc;
    world.forwarder.handle_sender_report(ADA, ssrc, report, &mut Vec::new());
    world.wish(1, wish(1, 2));
    world.frames(40);
    assert_eq!(world.sink(1).layers(), [0, 1]);
    world.judge();
}

#[test]
fn trap_03_a_frame_cut_off_by_a_switch_is_followed_by_a_missing_number() {
    let mut world = World::new(8);
    world.subscribe(1, wish(1, 2));
    world.frames(20);
    world.wish(1, wish(2, 2));
    // The keyframe of the upper layer comes before the end of the lower one's frame.
    let mut frame = world.encoders[1].encode(2);
    let last = frame.pop().unwrap();
    frame.iter().for_each(|packet| world.arrive(packet));
    world.encoders[2].wants_key = true;
    let keyframe = world.encoders[2].encode(3);
    keyframe.iter().for_each(|packet| world.arrive(packet));
    world.arrive(&last);
    let numbers = world.sink(1).numbers();
    let gaps: u64 = numbers.windows(2).map(|pair| pair[1] - pair[0] - 1).sum();
    assert_eq!(gaps, 1);
    assert_eq!(world.sink(1).layers(), [0, 1, 2], "what came late is of before the switch");
}

#[test]
fn trap_05_a_retransmission_is_what_was_sent_under_a_number_of_its_own() {
    let mut world = World::new(9);
    world.subscribe(1, wish(2, 2));
    world.frames(60);
    let latest: Vec<u16> = world.sink(1).numbers().iter().rev().take(5).map(|number| *number as u16).collect();
    assert_eq!(world.nack(1, &latest), 5, "the judge compares what comes with what was sent");
    assert_eq!(world.nack(1, &latest), 0, "once per round trip");
    world.now += Duration::from_millis(50);
    assert_eq!(world.nack(1, &latest), 5);
    world.now += Duration::from_millis(50);
    assert_eq!(world.nack(1, &latest), 5);
    world.now += Duration::from_millis(50);
    assert_eq!(world.nack(1, &latest), 0, "three times in all");
}

#[test]
fn trap_05_nothing_from_before_the_last_keyframe_is_sent_again() {
    let mut world = World::new(10);
    world.subscribe(1, wish(0, 2));
    world.frames(30);
    let old = *world.sink(1).numbers().last().unwrap() as u16;
    world.encoders[0].wants_key = true;
    world.frame();
    assert_eq!(world.nack(1, &[old]), 0);
}

#[test]
fn trap_06_streams_that_nobody_announced_cost_no_memory_and_old_ones_stay_gone() {
    let mut world = World::new(11);
    world.subscribe(1, wish(2, 2));
    world.frames(10);
    let old = world.encoders[2].encode(1).remove(0);
    world.restart(2);
    world.frames(30);
    let (before, layers) = (world.forwarder.stats(), world.sink(1).layers());
    world.arrive(&old);
    for ssrc in 0..1_000 {
        let mut strange = old.clone();
        (strange.ssrc, strange.extensions) = (ssrc, Extensions::default());
        world.arrive(&strange);
    }
    assert!(world.forwarder.stats().unknown >= before.unknown + 900);
    world.frames(10);
    assert_eq!(world.sink(1).layers(), layers);
    world.judge();
}

#[test]
fn trap_11_a_publisher_that_starts_anew_goes_on_for_its_subscribers() {
    let mut world = World::new(12);
    world.subscribe(1, wish(0, 2));
    world.frames(30);
    let before = world.sink(1).frames().len();
    world.restart(0);
    world.frames(30);
    assert!(world.sink(1).frames().len() > before + 25);
    world.judge();
}

#[test]
fn trap_11_mute_and_pause_end_with_a_keyframe_and_no_jump() {
    let mut world = World::new(13);
    world.subscribe(1, wish(1, 2));
    world.frames(30);
    world.mute(true);
    let silent = world.sink(1).frames().len();
    world.frames(30);
    assert_eq!(world.sink(1).frames().len(), silent);
    world.mute(false);
    world.frames(30);
    let heard = world.sink(1).frames().len();
    assert!(heard > silent + 20);
    world.wish(1, Wish { is_paused: true, ..wish(1, 2) });
    world.frames(90);
    assert_eq!(world.sink(1).frames().len(), heard);
    world.wish(1, wish(1, 2));
    world.frames(30);
    assert!(world.sink(1).frames().len() > heard + 20);
    world.judge();
}

#[test]
fn trap_12_a_hundred_joiners_cost_one_keyframe_and_those_after_it_none() {
    let mut world = World::new(14);
    world.frames(100);
    world.requests.clear();
    for sink in 0..100 {
        world.subscribe(sink, wish(2, 2));
    }
    world.frames(3);
    assert_eq!(world.requests.len(), 1, "{:?}", world.requests);
    for sink in 100..200 {
        world.subscribe(sink, wish(2, 2));
    }
    world.frames(10);
    assert_eq!(world.requests.len(), 1, "they are served from the cache");
    assert!((0..200).all(|sink| world.forwarder.current_layer(Sink(sink), CAMERA) == Some(2)));
    world.judge();
}

#[test]
fn trap_12_a_keyframe_is_asked_for_until_it_comes() {
    let mut world = World::new(15);
    world.frames(100);
    (world.obeys, world.requests) = (false, Vec::new());
    world.subscribe(1, wish(0, 2));
    world.frames(90);
    assert!((3..=6).contains(&world.requests.len()), "{}", world.requests.len());
    world.obeys = true;
    world.frames(90);
    assert_eq!(world.forwarder.current_layer(Sink(1), CAMERA), Some(0));
}

#[test]
fn trap_15_a_layer_that_vanishes_or_never_comes_leaves_nobody_behind() {
    let mut world = World::new(16);
    world.encoders[0].is_on = false;
    world.subscribe(1, wish(0, 2));
    world.subscribe(2, wish(2, 2));
    world.frames(30);
    assert_eq!(world.forwarder.current_layer(Sink(1), CAMERA), Some(1), "the lowest there is");
    world.encoders[2].is_on = false;
    world.frames(90);
    assert_eq!(world.forwarder.current_layer(Sink(2), CAMERA), Some(1));
    world.encoders[2].is_on = true;
    world.frames(90);
    assert_eq!(world.forwarder.current_layer(Sink(2), CAMERA), Some(2));
    world.judge();
}

#[test]
fn trap_16_audio_is_forwarded_whatever_the_estimate_and_its_speakers_are_told() {
    let (mut world, track) = (World::new(17), TrackId(2));
    let mid = ShortId::new("a").unwrap();
    let config = TrackConfig { publisher: Publisher(2), mid, kind: Kind::Audio, codec: Codec::Opus, rids: vec![] };
    let mut forwarder = Forwarder::new();
    forwarder.publish(track, config).unwrap();
    forwarder.subscribe(Sink(1), track, Wish::default(), world.now).unwrap();
    forwarder.set_estimate(Sink(1), 0, world.now);
    let (mut out, mut events) = (Vec::new(), Vec::new());
    for number in 0_u16..100 {
        let extensions = Extensions { mid: Some(mid), audio_level: Some(20), ..Extensions::default() };
        let payload = Bytes::from_static(&[0x78; 80]);
        let timestamp = u32::from(number) * 960;
        let packet = Packet {
            ssrc: 5,
            sequence: 65_500_u16.wrapping_add(number),
            timestamp,
            marker: false,
            payload,
            extensions,
        };
        forwarder.handle_packet(Publisher(2), &packet, world.now, &mut out);
        world.now += Duration::from_millis(20);
        forwarder.handle_timeout(world.now, &mut out);
        events.extend(std::iter::from_fn(|| forwarder.poll_event()));
    }
    assert_eq!(out.len(), 100);
    let numbers = out.iter().map(|outgoing| match outgoing.stream {
        Stream::Media { sequence } => sequence,
        Stream::Rtx { .. } => 0,
    });
    let numbers: Vec<_> = numbers.collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert!(events.contains(&Event::Speakers(vec![track])));
}

/// A busy computer answers late, which looks like a narrow path. A path that loses nothing keeps a picture.
#[test]
fn trap_16_a_picture_is_not_taken_away_for_an_estimate_alone_and_comes_back_where_nothing_is_lost() {
    let mut world = World::new(18);
    world.subscribe(1, wish(2, 2));
    world.frames(60);
    let is_shown = |world: &World| world.forwarder.current_layer(Sink(1), CAMERA).is_some();
    world.forwarder.set_congested(Sink(1), false, world.now);
    world.estimate(1, 1_000);
    world.frames(150);
    assert_eq!(world.forwarder.current_layer(Sink(1), CAMERA), Some(0), "the least");
    world.forwarder.set_congested(Sink(1), true, world.now);
    world.frames(90);
    assert!(!is_shown(&world), "not while packets are lost");
    world.forwarder.set_congested(Sink(1), false, world.now);
    world.frames(150);
    assert!(is_shown(&world), "it is tried again");
    world.judge();
}

/// Who joins gets what is in the cache faster than the publisher goes on, whatever the path is thought to carry.
#[test]
fn trap_16_a_joiner_catches_up_on_a_path_that_is_thought_to_be_narrow() {
    let mut world = World::new(19);
    world.subscribe(1, wish(0, 2));
    world.frames(10);
    world.subscribe(9, wish(0, 2));
    assert!(world.forwarder.is_catching_up(Sink(9), CAMERA));
    world.forwarder.set_congested(Sink(9), false, world.now);
    world.estimate(9, 1_000);
    world.frames(20);
    assert!(!world.forwarder.is_catching_up(Sink(9), CAMERA));
    assert!(world.forwarder.current_layer(Sink(9), CAMERA).is_some());
    world.judge();
}
