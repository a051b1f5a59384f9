//! The fuzzer's corpora, as they are and a little changed: a bounded share of what `cargo fuzz` does for hours (`tests/fuzz`).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![forbid(unsafe_code)]

mod targets;

use std::fs;
use std::path::Path;

use targets::{TARGETS, Target};

/// Inputs made of each file.
const MUTATIONS: u32 = 100;

fn replay(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{} has {} files", folder.display(), files.len());
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (place, seed) in seeds.iter().enumerate() {
        target(seed);
        mutate(target, seed, &seeds, place as u64 + 1);
    }
}

/// Bytes changed, cut, doubled, and taken from another file.
fn mutate(target: Target, seed: &[u8], others: &[Vec<u8>], number: u64) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for _ in 0..MUTATIONS {
        let mut bytes = seed.to_vec();
        for _ in 0..=random(4) {
            let (place, other) = (random(bytes.len()), &others[random(others.len())]);
            match random(6) {
                0 if !bytes.is_empty() => bytes[place] ^= 1 << random(8),
                1 if !bytes.is_empty() => bytes[place] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                2 => bytes.truncate(place),
                3 => bytes.extend_from_within(place.min(bytes.len())..),
                4 => bytes.extend_from_slice(&other[..random(other.len())]),
                _ => bytes.splice(place..place, other.iter().skip(random(other.len())).take(8).copied()).for_each(drop),
            }
            bytes.truncate(LONGEST);
        }
        target(&bytes);
    }
}

#[test]
fn datagrams_of_anybody_harm_nobody() {
    replay("datagram");
}

#[test]
fn packets_of_a_participant_harm_nobody() {
    replay("packets");
}

#[test]
fn payloads_are_described_or_not() {
    replay("payload");
}

#[test]
fn offers_are_answered_or_refused() {
    replay("offer");
}

const LONGEST: usize = 20_000;
