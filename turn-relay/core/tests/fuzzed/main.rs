//! The corpora of `tests/fuzz`, each seed as it is and damaged at random: what a fuzzer does for hours, in a second and without one.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../relay/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
mod targets;

use std::fs;
use std::path::Path;

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        let byte = [0, 0xFF, 0x7F, 0x80, u8::try_from(dice.roll(256)).unwrap()][dice.roll(5)];
        match (dice.roll(6), bytes.get_mut(at)) {
            (0, _) => bytes.truncate(at),
            (1, _) => bytes.insert(at, byte),
            (2, _) => bytes.extend_from_slice(&other[..dice.roll(other.len() + 1)]),
            (3, Some(place)) => *place = byte,
            (4, Some(_)) => drop(bytes.remove(at)),
            (_, Some(place)) => *place ^= 1 << dice.roll(8),
            (_, None) => bytes.push(byte),
        }
    }
}

/// Each seed once, and then so many damaged ones.
fn replay(name: &str, times: usize, target: impl Fn(&[u8])) {
    let seeds = seeds(name);
    assert!(seeds.len() > 3, "the corpus is there");
    seeds.iter().for_each(|seed| target(seed));
    let mut dice = Dice(0xF0_22ED);
    for _ in 0..times {
        let mut bytes = seeds[dice.roll(seeds.len())].clone();
        let other = &seeds[dice.roll(seeds.len())];
        damage(&mut dice, &mut bytes, other);
        target(&bytes);
    }
}

#[test]
fn messages_are_read_and_written_again() {
    replay("turn-message", 100_000, targets::message);
}

#[test]
fn streams_are_cut_the_same_however_they_come() {
    replay("turn-stream", 5_000, targets::stream);
}

#[test]
fn a_relay_keeps_its_promises() {
    replay("turn-relay", 3_000, targets::relay);
}
