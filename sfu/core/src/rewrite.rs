//! One subscriber's view of a track: one stream that never jumps, whatever it is made of.
//!
//! What is forwarded of one layer between two switches is a *segment*. Within it numbers keep their distances, except for
//! what was left out on purpose. A decision about a number is never taken back.
mod frames;
mod sent;
mod sequences;
mod timeline;

use std::time::{Duration, Instant};

pub(crate) use timeline::Clock;
pub use timeline::SenderReport;

use crate::packet::{Codec, Prefix, low_u8, low_u16};
use crate::payload::{self, Numbers};
use crate::retransmit::Cached;
use frames::{Frames, Verdict};
pub(crate) use sent::Resend;
use sent::{Sent, SentLog};
use sequences::Sequences;
use timeline::Timeline;

/// Rewrites one track for one sink.
#[derive(Debug)]
pub(crate) struct Rewriter {
    codec: Codec,
    born: Instant,
    timeline: Timeline,
    segment: Option<Segment>,
    /// The latest segments, by the low bits of their number: retransmissions still come from them.
    marks: [Option<Mark>; MARKS],
    segments: u64,
    /// One past the highest number that was sent.
    next: u64,
    /// The packet with the highest number ended its frame.
    is_frame_ended: bool,
    /// The highest numbers that were sent.
    numbers: Option<Numbers>,
    /// Where the newest keyframe began: nothing before it is repaired any more.
    keyframe: u64,
    sent: SentLog,
}

/// The numbers that a track ended with at a sink. What follows in the same media section goes on from there: a decoder that finds
/// its old numbers again takes new frames for continuations of old ones, and shows one person's picture in another's.
#[derive(Debug, Clone, Copy)]
pub struct LastNumbers {
    codec: Codec,
    numbers: Numbers,
}

/// Where a segment's packets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Simulcast layer.
    pub(crate) layer: u8,
    /// How often its stream has begun anew.
    pub(crate) generation: u32,
}

#[derive(Debug)]
struct Segment {
    sequences: Sequences,
    frames: Frames,
    mark: Mark,
    tl0_offset: u8,
}

/// What retransmissions need to know of a segment.
#[derive(Debug, Clone, Copy)]
struct Mark {
    number: u8,
    origin: Origin,
    timestamp_offset: u32,
    key_index_offset: u8,
}

/// The header fields of a packet for the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) prefix: Prefix,
    pub(crate) frame_number: Option<u16>,
    /// It only stands for a number that was kept free for what is not sent after all.
    pub(crate) is_filler: bool,
}

/// Why a layer cannot be switched to with this keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind;

/// How a segment may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With a keyframe that has just come; one too far behind is refused.
    Live,
    /// The same, whatever its time: the last try was refused.
    Forced,
    /// With a keyframe from the cache, which must be newer than everything sent.
    Replayed,
}

impl Rewriter {
    pub(crate) fn new(codec: Codec, sent: usize, now: Instant) -> Self {
        Self {
            codec,
            born: now,
            timeline: Timeline::new(codec.clock_rate()),
            segment: None,
            marks: [None; MARKS],
            segments: 0,
            next: 0,
            is_frame_ended: true,
            numbers: None,
            keyframe: 0,
            sent: SentLog::new(sent),
        }
    }

    /// Goes on from what the sink saw before in the same section, if that was of the same codec.
    pub(crate) fn follow(&mut self, last: LastNumbers) {
        if last.codec == self.codec {
            self.numbers = Some(last.numbers);
        }
    }

    /// The highest numbers so far.
    pub(crate) fn last_numbers(&self) -> Option<LastNumbers> {
        self.numbers.map(|numbers| LastNumbers { codec: self.codec, numbers })
    }

    /// Begins a segment with the packet `first`. `clock` is what its layer's sender reports say.
    pub(crate) fn begin(&mut self, origin: Origin, first: &Cached, clock: &Clock, begin: Begin) -> Result<(), Behind> {
        let same = self.segment.as_ref().filter(|segment| segment.mark.origin == origin);
        let kept = same.map(|segment| segment.mark.timestamp_offset);
        let timestamp_offset = self.timeline.begin(first.packet.timestamp, first.at, clock, kept, begin)?;
        if self.segment.is_none() {
            // Low, so that a receiver that misses the first packets cannot mistake the turn of the number.
            self.next = u64::from(first.packet.sequence & 0x7fff) + (1 << 16);
        } else if !self.is_frame_ended {
            // A number is left out: the decoder then knows that the last frame is incomplete.
            self.next += 1;
        }
        let picture = first.description.picture;
        let before = self.numbers;
        let follow =
            |input: u8, before: Option<u8>| before.map_or(0, |before| before.wrapping_add(1).wrapping_sub(input));
        let mark = Mark {
            number: low_u8(self.segments),
            origin,
            timestamp_offset,
            key_index_offset: follow(picture.key_index.unwrap_or_default(), before.map(|numbers| numbers.key_index)),
        };
        let id = before.map_or_else(
            || picture.id.map_or(0, |id| id.value),
            |numbers| if picture.id.is_some() { numbers.picture_id.wrapping_add(1) } else { numbers.picture_id },
        );
        self.segment = Some(Segment {
            sequences: Sequences::new(first.sequence, self.next),
            frames: Frames::new(payload::closes_picture_ids(self.codec), first, id),
            mark,
            tl0_offset: follow(picture.tl0.unwrap_or_default(), before.map(|numbers| numbers.tl0)),
        });
        if let Some(place) = self.marks.get_mut(usize::from(mark.number) % MARKS) {
            *place = Some(mark);
        }
        self.segments += 1;
        self.is_frame_ended = true;
        Ok(())
    }

