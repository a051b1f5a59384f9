//! Nothing that a participant can send makes the server panic.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use stoa_sfu_core::payload::describe;
use stoa_sfu_core::{
    Codec, Extensions, Forwarder, Kind, Packet, Publisher, SenderReport, ShortId, Sink, TrackConfig, TrackId, Wish,
};

const CODECS: [Codec; 5] = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];

/// Bytes that begin like something meant.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let beginnings = prop::sample::select(vec![
        vec![],
        vec![0x90, 0xf0, 0x80, 0x01, 0x00, 0x20, 0x00],
        vec![0xe8, 0x81, 0x02, 0x50, 0x09],
        vec![0x78, 0x00, 0x02, 0x67, 0x42],
        vec![0x20, 0x01, 0x12, 0x0a],
        vec![0x7c, 0x87],
    ]);
    (beginnings, prop::collection::vec(any::<u8>(), 0..12), any::<(u8, u8)>()).prop_map(
        |(mut bytes, tail, (place, with))| {
            bytes.extend(tail);
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(usize::from(place) % len) {
                *byte ^= with;
            }
            bytes
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let numbers = (0_u32..3, prop_oneof![0_u16..50, any::<u16>()], any::<u32>(), any::<bool>());
    let extensions =
        (0_u8..3, 0_u8..4, any::<Option<u8>>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..6)));
    (numbers, payload(), extensions).prop_map(|((ssrc, sequence, timestamp, marker), payload, extensions)| {
        let (mid, rid, audio_level, dependency) = extensions;
        let extensions = Extensions {
            mid: ShortId::new(["0", "1", ""][usize::from(mid)]),
            rid: ShortId::new(["q", "h", "f", "x"][usize::from(rid)]),
            audio_level,
            voice_activity: None,
            dependency_descriptor: dependency.map(Bytes::from),
        };
        Packet { ssrc, sequence, timestamp, marker, payload: Bytes::from(payload), extensions }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_makes_a_description_panic(packet in packet()) {
        for codec in CODECS {
            let _ = describe(codec, &packet);
        }
    }

    #[test]
    fn no_packet_makes_forwarding_panic(
        packets in prop::collection::vec((packet(), 0_u64..3_000), 1..80),
        codec in prop::sample::select(CODECS.to_vec()),
        reports in any::<[(u64, u32); 3]>(),
        nacked in prop::collection::vec(any::<u16>(), 0..40),
        estimate: u64,
    ) {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
        let mut now = Instant::now();
        let mut forwarder = Forwarder::new();
        for (id, mid) in [(1, "0"), (2, "1")] {
            let kind = if codec == Codec::Opus { Kind::Audio } else { Kind::Video };
            let rids = ["q", "h", "f"].iter().filter_map(|rid| ShortId::new(rid)).collect();
            let mid = ShortId::new(mid).unwrap();
            let config = TrackConfig { publisher: Publisher(1), mid, kind, codec, rids };
            forwarder.publish(TrackId(id), config).unwrap();
            forwarder.subscribe(Sink(1), TrackId(id), Wish::default(), now).unwrap();
        }
        forwarder.set_estimate(Sink(1), estimate, now);
        let (mut out, mut told) = (Vec::new(), Vec::new());
        for (place, (packet, wait)) in packets.iter().enumerate() {
            forwarder.handle_packet(Publisher(1), packet, now, &mut out);
            let (ntp, rtp) = reports[place % 3];
            forwarder.handle_sender_report(Publisher(1), packet.ssrc, SenderReport { ntp, rtp }, &mut told);
            forwarder.handle_nack(Sink(1), TrackId(1), &nacked, Duration::ZERO, now, &mut out);
            now += Duration::from_millis(*wait);
            forwarder.handle_timeout(now, &mut out);
            while forwarder.poll_event().is_some() {}
        }
        for outgoing in &out {
            let mut written = Vec::new();
            outgoing.write_payload(&mut written);
            prop_assert_eq!(written.len(), outgoing.payload_len());
        }
    }
}
