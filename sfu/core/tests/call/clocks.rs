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

/// The engine's payload type for it.
const VP8: u8 = 96;

const PICTURES_LATER: Duration = Duration::from_millis(200);

struct Call {
    world: World,
    published: Vec<Mid>,
    slots: Vec<Mid>,
    /// Milliseconds since the publisher began.
    time: u32,
    /// How long the publisher's reports are held up: each one as long as its turn says.
    held_up: [Duration; 3],
    reports: BTreeSet<Vec<u8>>,
    pictures: BTreeSet<Vec<u8>>,
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
        Self { world, published, slots, time: 0, held_up, reports: BTreeSet::new(), pictures: BTreeSet::new() }
    }

    /// Each packet ends with the time at which it was captured.
    fn talk(&mut self, seconds: u32) {
        for _ in 0..seconds * 25 {
            let (now, stamp) = (self.world.now, self.time.to_be_bytes());
            let is_key = self.world.clients[0].wants_keyframe(self.published[1], None) || self.time == 0;
            let picture = vec![0x90, 0x80, 0x01, u8::from(!is_key)];
            for (place, codec, head) in [(0, Codec::Opus, vec![0x78; 20]), (1, Codec::Vp8, picture)] {
                let payload = [head.as_slice(), &[0; 20], &stamp].concat();
                let timestamp = STARTS[place].wrapping_add(self.time * (RATES[place] / 1_000));
                let packets = vec![(payload, ExtensionValues::default())];
                let frame = Frame { codec, timestamp, packets };
                self.world.clients[0].send_frame(self.published[place], None, frame, now);
            }
            self.world.collect();
            for _ in 0..8 {
                self.hold_up();
                self.world.run(Duration::from_millis(5));
            }
            self.time += 40;
        }
    }

    /// What is under way is seen at least once: the way takes 10 ms. Pictures take longer than sound.
    fn hold_up(&mut self) {
        let publisher = self.world.clients[0].address;
        for (arrives, from, _, bytes) in &mut self.world.flying {
            let Some(kind) = bytes.get(1).filter(|_| *from == publisher && (128..192).contains(&bytes[0])) else {
                continue;
            };
            if (192..224).contains(kind) && self.reports.insert(bytes.clone()) {
                *arrives += self.held_up[self.reports.len() % self.held_up.len()];
            } else if kind & 0x7f == VP8 && self.pictures.insert(bytes.clone()) {
                *arrives += PICTURES_LATER;
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

/// Sound and picture are told to be of the same moment, second after second.
fn assert_together(mut call: Call) {
    call.talk(12);
    for turn in 0..12 {
        call.talk(1);
        assert!(call.apart() <= 5, "{} ms apart in second {turn}", call.apart());
    }
    assert!(call.reports.len() >= 12, "a report each second: {}", call.reports.len());
}

#[test]
fn trap_10_reports_that_come_late_take_no_stream_away_from_the_other() {
    assert_together(Call::new([300, 0, 150]));
}

#[test]
fn trap_10_a_first_report_that_comes_late_is_not_believed_for_ever() {
    assert_together(Call::new([0, 300, 150]));
}
