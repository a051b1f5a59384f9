use std::collections::HashMap;

use foldhash::quality::FixedState;

/// A hash map whose order of slots follows from the seed alone, and cannot be foretold without it.
pub(crate) type Table<K, V> = HashMap<K, V, FixedState>;

/// Values under numbers that are used again; a number's generation tells its users apart.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<(u32, Option<Box<T>>)>,
    free: Vec<u32>,
}

/// A place that is used again and again, and which of its users is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlabKey {
    /// The place.
    pub index: u32,
    /// Grows each time the place is used again.
    pub generation: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> SlabKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let mut generation = 0;
        if let Some((known, slot)) = self.slots.get_mut(index as usize) {
            *known = known.wrapping_add(1);
            generation = *known;
            *slot = Some(Box::new(value));
        }
        SlabKey { index, generation }
    }

    pub(crate) fn get(&self, key: SlabKey) -> Option<&T> {
        let (generation, slot) = self.slots.get(key.index as usize)?;
        if *generation == key.generation { slot.as_deref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        let (generation, slot) = self.slots.get_mut(key.index as usize)?;
        if *generation == key.generation { slot.as_deref_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: SlabKey) -> Option<Box<T>> {
        let (generation, slot) = self.slots.get_mut(key.index as usize)?;
        let value = if *generation == key.generation { slot.take() } else { None };
        if value.is_some() {
            self.free.push(key.index);
        }
        value
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// In the order of the places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlabKey, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, (generation, slot))| {
            let key = SlabKey { index: u32::try_from(index).ok()?, generation: *generation };
            slot.as_deref().map(|value| (key, value))
        })
    }
}
