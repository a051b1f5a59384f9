//! Ranges of one author's clocks.
use std::ops::Range;
use std::slice;

use super::Clock;

/// Ranges in order, which neither overlap nor touch. Most authors have few, some documents many: eight bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ranges {
    One(Span),
    /// Never only one.
    Many(Vec<Span>),
}

/// A range that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

/// Up to so many ranges are put into others one by one, although each may move all that follow it.
const FEW: usize = 8;

impl Span {
    /// `None` if it is empty. Clocks end far below 2^32.
    pub(super) fn new(range: &Range<Clock>) -> Option<Self> {
        let narrow = |clock| u32::try_from(clock).unwrap_or(u32::MAX);
        let (start, end) = (narrow(range.start), narrow(range.end));
        (start < end).then_some(Self { start, end })
    }

    pub(super) fn range(self) -> Range<Clock> {
        self.start.into()..self.end.into()
    }

    /// The parts of it below a clock and from there on.
    pub(super) fn split(self, clock: Clock) -> (Option<Self>, Option<Self>) {
        let Range { start, end } = self.range();
        let middle = clock.clamp(start, end);
        (Self::new(&(start..middle)), Self::new(&(middle..end)))
    }
}

impl Ranges {
    /// From spans in order of their starts. `None` if there are none.
    pub(super) fn from_sorted(spans: impl IntoIterator<Item = Span>) -> Option<Self> {
        let mut spans = spans.into_iter();
        let mut last = spans.next()?;
        let mut ranges = Vec::new();
        for span in spans {
            if span.start <= last.end {
                last.end = last.end.max(span.end);
            } else {
                ranges.push(last);
                last = span;
            }
        }
        if ranges.is_empty() {
            return Some(Self::One(last));
        }
        ranges.push(last);
        Some(Self::Many(ranges))
    }

    pub(super) fn as_slice(&self) -> &[Span] {
        match self {
            Self::One(span) => slice::from_ref(span),
            Self::Many(spans) => spans,
        }
    }

    pub(super) fn insert(&mut self, span: Span) {
        // Those that overlap the new one or touch it become one with it.
        let first = self.as_slice().partition_point(|other| other.end < span.start);
        let later = self.as_slice().get(first..).unwrap_or_default();
        let joined = later.get(..later.partition_point(|other| other.start <= span.end)).unwrap_or_default();
        let start = joined.first().map_or(span.start, |other| other.start.min(span.start));
        let end = joined.last().map_or(span.end, |other| other.end.max(span.end));
        self.replace(first, joined.len(), Span { start, end });
    }

    /// Puts one span in place of `count` others.
    fn replace(&mut self, first: usize, count: usize, span: Span) {
        match self {
            Self::One(only) if count == 1 => *only = span,
            Self::One(only) if first == 0 => *self = Self::Many(vec![span, *only]),
            Self::One(only) => *self = Self::Many(vec![*only, span]),
            Self::Many(spans) if count == spans.len() => *self = Self::One(span),
            Self::Many(spans) => drop(spans.splice(first..first + count, [span])),
        }
    }

    pub(super) fn union(&mut self, other: &Self) {
        let few = other.as_slice();
        if few.len() <= FEW {
            for span in few {
                self.insert(*span);
            }
            return;
        }
        let mut all = [self.as_slice(), few].concat();
        // It finds the two that are in order.
        all.sort();
        if let Some(both) = Self::from_sorted(all) {
            *self = both;
        }
    }

    /// The last one that begins at a clock or before.
    fn last_from(&self, clock: u32) -> Option<&Span> {
        let spans = self.as_slice();
        spans.partition_point(|span| span.start <= clock).checked_sub(1).and_then(|at| spans.get(at))
    }

    pub(super) fn contains(&self, span: Span) -> bool {
        self.last_from(span.start).is_some_and(|last| span.end <= last.end)
    }

    pub(super) fn touches(&self, span: Span) -> bool {
        self.last_from(span.end - 1).is_some_and(|last| span.start < last.end)
    }

    pub(super) fn contains_all(&self, other: &Self) -> bool {
        other.as_slice().iter().all(|span| self.contains(*span))
    }

    /// What it has and `other` has not.
    pub(super) fn difference(&self, other: &Self) -> Option<Self> {
        let mut left = Vec::new();
        let others = other.as_slice();
        for span in self.as_slice() {
            let mut start = span.start;
            let first = others.partition_point(|other| other.end <= start);
            let overlapping = others.iter().skip(first).take_while(|other| other.start < span.end);
            for other in overlapping {
                if start < other.start {
                    left.push(Span { start, end: other.start });
                }
                start = other.end;
            }
            if start < span.end {
                left.push(Span { start, end: span.end });
            }
        }
        Self::from_sorted(left)
    }

    /// The parts below a clock and from there on.
    pub(super) fn divide(&self, clock: Clock) -> (Option<Self>, Option<Self>) {
        let halves = || self.as_slice().iter().map(|span| span.split(clock));
        (Self::from_sorted(halves().filter_map(|half| half.0)), Self::from_sorted(halves().filter_map(|half| half.1)))
    }
}
