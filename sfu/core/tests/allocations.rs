//! Forwarding costs no heap allocation.
#![expect(unsafe_code, reason = "only a global allocator can count allocations")]
#![expect(clippy::cast_possible_truncation, reason = "a test may panic, and its numbers are small")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_sfu_core::{
    Codec, Extensions, Forwarder, Kind, Packet, Publisher, Quality, ShortId, Sink, TrackConfig, TrackId, Wish,
};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn packet(sequence: u16, is_key: bool) -> Packet {
    let temporal = if sequence.is_multiple_of(2) { 0 } else { 0x60 };
    let payload = [0x90, 0xf0, 0x80 | (sequence >> 8 & 0x7f) as u8, sequence as u8, 0, temporal, u8::from(!is_key), 0];
    Packet {
        ssrc: 7,
        sequence,
        timestamp: u32::from(sequence) * 3_000,
        marker: true,
        payload: Bytes::copy_from_slice(&payload),
        extensions: Extensions { mid: ShortId::new("0"), ..Extensions::default() },
    }
}

#[test]
fn forwarding_a_packet_allocates_nothing() {
    #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
    let mut now = Instant::now();
    let (mut forwarder, track) = (Forwarder::new(), TrackId(1));
    let mid = ShortId::new("0").unwrap();
    let config = TrackConfig { publisher: Publisher(1), mid, kind: Kind::Video, codec: Codec::Vp8, rids: vec![] };
    forwarder.publish(track, config).unwrap();
    for sink in 0..100 {
        let most = Quality { layer: 0, temporal: (sink % 2) as u8 };
        forwarder.subscribe(Sink(sink), track, Wish { most, ..Wish::default() }, now).unwrap();
    }
    let mut out = Vec::with_capacity(1_000);
    let mut measured = (0, 0);
    for sequence in 0..3_000 {
        let packet = packet(sequence, sequence == 0);
        // Receive buffers are shared before they get here; the first clone of bytes of their own allocates the count.
        let _shared = packet.payload.clone();
        now += Duration::from_millis(10);
        out.clear();
        let before = COUNT.get();
        forwarder.handle_packet(Publisher(1), &packet, now, &mut out);
        forwarder.handle_timeout(now, &mut out);
        // The first second fills what is then reused.
        if sequence >= 100 {
            measured = (measured.0 + out.len(), measured.1 + COUNT.get() - before);
        }
    }
    assert_eq!(measured, (2_900 * 50 + 2_900 * 50 / 2, 0));
}
