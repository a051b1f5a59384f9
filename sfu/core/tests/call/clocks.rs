//! One participant's clock, however its reports are delayed on their way.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use str0m::format::Codec;
use str0m::media::Mid;
use str0m::rtp::ExtensionValues;

use crate::client::{Frame, Section};
use crate::world::{ROOM, World};

/// Where the clocks of sound and picture start.
const STARTS: [u32; 2] = [77_000, 3_900_000_000];
const RATES: [u32; 2] = [48_000, 90_000];

/// Milliseconds from when it is captured until it is sent: pictures are encoded.
const LAGS: [u32; 2] = [0, 120];

struct Call {
    world: World,
    published: Vec<Mid>,
    slots: Vec<Mid>,
    /// Milliseconds since the publisher began.
    time: u32,
    /// How long the publisher's reports are held up: each one as long as its turn says.
    held_up: [Duration; 3],
    seen: BTreeSet<Vec<u8>>,
}

impl Call {
    fn new(held_up: [u64; 3]) -> Self {
        let mut world = World::new();
        let (_, published) = world.join(ROOM, &[Section::Audio, Section::Video]);
        let (_, slots) = world.join(ROOM, &[Section::AudioSlot, Section::VideoSlot]);
        world.connect();
        world.wish(1, 1);
        world.wish(1, 2);
        let held_up = held_up.map(Duration::from_millis);
        Self { world, published, slots, time: 0, held_up, seen: BTreeSet::new() }
    }

    /// Each packet ends with the time at which it was captured.
    fn talk(&mut self, seconds: u32) {
        for _ in 0..seconds * 25 {
            let now = self.world.now;
            let is_key = self.world.clients[0].wants_keyframe(self.published[1], None) || self.time == 0;
            let picture = vec![0x90, 0x80, 0x01, u8::from(!is_key)];
            for (place, codec, head) in [(0, Codec::Opus, vec![0x78; 20]), (1, Codec::Vp8, picture)] {
                let captured = self.time + 1_000 - LAGS[place];
                let payload = [head.as_slice(), &[0; 20], &captured.to_be_bytes()].concat();
                let timestamp = STARTS[place].wrapping_add(captured * (RATES[place] / 1_000));
                let packets = vec![(payload, ExtensionValues::default())];
                let frame = Frame { codec, timestamp, packets };
                let captured = now - Duration::from_millis(LAGS[place].into());
                self.world.clients[0].send_frame(self.published[place], None, frame, captured);
            }
            self.world.clients[0].tick(now);
            self.world.collect();
            for _ in 0..8 {
                self.hold_up();
                self.world.run(Duration::from_millis(5));
            }
            self.time += 40;
        }
    }

    /// What is under way is seen at least once: the way takes 10 ms.
    fn hold_up(&mut self) {
        let publisher = self.world.clients[0].address;
        for (arrives, from, _, bytes) in &mut self.world.flying {
            let is_report = *from == publisher && (192..224).contains(bytes.get(1).unwrap_or(&0));
            if is_report && self.seen.insert(bytes.clone()) {
                *arrives += self.held_up[self.seen.len() % self.held_up.len()];
            }
        }
    }

    /// How much later than it was captured a stream's last packet is said to have been, in milliseconds; both clocks start anywhere.
    fn offset(&self, place: usize) -> i64 {
        let client = &self.world.clients[1];
        let packet = client.got(self.slots[place]).last().unwrap();
        let report = client.reports[&packet.header.ssrc];
        let reported = u32::try_from(report.rtp_time.numer() & 0xffff_ffff).unwrap();
        let ahead = i64::from(packet.header.timestamp.wrapping_sub(reported).cast_signed());
        let sent = i64::try_from(report.ntp_time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let stamp = u32::from_be_bytes(*packet.payload.last_chunk::<4>().unwrap());
        sent + ahead * 1_000 / i64::from(RATES[place]) - i64::from(stamp)
    }

    fn apart(&self) -> i64 {
        (self.offset(0) - self.offset(1)).abs()
    }
}

#[test]
fn trap_10_reports_that_come_late_take_no_stream_away_from_the_others() {
    // The second: the first report of all is the latest, and later ones seem to come before they were sent.
    for held_up in [[300, 0, 150], [0, 300, 150]] {
        let mut call = Call::new(held_up);
        call.talk(12);
        for turn in 0..12 {
            call.talk(1);
            assert!(call.apart() <= 5, "{held_up:?}: {} ms apart in second {turn}", call.apart());
        }
        assert!(call.seen.len() >= 12, "a report each second: {}", call.seen.len());
    }
}
