//! What forwarding one packet to one sink costs: `cargo run --release -p stoa-sfu-core --example forward_rate`.
//!
//! No encryption and no sockets: choosing, rewriting and remembering alone. Each packet goes to all sinks, whose outgoing packets are
//! looked at and dropped.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it is what the program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::cast_possible_truncation, reason = "numbers are small")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_sfu_core::{
    Codec, Extensions, Forwarder, Kind, Packet, Publisher, Quality, ShortId, Sink, TrackConfig, TrackId, Wish,
};

fn main() {
    println!("{:<28} {:>6} {:>14}", "case", "sinks", "ns per packet");
    for (name, kind, codec, temporal) in [
        ("VP8, all layers", Kind::Video, Codec::Vp8, u8::MAX),
        ("VP8, half of the frames", Kind::Video, Codec::Vp8, 0),
        ("H.264", Kind::Video, Codec::H264, u8::MAX),
        ("Opus", Kind::Audio, Codec::Opus, u8::MAX),
    ] {
        for sinks in [1, 10, 200, 3_000] {
            let mut rates: Vec<f64> = (0..5).filter_map(|_| run(kind, codec, temporal, sinks)).collect();
            rates.sort_by(f64::total_cmp);
            println!("{name:<28} {sinks:>6} {:>14.1}", rates.get(2).copied().unwrap_or_default());
        }
    }
}

fn run(kind: Kind, codec: Codec, temporal: u8, sinks: u64) -> Option<f64> {
    let (mut now, mut forwarder, track) = (Instant::now(), Forwarder::new(), TrackId(1));
    let config = TrackConfig { publisher: Publisher(1), mid: ShortId::new("0")?, kind, codec, rids: vec![] };
    forwarder.publish(track, config).ok()?;
    let wish = Wish { most: Quality { layer: 0, temporal }, ..Wish::default() };
    for sink in 0..sinks {
        forwarder.subscribe(Sink(sink), track, wish, now).ok()?;
    }
    let mut out = Vec::with_capacity(4_096);
    let packets = (2_000_000 / sinks).clamp(1_000, 60_000);
    let (mut forwarded, mut spent) = (0_usize, Duration::ZERO);
    for number in 0..packets {
        let packet = packet(codec, number);
        now += Duration::from_millis(4);
        let start = Instant::now();
        forwarder.handle_packet(Publisher(1), &packet, now, &mut out);
        forwarder.handle_timeout(now, &mut out);
        for outgoing in out.drain(..) {
            black_box(outgoing.prefix.bytes());
            forwarded += 1;
        }
        spent += start.elapsed();
    }
    (forwarded > 0).then(|| spent.as_nanos() as f64 / forwarded as f64)
}

/// Two packets per frame, every other frame of the upper temporal layer.
fn packet(codec: Codec, number: u64) -> Packet {
    let (frame, is_first) = (number / 2, number.is_multiple_of(2));
    let start = match codec {
        Codec::Vp8 => {
            let layers = if frame.is_multiple_of(2) { 0 } else { 0x60 };
            let start = if is_first { 0x90 } else { 0x80 };
            vec![start, 0xf0, 0x80 | (frame >> 8) as u8, frame as u8, (frame / 2) as u8, layers, u8::from(frame > 0)]
        }
        Codec::H264 => vec![if number == 0 { 0x67 } else { 0x41 }],
        Codec::Opus | Codec::Vp9 | Codec::Av1 => vec![0x78],
    };
    let mut payload = start;
    payload.resize(if codec == Codec::Opus { 80 } else { 1_100 }, 0);
    let extensions = Extensions { mid: ShortId::new("0"), audio_level: Some(40), ..Extensions::default() };
    let timestamp = (frame * 3_000) as u32;
    Packet { ssrc: 7, sequence: number as u16, timestamp, marker: !is_first, payload: Bytes::from(payload), extensions }
}
