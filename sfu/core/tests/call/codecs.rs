//! Each codec from its publisher to a subscriber, over a change of publishers in one slot.

use std::time::Duration;

use stoa_sfu_core::{Codec as Ours, Command, ShardEvent, TrackId, Wish};
use str0m::format::Codec;
use str0m::rtp::{ExtensionValues, RtpPacket};

use crate::client::{Frame, Packets, Section};
use crate::descriptor::Descriptor;
use crate::world::{ROOM, World, key};

/// Two publishers send one after the other into the subscriber's only slot, 20 frames of two packets each.
fn relayed(codec: Codec, ours: Ours, encode: fn(u16, bool) -> Packets) -> Vec<RtpPacket> {
    let mut world = World::new();
    let (_, slots) = world.join(ROOM, &[Section::VideoSlot]);
    let publishers = [1, 2].map(|index| {
        let (_, published) = world.join_with(ROOM, &[Section::Video], Some(codec));
        (index, published[0])
    });
    world.connect();
    for (index, mid) in publishers {
        let is_known = |event: &ShardEvent| matches!(event, ShardEvent::Published { session, codec, .. } if *session == key(index) && *codec == ours);
        assert!(world.events.iter().any(is_known), "{:?}", world.events);
        let track = TrackId(index as u64);
        world.order(Command::Wish { session: key(0), track, wish: Some(Wish::default()) });
        for number in 0..20 {
            let now = world.now;
            let client = &mut world.clients[index];
            let is_key = client.wants_keyframe(mid, None) || number == 0;
            // Each publisher has numbers of its own.
            let number = number + 30_000 * (index as u16 - 1);
            let frame = Frame { codec, timestamp: u32::from(number) * 3_600, packets: encode(number, is_key) };
            client.send_frame(mid, None, frame, now);
            world.collect();
            world.run(Duration::from_millis(40));
        }
        world.order(Command::Wish { session: key(0), track, wish: None });
        world.run(Duration::from_millis(100));
    }
    let mut got = world.clients[0].received.remove(&slots[0]).unwrap_or_default();
    got.sort_by_key(|packet| packet.seq_no);
    let is_it = |params: &str0m::format::PayloadParams| params.spec().codec == codec;
    let formats: Vec<_> = world.clients[0].rtc.codec_config().params().iter().filter(|params| is_it(params)).collect();
    assert!(got.iter().all(|packet| formats.iter().any(|params| params.pt() == packet.header.payload_type)));
    got
}

/// All frames came, in order, without a gap in numbers or time; marked at their ends.
fn assert_whole(got: &[RtpPacket]) {
    assert_eq!(got.len(), 80, "2 x 20 frames of 2 packets");
    for pair in got.windows(2) {
        assert_eq!(*pair[1].seq_no, *pair[0].seq_no + 1);
        let ahead = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
        assert_eq!(ahead == 0, pair[1].header.marker, "a frame has one timestamp");
        assert!(ahead < 90_000, "time jumps by {ahead}");
    }
}

fn plain(payloads: [Vec<u8>; 2]) -> Packets {
    payloads.map(|payload| (payload, ExtensionValues::default())).into()
}

#[test]
fn trap_04_vp9_comes_with_its_picture_ids_in_a_row() {
    let got = relayed(Codec::Vp9, Ours::Vp9, |number, is_key| {
        let inter = if is_key { 0 } else { 0x40 };
        let id = number.to_be_bytes();
        plain([0x88, 0x84].map(|flags| vec![flags | inter, id[0] | 0x80, id[1], 0xaa, id[1]]))
    });
    assert_whole(&got);
    assert_eq!(got[0].payload[0], 0x88, "a keyframe's first packet");
    let ids: Vec<_> =
        got.iter().map(|packet| u16::from_be_bytes([packet.payload[1] & 0x7f, packet.payload[2]])).collect();
    for half in [0..40, 40..80] {
        for (pair, packets) in ids[half.clone()].windows(2).zip(got[half].windows(2)) {
            let step = u16::from(packets[0].header.marker);
            assert_eq!(pair[1].wrapping_sub(pair[0]) & 0x7fff, step, "picture ids follow each other");
        }
    }
    assert_eq!(got[40].payload[0], 0x88, "another publisher begins with a keyframe");
    assert!(got.iter().all(|packet| packet.payload[3] == 0xaa));
}

#[test]
fn h264_comes_as_it_was_sent() {
    let got = relayed(Codec::H264, Ours::H264, |number, is_key| {
        let id = number.to_be_bytes()[1];
        let first = if is_key { vec![0x78, 0, 2, 0x67, 0x42, 0, 2, 0x65, id] } else { vec![0x41, id] };
        plain([first, vec![0x41, id, 0x77]])
    });
    assert_whole(&got);
    for half in [&got[..40], &got[40..]] {
        assert_eq!(half[0].payload[..5], [0x78, 0, 2, 0x67, 0x42], "it begins with the parameters");
        assert!(half[1].payload.ends_with(&[0x77]) && half[2].payload[0] == 0x41);
    }
}

#[test]
fn trap_04_av1_comes_with_descriptors_whose_frame_numbers_follow_each_other() {
    let got = relayed(Codec::Av1, Ours::Av1, |number, is_key| {
        let mut frame = Vec::new();
        for (start, payload) in [(0x80, vec![0x18, 0x0a, 1]), (0x40, vec![0x90, 2])] {
            let [high, low] = number.to_be_bytes();
            let mut bytes = vec![start, high, low];
            let payload = match (is_key, start) {
                // A template structure is longer than one-byte extensions can be.
                (true, 0x80) => {
                    bytes.push(0x80);
                    bytes.extend(1..=20);
                    payload
                }
                (false, 0x80) => vec![0x10, 0x32, 1],
                _ => payload,
            };
            let mut values = ExtensionValues::default();
            values.user_values.set(Descriptor(bytes));
            frame.push((payload, values));
        }
        frame
    });
    assert_whole(&got);
    let descriptors: Vec<_> =
        got.iter().map(|packet| packet.header.ext_vals.user_values.get::<Descriptor>().unwrap().0.clone()).collect();
    for place in [0, 40] {
        assert_eq!(descriptors[place][3..], [&[0x80][..], &(1..=20).collect::<Vec<u8>>()].concat(), "the structure");
    }
    let numbers: Vec<_> = descriptors.iter().map(|bytes| u16::from_be_bytes([bytes[1], bytes[2]])).collect();
    for half in [0..40, 40..80] {
        for (pair, packets) in numbers[half.clone()].windows(2).zip(got[half].windows(2)) {
            assert_eq!(pair[1].wrapping_sub(pair[0]), u16::from(packets[0].header.marker), "{pair:?}");
        }
    }
    assert_eq!(descriptors.iter().filter(|bytes| bytes.len() > 3).count(), 2);
}
