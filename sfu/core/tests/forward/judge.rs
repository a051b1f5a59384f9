//! Looks at everything one subscriber was sent and says what a receiver could not have lived with.
use std::collections::{BTreeMap, BTreeSet};

use stoa_sfu_core::{Outgoing, Stream};

use crate::publisher::{Content, Encoder, Seen, read};

/// When each packet was taken in, by its content.
pub(crate) type Arrivals = BTreeMap<Content, u64>;

#[derive(Debug, Clone, Copy)]
struct Sent {
    /// `None` fills a number.
    seen: Option<Seen>,
    timestamp: u32,
    step: u64,
    /// It came from the cache, where there was more.
    has_more: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Judge {
    sent: BTreeMap<u64, Sent>,
    payloads: BTreeMap<u64, Vec<u8>>,
    /// Steps at which the sink stopped getting what it got.
    pub(crate) interruptions: Vec<u64>,
    pub(crate) is_idle: bool,
}

impl Judge {
    pub(crate) fn take(&mut self, outgoing: &Outgoing, step: u64, has_more: bool) {
        let mut payload = Vec::new();
        outgoing.write_payload(&mut payload);
        assert_eq!(payload.len(), outgoing.payload_len());
        match outgoing.stream {
            Stream::Media { sequence } => {
                let seen = (!payload.is_empty()).then(|| read(&payload));
                let sent = Sent { seen, timestamp: outgoing.timestamp, step, has_more };
                assert!(self.sent.insert(sequence, sent).is_none(), "number {sequence} is used twice");
                self.payloads.insert(sequence, payload);
            }
            Stream::Rtx { original, .. } => {
                assert_eq!(payload[..2], (original as u16).to_be_bytes(), "OSN");
                assert_eq!(payload[2..], self.payloads[&original], "what is sent again is what was sent");
                let is_filler = self.sent[&original].seen.is_none();
                assert!(is_filler || self.sent[&original].timestamp == outgoing.timestamp);
            }
        }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.sent.keys().copied().collect()
    }

    pub(crate) fn frames(&self) -> BTreeSet<(u8, u8, u16)> {
        self.packets().map(|(_, _, seen)| frame(&seen.content)).collect()
    }

    pub(crate) fn layers(&self) -> Vec<u8> {
        let mut layers: Vec<_> = self.packets().map(|(_, _, seen)| seen.content.layer).collect();
        layers.dedup();
        layers
    }

    pub(crate) fn fillers(&self) -> usize {
        self.sent.values().filter(|sent| sent.seen.is_none()).count()
    }

    pub(crate) fn timestamps(&self) -> Vec<(Content, u32)> {
        self.packets().map(|(_, sent, seen)| (seen.content, sent.timestamp)).collect()
    }

    fn packets(&self) -> impl Iterator<Item = (u64, Sent, Seen)> {
        self.sent.iter().filter_map(|(number, sent)| Some((*number, *sent, sent.seen?)))
    }

    /// Judges. `encoders` are all generations of all layers that ever were.
    pub(crate) fn judge(&self, arrivals: &Arrivals, encoders: &[Encoder]) {
        let packets: Vec<_> = self.packets().collect();
        let mut segments: Vec<Vec<(u64, Sent, Seen)>> = Vec::new();
        for packet in packets {
            let before = segments.last().and_then(|segment| segment.last());
            let is_new = before.is_none_or(|before| self.is_boundary(before, &packet));
            if is_new {
                segments.push(Vec::new());
            }
            segments.last_mut().unwrap().push(packet);
        }
        for (place, segment) in segments.iter().enumerate() {
            let (first, start) = (segment[0], segment[0].1.step);
            assert!(first.2.is_key_start, "a segment begins with a keyframe: {first:?}");
            let end = segments.get(place + 1).map_or(u64::MAX, |next| next[0].1.step);
            let end = self.interruptions.iter().copied().filter(|step| *step >= start).min().unwrap_or(end).min(end);
            self.judge_numbers(segment, arrivals, end);
            judge_pictures(segment, arrivals, end, encoders);
            judge_decoding(segment, arrivals, end, encoders);
        }
        for pair in segments.windows(2) {
            self.judge_boundary(pair[0].last().unwrap(), &pair[1][0]);
        }
    }

    fn is_boundary(&self, before: &(u64, Sent, Seen), after: &(u64, Sent, Seen)) -> bool {
        let (a, b) = (before.2.content, after.2.content);
        let interrupted = self.interruptions.iter().any(|step| before.1.step <= *step && *step <= after.1.step);
        (a.layer, a.generation) != (b.layer, b.generation) || after.2.is_key_start && interrupted
    }

    fn judge_boundary(&self, before: &(u64, Sent, Seen), after: &(u64, Sent, Seen)) {
        let between = self.sent.range(before.0 + 1..after.0).count() as u64;
        let gap = after.0 - before.0 - 1 - between;
        assert!(gap <= 1, "{gap} numbers are missing at a switch: {before:?} {after:?}");
        let ahead = after.1.timestamp.wrapping_sub(before.1.timestamp);
        assert!(ahead > 0 && ahead < 1 << 31, "timestamps go backwards at a switch: {before:?} {after:?}");
        assert!(ahead < 90_000 * 60, "timestamps jump at a switch");
        assert_eq!(after.2.picture_id, before.2.picture_id.wrapping_add(1) & 0x7fff, "{before:?} {after:?}");
        assert_eq!(after.2.tl0, before.2.tl0.wrapping_add(1));
        assert_eq!(after.2.key_index, (before.2.key_index + 1) & 0x1f);
    }

