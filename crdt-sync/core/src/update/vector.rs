use std::collections::BTreeMap;

use super::lib0::{Cursor, put_number};
use super::{ClientId, Clock, UpdateError};

/// How many units of each author are known, counted from the first: Yjs's state vector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateVector {
    clocks: BTreeMap<ClientId, Clock>,
}

impl StateVector {
    /// That of an empty document.
    #[must_use]
    pub const fn new() -> Self {
        Self { clocks: BTreeMap::new() }
    }

    /// Reads lib0's layout. What follows it is ignored, as Yjs does.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] if it ends too early or a number is out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, UpdateError> {
        let mut cursor = Cursor::new(bytes);
        let mut vector = Self::new();
        for _ in 0..cursor.number()? {
            let client = cursor.number()?;
            vector.set_max(client, cursor.number()?);
        }
        Ok(vector)
    }

    /// Writes lib0's layout, the largest author first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.clocks.len() * 8);
        put_number(&mut out, self.clocks.len() as u64);
        for (client, clock) in self.clocks.iter().rev() {
            put_number(&mut out, *client);
            put_number(&mut out, *clock);
        }
        out
    }

    /// The first unknown clock of an author.
    #[must_use]
    pub fn get(&self, client: ClientId) -> Clock {
        self.clocks.get(&client).copied().unwrap_or(0)
    }

    /// Raises an author's clock; never lowers it.
    pub fn set_max(&mut self, client: ClientId, clock: Clock) {
        if clock > 0 {
            let known = self.clocks.entry(client).or_insert(0);
            *known = clock.max(*known);
        }
    }

    /// Raises every clock to that of `other`.
    pub fn join(&mut self, other: &Self) {
        for (client, clock) in other.iter() {
            self.set_max(client, clock);
        }
    }

    /// Whether everything below `other` lies below this one, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(client, clock)| clock <= self.get(client))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// How many authors it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clocks.len()
    }

    /// The authors and their clocks, the smallest author first. No clock is 0.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ClientId, Clock)> {
        self.clocks.iter().map(|(client, clock)| (*client, *clock))
    }

    /// Lowers an author's clock, or sets it: what is the least that someone waits for.
    pub(super) fn set_min(&mut self, client: ClientId, clock: Clock) {
        let least = self.clocks.entry(client).or_insert(clock);
        *least = clock.min(*least);
    }
}

impl FromIterator<(ClientId, Clock)> for StateVector {
    /// The highest clock of each author counts.
    fn from_iter<I: IntoIterator<Item = (ClientId, Clock)>>(clocks: I) -> Self {
        let mut vector = Self::new();
        for (client, clock) in clocks {
            vector.set_max(client, clock);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_that_of_yjs() {
        let vector: StateVector = [(1, 5), (300, 2), (7, 0)].into_iter().collect();
        assert_eq!(vector.encode(), [2, 0xac, 2, 2, 1, 5]);
        assert_eq!(StateVector::decode(&[2, 1, 5, 0xac, 2, 2, 99]), Ok(vector));
        assert_eq!(StateVector::decode(&[2, 1, 5]), Err(UpdateError::Truncated));
        assert_eq!(StateVector::decode(&[3, 1, 5, 1, 3, 1, 4]).map(|vector| vector.get(1)), Ok(5));
    }

    #[test]
    fn a_count_alone_reserves_nothing() {
        let bomb = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1];
        assert_eq!(StateVector::decode(&bomb), Err(UpdateError::Truncated));
    }

    proptest! {
        #[test]
        fn a_join_covers_both(one in clocks(), other in clocks()) {
            let (one, other): (StateVector, StateVector) = (one.into_iter().collect(), other.into_iter().collect());
            let mut both = one.clone();
            both.join(&other);
            prop_assert!(both.covers(&one) && both.covers(&other));
            prop_assert_eq!(one.covers(&other), both == one);
            prop_assert_eq!(StateVector::decode(&both.encode()), Ok(both));
        }
    }

    fn clocks() -> impl Strategy<Value = Vec<(ClientId, Clock)>> {
        prop::collection::vec((0..6u64, 0..9u64), 0..8)
    }
}
