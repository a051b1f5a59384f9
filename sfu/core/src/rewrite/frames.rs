use crate::payload::PictureId;
use crate::retransmit::Cached;

/// What was decided about the latest frames of a segment, so that all packets of a frame share one fate.
#[derive(Debug)]
pub(super) struct Frames {
    closes_ids: bool,
    /// In the order of their timestamps, the newest last.
    log: [Frame; FRAMES],
    len: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    timestamp: u32,
    /// The publisher's picture id, and the sink's; of a frame that is left out, the one before it.
    id: u16,
    out_id: u16,
    is_kept: bool,
    /// The highest temporal layer that is forwarded after this frame.
    temporal: u8,
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent, with this picture id if it has one.
    Kept { picture_id: u16 },
    /// Its frame is of a layer that is not wanted.
    LeftOut,
    /// Nobody remembers what was decided about its frame.
    TooOld,
}

impl Frames {
    /// The frame of the packet `first` begins the segment and gets `out_id`.
    pub(super) fn new(closes_ids: bool, first: &Cached, out_id: u16) -> Self {
        let mut log = [Frame::default(); FRAMES];
        let frame = Frame {
            timestamp: first.packet.timestamp,
            id: value(first.description.picture.id),
            out_id,
            is_kept: true,
            // A keyframe opens all layers.
            temporal: u8::MAX,
        };
        if let Some(place) = log.first_mut() {
            *place = frame;
        }
        Self { closes_ids, log, len: 1 }
    }

    pub(super) fn judge(&mut self, cached: &Cached, target: u8) -> Verdict {
        let timestamp = cached.packet.timestamp;
        let known = self.log.get(..self.len).unwrap_or_default();
        // Nearly always the newest.
        let before = known.iter().rposition(|frame| !is_after(frame.timestamp, timestamp));
        let Some((place, frame)) = before.and_then(|place| Some((place, *known.get(place)?))) else {
            return Verdict::TooOld;
        };
        if frame.timestamp == timestamp {
            return frame.verdict();
        }
        let is_newest = place + 1 == self.len;
        let mut next = self.next(frame, cached, if is_newest { target } else { frame.temporal });
        if self.closes_ids && !next.is_kept && !self.close_after(place) {
            next.out_id = next.out_id.wrapping_add(1);
        }
        self.insert(place + 1, next);
        next.verdict()
    }

    /// Decides about a frame that comes after `before`.
    fn next(&self, before: Frame, cached: &Cached, target: u8) -> Frame {
        let description = &cached.description;
        let mut temporal = before.temporal.min(target);
        if description.is_keyframe {
            temporal = target;
        } else if description.is_switching_point
            && description.temporal <= target
            && temporal.checked_add(1) == Some(description.temporal)
        {
            temporal = description.temporal;
        }
        let is_kept = description.temporal <= temporal;
        if is_kept && description.opens_upper_layers {
            temporal = target;
        }
        let step = step(before.id, description.picture.id);
        let closed = u16::from(self.closes_ids && !is_kept && step > 0);
        let out_id = before.out_id.wrapping_add(step).wrapping_sub(closed);
        Frame { timestamp: cached.packet.timestamp, id: value(description.picture.id), out_id, is_kept, temporal }
    }

    /// A frame after `place` is left out. Unless something that follows was sent, its picture id closes; returns whether it does.
    fn close_after(&mut self, place: usize) -> bool {
        let after = self.log.get_mut(place + 1..self.len).unwrap_or_default();
        let can_close = after.iter().all(|frame| !frame.is_kept);
        if can_close {
            after.iter_mut().for_each(|frame| frame.out_id = frame.out_id.wrapping_sub(1));
        }
        can_close
    }

    fn insert(&mut self, place: usize, frame: Frame) {
        let mut place = place;
        if self.len == FRAMES {
            self.log.copy_within(1.., 0);
            place -= 1;
        } else {
            self.len += 1;
        }
        if place + 1 < self.len {
            self.log.copy_within(place..self.len - 1, place + 1);
        }
        if let Some(slot) = self.log.get_mut(place) {
            *slot = frame;
        }
    }
}

impl Frame {
    const fn verdict(self) -> Verdict {
        if self.is_kept { Verdict::Kept { picture_id: self.out_id } } else { Verdict::LeftOut }
    }
}

/// Whether the timestamp `a` is later than `b`, across the wrap.
pub(super) const fn is_after(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

fn value(id: Option<PictureId>) -> u16 {
    id.map_or(0, |id| id.value)
}

/// How far `id` is from `before`, in the id's own width.
fn step(before: u16, id: Option<PictureId>) -> u16 {
    let Some(id) = id else { return 0 };
    let mask = u16::try_from((1_u32 << id.bits) - 1).unwrap_or(u16::MAX);
    id.value.wrapping_sub(before) & mask
}

/// How many frames are remembered: half a second of 30 frames per second.
const FRAMES: usize = 16;