    fn judge_numbers(&self, segment: &[(u64, Sent, Seen)], arrivals: &Arrivals, end: u64) {
        let (layer, generation) = (segment[0].2.content.layer, segment[0].2.content.generation);
        let came: BTreeSet<u32> = arrivals
            .iter()
            .filter(|(content, step)| (content.layer, content.generation) == (layer, generation) && **step < end)
            .map(|(content, _)| content.sequence)
            .collect();
        for pair in segment.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let (from, to) = (a.2.content.sequence, b.2.content.sequence);
            assert!(from < to, "order changed: {a:?} {b:?}");
            let fillers = self.sent.range(a.0 + 1..b.0).count() as u64;
            let gap = b.0 - a.0 - 1 - fillers;
            let lost = u64::from(to - from - 1) - came.range(from + 1..to).count() as u64;
            assert!(gap <= lost, "{gap} numbers are missing, {lost} were lost: {a:?} {b:?}");
            let ahead = b.1.timestamp.wrapping_sub(a.1.timestamp);
            assert!(ahead < 1 << 31, "timestamps go backwards");
            assert_eq!(ahead == 0, frame(&a.2.content) == frame(&b.2.content), "{a:?} {b:?}");
        }
    }
}

fn frame(content: &Content) -> (u8, u8, u16) {
    (content.layer, content.generation, content.frame)
}

/// Picture ids go on by one, but for frames that did not come, or came when later ones had been sent.
fn judge_pictures(segment: &[(u64, Sent, Seen)], arrivals: &Arrivals, end: u64, encoders: &[Encoder]) {
    let sent: BTreeSet<u16> = segment.iter().map(|packet| packet.2.content.frame).collect();
    for pair in segment.windows(2) {
        let (a, b) = (&pair[0].2, &pair[1].2);
        let step = b.picture_id.wrapping_sub(a.picture_id) & 0x7fff;
        if a.content.frame == b.content.frame {
            assert_eq!((step, a.tl0, a.key_index), (0, b.tl0, b.key_index), "{a:?} {b:?}");
            continue;
        }
        let first_of = |frame| came(arrivals, &b.content, frame).map(|(_, step)| step).filter(|step| *step < end).min();
        // Once a later frame was sent, the number of one that came after it could not be taken back.
        let is_sent = |frame: &u16| sent.contains(frame);
        let overtook = |n: u16| (n + 1..n + 30).filter(is_sent).filter_map(first_of).min();
        let is_late = |n: u16| first_of(n).is_none_or(|came| overtook(n).is_some_and(|sent| sent < came));
        let missing = (a.content.frame + 1..b.content.frame).filter(|n| is_late(*n));
        let missing = u16::try_from(missing.count()).unwrap();
        assert!((1..=1 + missing).contains(&step), "picture ids: {a:?} {b:?}, {missing} frames did not come");
        let encoder = encoder(encoders, &b.content);
        let bases = (a.content.frame + 1..=b.content.frame).filter(|n| encoder.frames[usize::from(*n)].temporal == 0);
        assert_eq!(usize::from(b.tl0.wrapping_sub(a.tl0)), bases.count(), "TL0PICIDX: {a:?} {b:?}");
    }
}

/// Every frame that is sent is complete, and so is what it needs, except for what did not come.
fn judge_decoding(segment: &[(u64, Sent, Seen)], arrivals: &Arrivals, end: u64, encoders: &[Encoder]) {
    let have: BTreeSet<(u16, u8)> =
        segment.iter().map(|packet| (packet.2.content.frame, packet.2.content.index)).collect();
    let frames: BTreeSet<u16> = have.iter().map(|(frame, _)| *frame).collect();
    let any = &segment[0].2.content;
    let encoder = encoder(encoders, any);
    // Who stops in the midst of catching up does without what was still to be sent.
    let last = segment[segment.len() - 1];
    let until = if last.1.has_more { last.2.content.sequence } else { u32::MAX };
    for number in &frames {
        let needs = encoder.frames[usize::from(*number)].needs;
        for needed in [Some(*number), needs].into_iter().flatten() {
            assert!(needed >= any.frame, "frame {number} needs {needed} of before the segment");
            for (packet, step) in came(arrivals, any, needed) {
                let is_there = have.contains(&(needed, packet.index));
                assert!(
                    is_there || step >= end || packet.sequence > until,
                    "frame {number} needs packet {} of {needed}, which was not sent: {any:?}",
                    packet.index
                );
            }
        }
    }
}

/// Which packets of a frame came, and when.
fn came(arrivals: &Arrivals, like: &Content, frame: u16) -> impl Iterator<Item = (Content, u64)> {
    let low = Content { frame, index: 0, count: 0, sequence: 0, ..*like };
    let high = Content { frame, index: u8::MAX, count: u8::MAX, sequence: u32::MAX, ..*like };
    arrivals.range(low..=high).map(|(content, step)| (*content, *step))
}

fn encoder<'a>(encoders: &'a [Encoder], content: &Content) -> &'a Encoder {
    let is_it = |encoder: &&Encoder| (encoder.layer, encoder.generation) == (content.layer, content.generation);
    encoders.iter().find(is_it).unwrap()
}
