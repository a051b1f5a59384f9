use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::handler::Passed;

/// The way from one worker to another.
///
/// The sender adds to a parcel, the receiver takes the whole parcel and leaves an empty one that it has emptied before, so buffers are
/// used over and over and the lock is held for a copy at most.
#[derive(Debug)]
pub(crate) struct Ring {
    parcel: Mutex<Parcel>,
    is_ready: AtomicBool,
    bytes_max: usize,
}

/// Datagrams on their way.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    handler: usize,
    tag: u64,
    from: SocketAddr,
    end: usize,
}

impl Ring {
    /// A ring of a group with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let bytes_max = (RINGS_BYTES / workers.max(1)).max(RING_BYTES_LEAST);
        Self { parcel: Mutex::default(), is_ready: AtomicBool::new(false), bytes_max }
    }

    /// Adds a datagram; false when the ring is full.
    pub(crate) fn push(&self, handler: usize, passed: Passed<'_>) -> bool {
        let mut parcel = self.parcel();
        let end = parcel.bytes.len() + passed.bytes.len();
        if end > self.bytes_max || parcel.entries.len() >= RING_DATAGRAMS {
            return false;
        }
        parcel.bytes.extend_from_slice(passed.bytes);
        parcel.entries.push(Entry { handler, tag: passed.tag, from: passed.from, end });
        true
    }

    /// Lets the receiver see what was added, once per turn. The caller wakes it afterwards.
    pub(crate) fn publish(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    /// Whether something was published and not taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Swaps the parcel with one that is empty.
    pub(crate) fn take(&self, empty: &mut Parcel) {
        debug_assert!(empty.entries.is_empty(), "an emptied parcel is handed in");
        self.is_ready.store(false, Ordering::Relaxed);
        std::mem::swap(&mut *self.parcel(), empty);
    }

    /// A panic while holding the lock cannot leave a parcel half changed: entries come after their bytes.
    fn parcel(&self) -> MutexGuard<'_, Parcel> {
        self.parcel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parcel {
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// The datagrams in order, each with the handler that it is for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Passed<'_>)> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let bytes = self.bytes.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            (entry.handler, Passed { tag: entry.tag, from: entry.from, bytes })
        })
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// Datagrams that wait in one ring, at most.
pub(crate) const RING_DATAGRAMS: usize = 2048;

/// Bytes that wait for one worker in all its rings, at most.
const RINGS_BYTES: usize = 4 << 20;

/// Bytes of one ring in a group of many workers; several datagrams of any length.
const RING_BYTES_LEAST: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_bounded_and_its_buffers_come_back() {
        let ring = Ring::new(2);
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        let mut count = 0;
        while ring.push(1, Passed { tag: count, from, bytes: b"0123" }) {
            count += 1;
        }
        assert_eq!(count, RING_DATAGRAMS as u64);
        let mut parcel = Parcel::default();
        ring.take(&mut parcel);
        let tags: Vec<_> = parcel.iter().map(|(handler, passed)| (handler, passed.tag, passed.bytes)).collect();
        assert_eq!(tags, (0..count).map(|tag| (1, tag, &b"0123"[..])).collect::<Vec<_>>());
        parcel.clear();
        let room = parcel.bytes.capacity();
        ring.take(&mut parcel);
        assert!(ring.push(1, Passed { tag: 0, from, bytes: &[0; 60_000] }));
        let mut total = 60_000;
        while ring.push(1, Passed { tag: 0, from, bytes: &[0; 60_000] }) {
            total += 60_000;
        }
        assert!((RINGS_BYTES / 2 - 60_000..=RINGS_BYTES / 2).contains(&total), "{total}");
        ring.take(&mut parcel);
        assert!(parcel.bytes.capacity() > room);
    }
}