    /// Rewrites a packet of the current segment's origin; `None` leaves it out. `temporal` is the highest temporal layer wanted.
    pub(crate) fn rewrite(&mut self, cached: &Cached, temporal: u8) -> Option<Rewritten> {
        let segment = self.segment.as_mut()?;
        // Padding serves the path from the publisher, not the one to the sink.
        let is_padding = cached.packet.payload.is_empty();
        let verdict = if is_padding { Verdict::LeftOut } else { segment.frames.judge(cached, temporal) };
        let timestamp = cached.packet.timestamp.wrapping_add(segment.mark.timestamp_offset);
        let (sequence, numbers) = match verdict {
            Verdict::Kept { picture_id } => {
                let sequence = segment.sequences.forward(cached.sequence)?;
                let picture = cached.description.picture;
                let numbers = Numbers {
                    picture_id,
                    tl0: picture.tl0.unwrap_or_default().wrapping_add(segment.tl0_offset),
                    key_index: picture.key_index.unwrap_or_default().wrapping_add(segment.mark.key_index_offset),
                };
                (sequence, numbers)
            }
            Verdict::LeftOut => {
                let sequence = segment.sequences.leave_out(cached.sequence, self.next)?;
                let mark = segment.mark;
                self.sent.push(sequence, Sent::filler(mark.number));
                return Some(self.advance(Rewritten::filler(sequence, timestamp)));
            }
            Verdict::TooOld => return None,
        };
        let mark = segment.mark;
        self.sent.push(sequence, Sent::new(low_u16(cached.sequence), mark.number, numbers));
        if cached.description.is_keyframe {
            self.keyframe = self.keyframe.max(sequence);
        }
        if sequence >= self.next {
            self.numbers = Some(numbers);
            self.timeline.sent(timestamp, cached.at);
        }
        let rewritten = self.patched(cached, sequence, timestamp, numbers, Prefix::NONE);
        Some(self.advance(rewritten))
    }

    /// What a NACK of `sequence` is answered with, if anything.
    pub(crate) fn resend(&mut self, sequence: u16, now: Instant, rtt: Duration) -> Option<(Origin, Resend)> {
        let behind = low_u16(self.next).wrapping_sub(sequence);
        let number = self.next.checked_sub(u64::from(behind)).filter(|number| *number < self.next)?;
        if number < self.keyframe {
            return None;
        }
        let elapsed = now.saturating_duration_since(self.born);
        let resend = self.sent.resend(number, elapsed, rtt)?;
        let mark = self.mark(resend.sent.segment)?;
        Some((mark.origin, resend))
    }

    /// Rewrites a packet exactly as it was the first time; `prefix` holds what goes before.
    pub(crate) fn repeat(&self, resend: &Resend, cached: Option<&Cached>, prefix: Prefix) -> Option<Rewritten> {
        let mark = self.mark(resend.sent.segment)?;
        let Some(cached) = cached else {
            return resend.sent.is_filler.then(|| Rewritten { prefix, ..Rewritten::filler(resend.sequence, 0) });
        };
        let key_index = cached.description.picture.key_index.unwrap_or_default().wrapping_add(mark.key_index_offset);
        let numbers = Numbers { picture_id: resend.sent.picture_id, tl0: resend.sent.tl0, key_index };
        let timestamp = cached.packet.timestamp.wrapping_add(mark.timestamp_offset);
        Some(self.patched(cached, resend.sequence, timestamp, numbers, prefix))
    }

    /// A sender report came for the layer `origin`; what it says on the sink's timeline, if that layer is what the sink sees.
    pub(crate) fn handle_sender_report(&mut self, origin: Origin, report: SenderReport) -> Option<SenderReport> {
        let mark = self.segment.as_ref().map(|segment| segment.mark).filter(|mark| mark.origin == origin)?;
        let report = SenderReport { rtp: report.rtp.wrapping_add(mark.timestamp_offset), ..report };
        self.timeline.refer_to(report);
        Some(report)
    }

    fn mark(&self, number: u8) -> Option<Mark> {
        let mark = self.marks.get(usize::from(number) % MARKS).copied().flatten()?;
        (mark.number == number).then_some(mark)
    }

    fn patched(&self, cached: &Cached, sequence: u64, timestamp: u32, numbers: Numbers, prefix: Prefix) -> Rewritten {
        let mut prefix = prefix;
        payload::patch(self.codec, &cached.packet.payload, numbers, &mut prefix);
        let is_frame_number = cached.description.picture.id.is_some_and(|id| id.bits == 16);
        Rewritten {
            sequence,
            timestamp,
            marker: cached.packet.marker,
            prefix,
            frame_number: is_frame_number.then_some(numbers.picture_id),
            is_filler: false,
        }
    }

    fn advance(&mut self, rewritten: Rewritten) -> Rewritten {
        if rewritten.sequence >= self.next {
            self.next = rewritten.sequence + 1;
            self.is_frame_ended = match self.codec {
                Codec::Opus => true,
                _ if rewritten.is_filler => self.is_frame_ended,
                Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => rewritten.marker,
            };
        }
        rewritten
    }
}

impl Rewritten {
    const fn filler(sequence: u64, timestamp: u32) -> Self {
        Self { sequence, timestamp, marker: false, prefix: Prefix::NONE, frame_number: None, is_filler: true }
    }
}

/// How many segments back retransmissions reach.
const MARKS: usize = 8;
