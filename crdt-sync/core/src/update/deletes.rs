use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use super::lib0::{Cursor, put_number};
use super::ranges::{Ranges, Span};
use super::{CLOCK_END, ClientId, Clock, StateVector, UpdateError};

/// Which units were deleted. Ranges of one author neither overlap nor touch; they end at [`CLOCK_END`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteSet {
    authors: BTreeMap<ClientId, Ranges>,
}

impl DeleteSet {
    /// Without deletes.
    #[must_use]
    pub const fn new() -> Self {
        Self { authors: BTreeMap::new() }
    }

    /// Reads Yjs's layout V1, in whatever order and with whatever overlaps. What follows it is ignored.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] if it ends too early or a number is out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, UpdateError> {
        Self::read(&mut Cursor::new(bytes)).map(|(deletes, _)| deletes)
    }

    /// Also tells whether each author comes once, with ranges that are in order and not empty: yrs relies on that.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(Self, bool), UpdateError> {
        let mut deletes = Self::new();
        let mut is_tidy = true;
        let mut spans = Vec::new();
        // Of authors that come again.
        let mut again = Vec::new();
        for _ in 0..cursor.number()? {
            let client = cursor.number()?;
            let count = cursor.number()?;
            let mut last_end = 0;
            for _ in 0..count {
                let start = cursor.number()?;
                let end = start + cursor.number()?;
                if end > CLOCK_END {
                    return Err(UpdateError::Number);
                }
                is_tidy &= last_end <= start && start < end;
                last_end = end;
                spans.extend(Span::new(&(start..end)));
            }
            spans.sort();
            let ranges = Ranges::from_sorted(spans.drain(..));
            is_tidy &= ranges.is_some();
            let Some(ranges) = ranges else { continue };
            match deletes.authors.entry(client) {
                Entry::Vacant(entry) => drop(entry.insert(ranges)),
                Entry::Occupied(_) => again.extend(ranges.as_slice().iter().map(|span| (client, *span))),
            }
        }
        is_tidy &= again.is_empty();
        deletes.union(&Self::from_spans(again));
        Ok((deletes, is_tidy))
    }

    fn from_spans(mut spans: Vec<(ClientId, Span)>) -> Self {
        spans.sort();
        let authors = spans.chunk_by(|one, next| one.0 == next.0).filter_map(|of_author| {
            let ranges = Ranges::from_sorted(of_author.iter().map(|(_, span)| *span))?;
            Some((of_author.first()?.0, ranges))
        });
        Self { authors: authors.collect() }
    }

    /// Writes Yjs's layout V1, the largest author first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_number(out, self.authors.len() as u64);
        for (client, ranges) in self.authors.iter().rev() {
            let spans = ranges.as_slice();
            put_number(out, *client);
            put_number(out, spans.len() as u64);
            for range in spans.iter().map(|span| span.range()) {
                put_number(out, range.start);
                put_number(out, range.end - range.start);
            }
        }
    }

    /// Adds a range.
    pub fn insert(&mut self, client: ClientId, range: Range<Clock>) {
        let Some(span) = Span::new(&range) else { return };
        match self.authors.entry(client) {
            Entry::Vacant(entry) => drop(entry.insert(Ranges::One(span))),
            Entry::Occupied(entry) => entry.into_mut().insert(span),
        }
    }

    /// Whether a unit is deleted.
    #[must_use]
    pub fn contains(&self, client: ClientId, clock: Clock) -> bool {
        self.touches(client, clock..clock + 1)
    }

    /// Whether all units of a range are deleted.
    #[must_use]
    pub fn contains_range(&self, client: ClientId, range: Range<Clock>) -> bool {
        Span::new(&range).is_none_or(|span| self.authors.get(&client).is_some_and(|ranges| ranges.contains(span)))
    }

    /// Whether a unit of a range is deleted.
    #[must_use]
    pub fn touches(&self, client: ClientId, range: Range<Clock>) -> bool {
        Span::new(&range).is_some_and(|span| self.authors.get(&client).is_some_and(|ranges| ranges.touches(span)))
    }

    /// Whether it has all deletes of `other`.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        let has = |(client, ranges)| self.authors.get(client).is_some_and(|own: &Ranges| own.contains_all(ranges));
        other.authors.iter().all(has)
    }

    /// What it has and `other` has not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let left = self.authors.iter().filter_map(|(client, ranges)| {
            let left = match other.authors.get(client) {
                Some(others) => ranges.difference(others),
                None => Some(ranges.clone()),
            };
            left.map(|left| (*client, left))
        });
        Self { authors: left.collect() }
    }

    /// Adds the deletes of `other`.
    pub fn union(&mut self, other: &Self) {
        for (client, ranges) in &other.authors {
            match self.authors.entry(*client) {
                Entry::Vacant(entry) => drop(entry.insert(ranges.clone())),
                Entry::Occupied(entry) => entry.into_mut().union(ranges),
            }
        }
    }

    /// The deletes of units below `known`, and the others.
    #[must_use]
    pub fn clip(&self, known: &StateVector) -> (Self, Self) {
        self.divide(|client| known.get(client))
    }

    /// The deletes of units below each author's end, and the others.
    pub(super) fn divide(&self, end_of: impl Fn(ClientId) -> Clock) -> (Self, Self) {
        let (mut below, mut above) = (Self::new(), Self::new());
        for (client, ranges) in &self.authors {
            let (low, high) = ranges.divide(end_of(*client));
            below.authors.extend(low.map(|ranges| (*client, ranges)));
            above.authors.extend(high.map(|ranges| (*client, ranges)));
        }
        (below, above)
    }

    /// Whether nothing is deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authors.is_empty()
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.authors.values().map(|ranges| ranges.as_slice().len()).sum()
    }

    /// The ranges, the smallest author first, each one's in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ClientId, Range<Clock>)> {
        let authors = self.authors.iter();
        authors.flat_map(|(client, ranges)| ranges.as_slice().iter().map(|span| (*client, span.range())))
    }
}

