use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::random::Random;

/// Ports of one relay address that one worker may give out.
///
/// The range is dealt out in pairs of an even port and the next one, so that EVEN-PORT can always be served by one worker;
/// `port / 2 % workers` tells whose a port is.
#[derive(Debug)]
pub(crate) struct PortPool {
    low: u16,
    high: u16,
    worker: usize,
    workers: usize,
    /// Even ports whose successor is free as well.
    pairs: Vec<u16>,
    /// Free ports whose sibling is in use or outside of the range.
    singles: Vec<u16>,
    /// By `port - low`: where a port (of a pair: the even one) stands in its list, or `NOWHERE`.
    places: Box<[u16]>,
}

impl PortPool {
    /// The share of `worker` in `low..=high`. An empty range is a pool without ports.
    pub(crate) fn new(low: u16, high: u16, worker: usize, workers: usize) -> Self {
        let places = vec![NOWHERE; usize::from(high.saturating_sub(low)) + 1].into();
        let mut pool = Self { low, high, worker, workers: workers.max(1), pairs: vec![], singles: vec![], places };
        for port in (low.max(1)..=high).filter(|port| usize::from(port / 2) % workers.max(1) == worker) {
            pool.give_back(port);
        }
        pool
    }

    /// Whether the range has `port`, whoever may give it out.
    pub(crate) fn covers(&self, port: u16) -> bool {
        (self.low..=self.high).contains(&port) && port != 0
    }

    /// Whose a port is.
    pub(crate) fn worker_of(&self, port: u16) -> usize {
        usize::from(port / 2) % self.workers
    }

    /// How many workers share the range.
    pub(crate) const fn workers(&self) -> usize {
        self.workers
    }

    /// Any free port.
    pub(crate) fn take(&mut self, random: &mut Random) -> Option<u16> {
        if self.singles.is_empty() {
            return self.take_even(random);
        }
        let port = *self.singles.get(random.below(self.singles.len()))?;
        self.remove(port);
        Some(port)
    }

    /// Any free port when the one that was taken before could not be had. [`Self::take`] would offer its neighbour next, and then it again:
    /// who holds one of the two often holds both.
    pub(crate) fn take_another(&mut self, random: &mut Random) -> Option<u16> {
        if random.below((self.pairs.len() + self.singles.len()).max(1)) < self.pairs.len() {
            self.take_even(random)
        } else {
            self.take(random)
        }
    }

    /// A free even port.
    pub(crate) fn take_even(&mut self, random: &mut Random) -> Option<u16> {
        if let Some(even) = self.take_pair(random) {
            self.add_single(even + 1);
            return Some(even);
        }
        let evens = || self.singles.iter().copied().filter(|port| port.is_multiple_of(2));
        let even = evens().nth(random.below(evens().count().max(1)))?;
        self.remove(even);
        Some(even)
    }

    /// A free even port together with the next one, which is free as well.
    pub(crate) fn take_pair(&mut self, random: &mut Random) -> Option<u16> {
        if self.pairs.is_empty() {
            return None;
        }
        let even = *self.pairs.get(random.below(self.pairs.len()))?;
        self.remove(even);
        Some(even)
    }

    /// Takes back a port that was taken.
    pub(crate) fn give_back(&mut self, port: u16) {
        debug_assert!(self.covers(port) && self.worker_of(port) == self.worker, "port {port} is not of this pool");
        debug_assert!(self.place(port) == NOWHERE, "port {port} was free already");
        let sibling = port ^ 1;
        if self.covers(sibling) && self.is_single(sibling) {
            self.remove(sibling);
            let even = port.min(sibling);
            self.set_place(even, self.pairs.len());
            self.pairs.push(even);
        } else {
            self.add_single(port);
        }
    }

    /// How many ports are free.
    pub(crate) fn free(&self) -> usize {
        self.pairs.len() * 2 + self.singles.len()
    }

    fn add_single(&mut self, port: u16) {
        self.set_place(port, self.singles.len());
        self.singles.push(port);
    }

    fn is_single(&self, port: u16) -> bool {
        self.singles.get(usize::from(self.place(port))) == Some(&port)
    }

    fn remove(&mut self, port: u16) {
        let is_single = self.is_single(port);
        let place = usize::from(self.place(port));
        let list = if is_single { &mut self.singles } else { &mut self.pairs };
        list.swap_remove(place);
        let moved = list.get(place).copied();
        if let Some(moved) = moved {
            self.set_place(moved, place);
        }
        self.set_place(port, usize::from(NOWHERE));
    }

    fn place(&self, port: u16) -> u16 {
        self.places.get(usize::from(port.wrapping_sub(self.low))).copied().unwrap_or(NOWHERE)
    }

    fn set_place(&mut self, port: u16, place: usize) {
        if let Some(slot) = self.places.get_mut(usize::from(port.wrapping_sub(self.low))) {
            *slot = u16::try_from(place).unwrap_or(NOWHERE);
        }
    }
}

/// Which relayed ports all workers together have in use: what tells a worker whether a peer is another worker's relayed
/// address, and who has ports left when its own are used up.
#[derive(Debug)]
pub struct SharedPorts {
    /// For each relay address one bit per port.
    bits: Box<[AtomicU64]>,
    /// For each relay address and worker, how many ports for datagrams and for connections are free.
    free: Box<[[AtomicU32; 2]]>,
}

impl SharedPorts {
    /// For as many relay addresses as are configured.
    #[must_use]
    pub fn new(addresses: usize) -> Self {
        Self {
            bits: (0..addresses * WORDS).map(|_| AtomicU64::new(0)).collect(),
            free: (0..addresses * MAX_WORKERS).map(|_| Default::default()).collect(),
        }
    }

