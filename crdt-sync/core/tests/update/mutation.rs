//! Damaged updates: never a panic here, and what is accepted does not make yrs or Yjs fail.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use bytes::Bytes;
use stoa_crdt_sync_core::update::{DeleteSet, Kind, StateVector, Update, merge};

use crate::dice::Dice;
use crate::differential::sum;
use crate::oracle::{Case, Docket, Parts, Scenario, scenarios};
use crate::yrs_engine::state_after;

/// How many for each scenario: 200,000 in all, unless more are asked for.
const EACH: usize = 667;

/// Damages bytes in one of the ways in which bytes are damaged, or made up.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.byte(),
        2 => bytes.truncate(at),
        3 => drop(bytes.remove(at)),
        4 => bytes.insert(at, dice.byte()),
        // A number that is long, or very large.
        5 => drop(bytes.splice(at..=at, [0xff; 10].into_iter().take(dice.below(10)).chain([dice.byte() & 0x7f]))),
        6 => {
            let from = dice.below(other.len());
            let len = dice.below(other.len() - from).min(40);
            bytes.splice(at..at, other[from..from + len].iter().copied());
        }
        _ => {
            let end = at + dice.below(bytes.len() - at).min(40);
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

/// An update of a scenario, damaged.
struct Damaged<'a> {
    scenario: &'a Scenario,
    number: usize,
    bytes: Bytes,
}

impl Damaged<'_> {
    /// If it is accepted, and is not what it was.
    fn accepted(&self) -> Option<Update> {
        Update::read(self.bytes.clone()).ok().filter(|update| update.bytes() != self.original().bytes())
    }

    fn about(&self) -> String {
        format!("seed {}, update {} became {:02x?}", self.scenario.seed, self.number, &self.bytes[..])
    }

    fn original(&self) -> &Update {
        &self.scenario.updates[self.number].update
    }

    /// What was sent before the original.
    fn before(&self) -> Vec<&Update> {
        self.scenario.updates[..self.number].iter().map(|sent| &sent.update).collect()
    }
}