impl FromIterator<(ClientId, Range<Clock>)> for DeleteSet {
    fn from_iter<I: IntoIterator<Item = (ClientId, Range<Clock>)>>(ranges: I) -> Self {
        Self::from_spans(ranges.into_iter().filter_map(|(client, range)| Some((client, Span::new(&range)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    type Units = BTreeSet<(ClientId, Clock)>;

    fn units(deletes: &DeleteSet) -> Units {
        deletes.iter().flat_map(|(client, range)| range.map(move |clock| (client, clock))).collect()
    }

    fn ranges() -> impl Strategy<Value = Vec<(ClientId, Range<Clock>)>> {
        prop::collection::vec((0..3u64, 0..24u64, 0..6u64), 0..12)
            .prop_map(|all| all.into_iter().map(|(client, start, len)| (client, start..start + len)).collect())
    }

    #[test]
    fn the_layout_is_that_of_yjs() {
        let deletes: DeleteSet = [(1, 4..6), (2, 9..10), (2, 0..1), (1, 6..7)].into_iter().collect();
        assert_eq!(deletes.encode(), [2, 2, 2, 0, 1, 9, 1, 1, 1, 4, 3]);
        assert_eq!(DeleteSet::decode(&deletes.encode()), Ok(deletes));
        assert_eq!(DeleteSet::decode(&[1, 1, 2, 0, 1]), Err(UpdateError::Truncated));
        assert_eq!(DeleteSet::decode(&[1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 7]), Err(UpdateError::Number));
    }

    #[test]
    fn what_yrs_misreads_is_untidy() {
        let is_tidy = |bytes: &[u8]| DeleteSet::read(&mut Cursor::new(bytes)).unwrap().1;
        assert!(is_tidy(&[2, 1, 2, 0, 1, 1, 1, 2, 1, 0, 5]));
        for untidy in [&[2, 1, 1, 0, 1, 1, 1, 3, 1][..], &[1, 1, 2, 3, 1, 0, 1], &[1, 1, 1, 3, 0], &[1, 1, 0]] {
            assert!(!is_tidy(untidy), "{untidy:?}");
        }
    }

    proptest! {
        #[test]
        fn insertion_in_any_order_is_the_same_set(ranges in ranges()) {
            let mut one_by_one = DeleteSet::new();
            for (client, range) in ranges.clone() {
                one_by_one.insert(client, range);
            }
            let expected: Units =
                ranges.iter().flat_map(|(client, range)| range.clone().map(|clock| (*client, clock))).collect();
            prop_assert_eq!(units(&one_by_one), expected);
            prop_assert_eq!(&one_by_one, &ranges.into_iter().collect::<DeleteSet>());
            prop_assert_eq!(DeleteSet::decode(&one_by_one.encode()), Ok(one_by_one));
        }

        #[test]
        fn arithmetic_is_that_of_sets(one in ranges(), other in ranges(), known in prop::array::uniform3(0..30u64)) {
            let (one, other): (DeleteSet, DeleteSet) = (one.into_iter().collect(), other.into_iter().collect());
            let (a, b) = (units(&one), units(&other));
            let mut both = one.clone();
            both.union(&other);
            prop_assert_eq!(units(&both), &a | &b);
            prop_assert_eq!(units(&one.difference(&other)), &a - &b);
            prop_assert_eq!(one.contains_all(&other), b.is_subset(&a));
            let known: StateVector = (0..).zip(known).collect();
            let (below, above) = one.clip(&known);
            prop_assert_eq!(units(&below), a.iter().copied().filter(|(client, clock)| *clock < known.get(*client)).collect());
            let mut again = below;
            again.union(&above);
            prop_assert_eq!(&again, &one);
            for (client, start, end) in [(0, 3, 9), (1, 0, 24), (2, 7, 8)] {
                let range = (start..end).map(|clock| (client, clock)).collect::<Units>();
                prop_assert_eq!(one.contains_range(client, start..end), range.is_subset(&a));
                prop_assert_eq!(one.touches(client, start..end), !range.is_disjoint(&a));
                prop_assert_eq!(one.contains(client, start), a.contains(&(client, start)));
            }
        }
    }
}