    /// The worker whose clients have `port` of the given relay address, if it is in use; `workers` as in [`Config`](crate::Config).
    #[must_use]
    pub fn worker_of(&self, address: usize, port: u16, workers: usize) -> Option<usize> {
        self.has(address, port).then(|| usize::from(port / 2) % workers.max(1))
    }

    /// Tells the others how many ports of a relay address a worker has left.
    pub(crate) fn note_free(&self, address: usize, worker: usize, is_tcp: bool, free: usize) {
        if let Some(place) = self.free_of(address, worker, is_tcp) {
            place.store(u32::try_from(free).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// The worker that has the most ports left of these relay addresses; `None` when nobody has any.
    pub(crate) fn roomiest(&self, addresses: &[usize], workers: usize, is_tcp: bool) -> Option<usize> {
        let free = |worker: usize| -> u64 {
            let places = addresses.iter().filter_map(|address| self.free_of(*address, worker, is_tcp));
            places.map(|place| u64::from(place.load(Ordering::Relaxed))).sum()
        };
        (0..workers).map(|worker| (free(worker), worker)).filter(|(free, _)| *free > 0).max().map(|(_, worker)| worker)
    }

    fn free_of(&self, address: usize, worker: usize, is_tcp: bool) -> Option<&AtomicU32> {
        let index = address * MAX_WORKERS + worker;
        let [udp, tcp] = self.free.get(index).filter(|_| worker < MAX_WORKERS)?;
        Some(if is_tcp { tcp } else { udp })
    }

    /// Whether `port` of the given relay address is in use.
    pub(crate) fn has(&self, address: usize, port: u16) -> bool {
        self.word(address, port).is_some_and(|word| word.load(Ordering::Relaxed) & bit(port) != 0)
    }

    pub(crate) fn set(&self, address: usize, port: u16) {
        self.word(address, port).map(|word| word.fetch_or(bit(port), Ordering::Relaxed));
    }

    /// Marks all ports of one worker as free.
    pub(crate) fn clear_worker(&self, worker: usize, workers: usize) {
        for (index, word) in self.bits.iter().enumerate() {
            let mut left = word.load(Ordering::Relaxed);
            // Nearly all are empty, so that only what is set is looked at.
            while left != 0 {
                let place = left.trailing_zeros();
                left &= left - 1;
                let port = index % WORDS * 64 + place as usize;
                if port / 2 % workers.max(1) == worker {
                    word.fetch_and(!(1 << place), Ordering::Relaxed);
                }
            }
        }
    }

    pub(crate) fn clear(&self, address: usize, port: u16) {
        self.word(address, port).map(|word| word.fetch_and(!bit(port), Ordering::Relaxed));
    }

    fn word(&self, address: usize, port: u16) -> Option<&AtomicU64> {
        self.bits.get(address * WORDS + usize::from(port) / 64)
    }
}

const fn bit(port: u16) -> u64 {
    1 << (port % 64)
}

const WORDS: usize = 65_536 / 64;
/// As [`Config::workers`](crate::Config::workers) says.
const MAX_WORKERS: usize = 256;
const NOWHERE: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_port_is_given_out_twice_or_lost(
            low in 1u16..40, length in 0u16..40, workers in 1usize..4, steps in prop::collection::vec((0u8..5, any::<u16>()), 0..200),
        ) {
            let mut random = Random::new([1; 32]);
            let mut pool = PortPool::new(low, low + length, 0, workers);
            let all = pool.free();
            let mut taken: Vec<u16> = vec![];
            for (step, pick) in steps {
                let got: Vec<u16> = match step {
                    0 => pool.take(&mut random).into_iter().collect(),
                    1 => pool.take_even(&mut random).into_iter().inspect(|port| assert_eq!(port % 2, 0)).collect(),
                    3 => pool.take_another(&mut random).into_iter().collect(),
                    2 => pool.take_pair(&mut random).into_iter().flat_map(|even| [even, even + 1]).collect(),
                    _ => {
                        if !taken.is_empty() {
                            pool.give_back(taken.swap_remove(usize::from(pick) % taken.len()));
                        }
                        vec![]
                    }
                };
                for port in got {
                    prop_assert!((low..=low + length).contains(&port) && pool.worker_of(port) == 0);
                    prop_assert!(!taken.contains(&port), "{} twice", port);
                    taken.push(port);
                }
                prop_assert_eq!(pool.free() + taken.len(), all);
            }
        }
    }

    #[test]
    fn a_worker_that_begins_anew_clears_its_own_ports() {
        let shared = SharedPorts::new(2);
        let ports = [0, 1, 2, 3, 62, 63, 64, 49_153, 65_534, u16::MAX];
        ports.iter().for_each(|port| (0..2).for_each(|address| shared.set(address, *port)));
        shared.clear_worker(2, 3);
        for port in ports {
            let is_its_own = port / 2 % 3 == 2;
            assert_eq!([shared.has(0, port), shared.has(1, port)], [!is_its_own; 2], "{port}");
            assert_eq!(shared.worker_of(0, port, 3), (!is_its_own).then_some(usize::from(port / 2 % 3)));
        }
    }

    #[test]
    fn all_workers_together_have_every_port_once() {
        let shares: usize = (0..3).map(|worker| PortPool::new(49_152, 65_535, worker, 3).free()).sum();
        assert_eq!(shares, 16_384);
    }
}
