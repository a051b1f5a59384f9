//! Sound and picture of one participant stay together.

use std::time::{Duration, UNIX_EPOCH};

use stoa_sfu_core::{Command, Quality, TrackId, Wish};
use str0m::format::Codec;
use str0m::media::Mid;
use str0m::rtp::{ExtensionValues, RtpPacket};

use crate::client::{Frame, RIDS, Section};
use crate::world::{ROOM, World, key};

/// Where each layer's clock starts; audio's is the last.
const STARTS: [u32; 4] = [1_000_000, 3_900_000_000, 77_000_000, 500];

struct Call {
    world: World,
    video: Mid,
    audio: Mid,
    slots: Vec<Mid>,
    /// Milliseconds since the publisher began.
    time: u32,
}

impl Call {
    fn new() -> Self {
        let mut world = World::new();
        let (_, published) = world.join(ROOM, &[Section::Simulcast, Section::Audio]);
        let (_, slots) = world.join(ROOM, &[Section::VideoSlot, Section::AudioSlot]);
        world.connect();
        world.wish(1, 2);
        Self { world, video: published[0], audio: published[1], slots, time: 0 }
    }

    fn wish(&mut self, layer: u8) {
        let wish = Wish { most: Quality { layer, temporal: u8::MAX }, ..Wish::default() };
        self.world.order(Command::Wish { session: key(1), track: TrackId(1), wish: Some(wish) });
    }

    /// Each packet ends with the time at which it was captured.
    fn talk(&mut self, seconds: usize) {
        for turn in 0..seconds * 50 {
            let (now, stamp) = (self.world.now, self.time.to_be_bytes());
            let client = &mut self.world.clients[0];
            let sound = [&[0x78; 20][..], &stamp].concat();
            let timestamp = STARTS[3].wrapping_add(self.time * 48);
            let packets = vec![(sound, ExtensionValues::default())];
            client.send_frame(self.audio, None, Frame { codec: Codec::Opus, timestamp, packets }, now);
            if turn % 2 == 0 {
                for (rid, start) in RIDS.iter().zip(STARTS) {
                    let is_key = client.wants_keyframe(self.video, Some(rid)) || self.time == 0;
                    let picture = [&[0x90, 0x80, 0x01, u8::from(!is_key)][..], &[0; 100], &stamp].concat();
                    let timestamp = start.wrapping_add(self.time * 90);
                    let packets = vec![(picture, ExtensionValues::default())];
                    client.send_frame(self.video, Some(rid), Frame { codec: Codec::Vp8, timestamp, packets }, now);
                }
            }
            self.world.collect();
            self.world.run(Duration::from_millis(20));
            self.time += 20;
        }
    }

    /// How far the subscriber's clock, by the newest sender report, is ahead of the capture time of a stream's last packet: in milliseconds.
    fn offset(&self, slot: Mid, rate: i64) -> Option<i64> {
        let client = &self.world.clients[1];
        let packet: &RtpPacket = client.got(slot).last()?;
        let report = client.reports.get(&packet.header.ssrc)?;
        let reported = u32::try_from(report.rtp_time.numer() & 0xffff_ffff).unwrap();
        let ahead = i64::from(packet.header.timestamp.wrapping_sub(reported).cast_signed()) * 1_000 / rate;
        let sent = i64::try_from(report.ntp_time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let stamp = packet.payload.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
        Some(sent + ahead - i64::from(stamp))
    }
}

#[test]
fn trap_10_lips_move_with_the_voice_through_switches_of_layers() {
    let mut call = Call::new();
    call.wish(0);
    call.talk(12);
    let apart = |call: &Call| {
        let (audio, video) = (call.offset(call.slots[1], 48_000), call.offset(call.slots[0], 90_000));
        (video.unwrap() - audio.unwrap()).abs()
    };
    assert!(apart(&call) <= 5, "{} ms apart before", apart(&call));
    for layer in [2, 0, 1, 2] {
        call.wish(layer);
        call.talk(2);
        assert!(apart(&call) <= 5, "{} ms apart after a switch to layer {layer}", apart(&call));
    }
    // New reports say the same.
    call.talk(10);
    assert!(apart(&call) <= 5, "{} ms apart in the end", apart(&call));
}
