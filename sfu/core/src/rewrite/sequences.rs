/// Sequence numbers of one segment: they keep their distances, except where something was left out.
///
/// A number that is missing when later ones are sent keeps its place, for it may still come.
#[derive(Debug)]
pub(super) struct Sequences {
    first: u64,
    /// From `start` on, up to the next range, `offset` is added. The last one is current.
    ranges: [Range; RANGES],
    len: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Range {
    start: u64,
    offset: u64,
}

impl Sequences {
    /// `first` becomes `sequence`.
    pub(super) fn new(first: u64, sequence: u64) -> Self {
        let mut ranges = [Range::default(); RANGES];
        if let Some(range) = ranges.first_mut() {
            *range = Range { start: first, offset: sequence.wrapping_sub(first) };
        }
        Self { first, ranges, len: 1 }
    }

    /// The number of a packet that is sent. `None`: it is of before the segment, or too old to know.
    pub(super) fn forward(&self, number: u64) -> Option<u64> {
        self.offset(number).map(|offset| number.wrapping_add(offset))
    }

    /// A packet is not sent. If one was that comes after it, its place is taken, and is returned to be filled. `next` is one past
    /// the highest number that was sent.
    pub(super) fn leave_out(&mut self, number: u64, next: u64) -> Option<u64> {
        let offset = self.offset(number)?;
        let place = number.wrapping_add(offset);
        if place < next {
            return Some(place);
        }
        let known = self.ranges.get_mut(..self.len).unwrap_or_default();
        let mut after = 0;
        for (index, range) in known.iter_mut().enumerate() {
            if range.start <= number {
                after = index + 1;
            } else {
                range.offset = range.offset.wrapping_sub(1);
            }
        }
        self.insert(after, Range { start: number + 1, offset: offset.wrapping_sub(1) });
        None
    }

    /// Adds a range, in place of the one before if nothing is left of that, or of the one after if it begins there.
    fn insert(&mut self, place: usize, range: Range) {
        let mut place = place;
        if self.ranges.get(..self.len).unwrap_or_default().get(place).is_some_and(|after| after.start == range.start) {
            return;
        }
        let is_run = place > 1 && self.ranges.get(place - 1).is_some_and(|before| before.start + 1 == range.start);
        if is_run {
            place -= 1;
        } else {
            if self.len == RANGES {
                self.ranges.copy_within(1.., 0);
                place -= 1;
            } else {
                self.len += 1;
            }
            if place + 1 < self.len {
                self.ranges.copy_within(place..self.len - 1, place + 1);
            }
        }
        if let Some(slot) = self.ranges.get_mut(place) {
            *slot = range;
        }
    }

    fn offset(&self, number: u64) -> Option<u64> {
        if number < self.first {
            return None;
        }
        let known = self.ranges.get(..self.len).unwrap_or_default();
        known.iter().rev().find(|range| range.start <= number).map(|range| range.offset)
    }
}

/// How many changes of the offset are remembered for packets that come late.
const RANGES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_closes_and_what_is_missing_does_not() {
        let mut sequences = Sequences::new(100, 1_000);
        assert_eq!(sequences.forward(100), Some(1_000));
        assert_eq!(sequences.leave_out(101, 1_001), None);
        assert_eq!(sequences.leave_out(102, 1_001), None);
        assert_eq!(sequences.forward(103), Some(1_001));
        assert_eq!(sequences.forward(106), Some(1_004));
        assert_eq!(sequences.leave_out(108, 1_005), None);
        assert_eq!(sequences.forward(109), Some(1_006));
        assert_eq!(sequences.forward(107), Some(1_005), "late");
        assert_eq!(sequences.forward(104), Some(1_002), "later");
        assert_eq!(sequences.leave_out(105, 1_007), Some(1_003), "its place must be filled");
        assert_eq!(sequences.forward(99), None);
    }

    #[test]
    fn what_is_left_out_late_closes_if_nothing_after_it_was_sent() {
        let mut sequences = Sequences::new(100, 1_000);
        for left_out in [103, 105, 102, 104] {
            assert_eq!(sequences.leave_out(left_out, 1_001), None);
        }
        assert_eq!(sequences.forward(106), Some(1_002));
        assert_eq!(sequences.forward(101), Some(1_001));
    }

    #[test]
    fn what_is_older_than_the_ranges_is_not_guessed() {
        let mut sequences = Sequences::new(100, 1_000);
        for number in (102..400).step_by(2) {
            let next = sequences.forward(number - 1).unwrap_or(1_000) + 1;
            sequences.leave_out(number, next);
        }
        assert_eq!(sequences.forward(101), None);
    }
}