fn damaged(each: usize, mut act: impl FnMut(&mut Dice, Damaged<'_>)) {
    let mut dice = Dice::new(scenarios()[0].seed);
    for _ in 0..each * scenarios().len() {
        let scenario = &scenarios()[dice.below(scenarios().len())];
        let number = dice.below(scenario.updates.len());
        let other = &scenario.updates[dice.below(scenario.updates.len())];
        let mut bytes = scenario.updates[number].bytes.to_vec();
        for _ in 0..=dice.below(3) {
            if !bytes.is_empty() {
                damage(&mut dice, &mut bytes, &other.bytes);
            }
        }
        act(&mut dice, Damaged { scenario, number, bytes: bytes.into() });
    }
}

#[test]
fn damaged_updates_are_refused_or_make_sense() {
    let mut accepted = 0;
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    damaged(EACH, |dice, damaged| match Update::read(damaged.bytes.clone()) {
        Ok(update) => {
            accepted += 1;
            makes_sense(&update, damaged.original(), dice);
        }
        Err(error) => {
            let name = format!("{error:?}");
            *refused.entry(name.split('(').next().unwrap().to_owned()).or_default() += 1;
        }
    });
    assert!(accepted > scenarios().len() * EACH / 20, "only {accepted} were accepted");
    let names: Vec<&str> = refused.keys().map(String::as_str).collect();
    let all = ["Json", "Kind", "Number", "Origin", "Parent", "Truncated", "Type", "Utf8", "Value"];
    assert!(all.iter().all(|name| names.contains(name)), "{refused:?}");
}

fn makes_sense(update: &Update, original: &Update, dice: &mut Dice) {
    let mut all = StateVector::new();
    let mut units = 0;
    for (client, clocks) in update.authors() {
        assert!(clocks.start < clocks.end);
        units += clocks.end - clocks.start;
        all.set_max(client, clocks.end);
    }
    let structs = update.structs().filter(|part| part.kind != Kind::Skip);
    assert_eq!(structs.map(|part| part.len).sum::<u64>(), units);
    assert!(update.is_known(&all, update.deletes()));
    assert_eq!(DeleteSet::decode(&update.deletes().encode()).as_ref(), Ok(update.deletes()));
    let mut some_of = |clock| dice.below(usize::try_from(clock).unwrap() + 2) as u64;
    let known = all.iter().map(|(client, clock)| (client, some_of(clock))).collect();
    let split = update.split(&known);
    for half in [split.ready, split.rest].into_iter().flatten() {
        let read = Update::read(half.clone()).unwrap();
        assert_eq!(*read.bytes(), half);
        assert!(!read.is_empty());
    }
    let whole = merge(&[update, original], &StateVector::new(), update.deletes());
    let again = Update::read(whole.clone().into()).unwrap();
    assert!(again.is_known(&joined(&all, original), update.deletes()));
    assert_eq!(merge(&[&again, update], &StateVector::new(), update.deletes()), whole);
    assert!(Update::read(merge(&[update], &known, &DeleteSet::new()).into()).is_ok());
}

fn joined(all: &StateVector, original: &Update) -> StateVector {
    let mut joined = all.clone();
    for (client, clocks) in original.authors() {
        joined.set_max(client, clocks.end);
    }
    joined
}

thread_local! {
    /// Panics of yrs in this thread are counted, not told.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn yrs_does_not_panic_at_what_is_accepted() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            usual(info)
        }
    }));
    QUIET.set(true);
    let (mut accepted, mut errors) = (0, 0);
    let mut panics = Vec::new();
    damaged(EACH, |_, damaged| {
        let Some(update) = damaged.accepted() else { return };
        let before = damaged.before();
        if !update.is_portable() || !before.iter().all(|update| update.is_portable()) {
            return;
        }
        let (vector, deletes) = sum(before.iter().copied());
        let Some(ready) = update.split(&vector).ready else { return };
        accepted += 1;
        let before = merge(&before, &StateVector::new(), &deletes);
        match panic::catch_unwind(AssertUnwindSafe(|| state_after([&*before, &*ready]))) {
            Ok(Some(state)) => drop(Update::read(state).unwrap()),
            // A struct whose parent is no shared type: Yjs drops it. Only a document tells what the parent is.
            Ok(None) => errors += 1,
            Err(_) => panics.push(damaged.about()),
        }
    });
    QUIET.set(false);
    assert!(panics.is_empty(), "{panics:#?}");
    assert!(accepted > scenarios().len() * 20 && errors * 100 < accepted, "{errors} of {accepted}");
}

#[test]
fn yjs_takes_what_is_accepted() {
    let mut docket = Docket::default();
    let mut cases = 0;
    damaged(EACH / 20, |_, damaged| {
        let Some(update) = damaged.accepted() else { return };
        let split = update.split(&sum(damaged.before()).0);
        docket.scenario(damaged.scenario);
        let before = || Parts::default().numbers(0..damaged.number);
        cases += 1;
        docket.add(Case {
            about: damaged.about(),
            left: before().bytes(update.bytes()),
            right: before().bytes_if(split.ready.as_ref()).bytes_if(split.rest.as_ref()),
            ..Case::default()
        });
    });
    // What now says something else of units that the document has may be anything there; that, too, only a document tells.
    let faults = docket.faults();
    assert!(cases > scenarios().len() && faults.len() <= 1 + cases / 1000, "{} of {cases}: {faults:#?}", faults.len());
}

#[test]
fn counts_alone_reserve_nothing() {
    let large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let heads: [&[u8]; 7] = [
        &[],
        &[1],
        &[0],
        &[0, 1, 1],
        &[1, 1, 1, 0, 8, 1, 1, b'a'],
        &[1, 1, 1, 0, 4, 1, 1, b'a'],
        &[1, 1, 1, 0, 3, 1, 1, b'a'],
    ];
    for head in heads {
        for tail in [&[][..], &[0, 126, 126]] {
            let bytes = [head, &large, tail].concat();
            assert!(Update::read(bytes.into()).is_err(), "{head:?}");
        }
    }
}
