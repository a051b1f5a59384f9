//! Yjs's scenarios: whatever is read, split and merged here adds up to the same document there.
use stoa_crdt_sync_core::update::{DeleteSet, Id, Kind, StateVector, Struct, Update, merge};

use crate::dice::Dice;
use crate::oracle::{Case, Docket, Parts, Scenario, scenarios};

#[test]
fn structs_and_deletes_are_those_that_yjs_reads() {
    let mut kinds = std::collections::BTreeSet::new();
    for scenario in scenarios() {
        for sent in &scenario.updates {
            assert_eq!(sent.update.bytes(), &sent.bytes, "it is shared, not written anew");
            assert_eq!(sent.update.structs().map(|part| line(&part)).collect::<Vec<_>>(), sent.structs);
            let ranges = sent.update.deletes().iter();
            let ranges = ranges.map(|(client, range)| format!("{client}:{} {}", range.start, range.end - range.start));
            assert_eq!(ranges.collect::<Vec<_>>(), sent.deletes);
            kinds.extend(sent.update.structs().map(|part| part.kind));
        }
    }
    // Yjs itself writes JSON no more.
    assert_eq!(kinds.len(), 10, "{kinds:?}");
}

fn line(part: &Struct<'_>) -> String {
    let id = |id: Option<Id>| id.map_or_else(String::new, |id| format!("{}:{}", id.client, id.clock));
    let [origin, right, parent] = [part.origin(), part.right_origin(), part.parent()].map(id);
    format!("{}:{} {} {:?} {origin} {right} {parent}", part.client, part.clock, part.len, part.kind)
}

/// All of these, without regard to what they depend on.
pub(crate) fn sum<'a>(updates: impl IntoIterator<Item = &'a Update>) -> (StateVector, DeleteSet) {
    let (mut vector, mut deletes) = (StateVector::new(), DeleteSet::new());
    for update in updates {
        for (client, clocks) in update.authors() {
            vector.set_max(client, clocks.end);
        }
        deletes.union(update.deletes());
    }
    (vector, deletes)
}

fn some_of(scenario: &Scenario, dice: &mut Dice) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..scenario.updates.len()).collect();
    dice.shuffle(&mut numbers);
    numbers.truncate(1 + dice.below(numbers.len()));
    if dice.one_in(2) {
        numbers.truncate(4);
    }
    numbers
}

fn parts<'a>(scenario: &'a Scenario, numbers: &[usize]) -> Vec<&'a Update> {
    numbers.iter().map(|number| &scenario.updates[*number].update).collect()
}

fn others(scenario: &Scenario, numbers: &[usize]) -> Vec<usize> {
    (0..scenario.updates.len()).filter(|number| !numbers.contains(number)).collect()
}

#[test]
fn a_merge_of_any_updates_in_any_order_is_what_yjs_makes_of_them() {
    let mut docket = Docket::default();
    for scenario in scenarios() {
        docket.scenario(scenario);
        let mut dice = Dice::new(scenario.seed);
        for _ in 0..2 {
            let numbers = some_of(scenario, &mut dice);
            let (_, deletes) = sum(parts(scenario, &numbers));
            let merged = merge(&parts(scenario, &numbers), &StateVector::new(), &deletes);
            let read = Update::read(merged.clone().into()).unwrap();
            assert_eq!(read.bytes(), &merged, "what we write needs no tidying");
            docket.add(Case {
                about: format!("seed {}, merge of {numbers:?}", scenario.seed),
                left: Parts::default().merged(&numbers),
                right: Parts::default().bytes(&merged),
                then: Parts::default().numbers(others(scenario, &numbers)),
                ..Case::default()
            });
        }
    }
    docket.judge();
}

#[test]
fn a_difference_brings_a_copy_that_lags_up_to_date() {
    let mut docket = Docket::default();
    for scenario in scenarios() {
        docket.scenario(scenario);
        let mut dice = Dice::new(scenario.seed);
        let count = scenario.updates.len();
        let known = dice.below(count);
        let (vector, _) = sum(scenario.updates[..known].iter().map(|sent| &sent.update));
        let all: Vec<usize> = (0..count).collect();
        let (_, deletes) = sum(parts(scenario, &all));
        // As the hub keeps it: a snapshot and what came after it.
        let cut = dice.below(count + 1);
        let snapshot = merge(&parts(scenario, &all[..cut]), &StateVector::new(), &DeleteSet::new());
        let snapshot = Update::read(snapshot.into()).unwrap();
        let mut tail = parts(scenario, &all[cut..]);
        tail.insert(0, &snapshot);
        let difference = merge(&tail, &vector, &deletes);
        docket.add(Case {
            about: format!("seed {}, difference to the first {known}, snapshot at {cut}", scenario.seed),
            left: Parts::default().numbers(0..count),
            right: Parts::default().numbers(0..known).bytes(&difference),
            settled: true,
            ..Case::default()
        });
    }
    docket.judge();
}

#[test]
fn a_split_gives_all_that_can_be_integrated_and_nothing_else() {
    let mut docket = Docket::default();
    let (mut halves, mut wholes) = (0, 0);
    for scenario in scenarios() {
        docket.scenario(scenario);
        let mut dice = Dice::new(scenario.seed);
        for _ in 0..2 {
            let numbers = some_of(scenario, &mut dice);
            let mixed = parts(scenario, &numbers);
            let (_, deletes) = sum(mixed.iter().copied());
            let mixed = merge(&mixed, &StateVector::new(), &deletes);
            let update = Update::read(mixed.into()).unwrap();
            let count = dice.below(scenario.updates.len());
            let before = || Parts::default().numbers(0..count);
            let (known, _) = sum(scenario.updates[..count].iter().map(|sent| &sent.update));
            let split = update.split(&known);
            halves += usize::from(split.ready.is_some() && split.rest.is_some());
            wholes += usize::from(split.ready.as_ref() == Some(update.bytes()));
            assert_eq!(split.rest.is_some(), !split.missing.is_empty());
            for (client, clock) in split.missing.iter() {
                assert!(known.get(client) < clock, "that is there already");
            }
            let about = format!("seed {}, split of {numbers:?} for the first {count}", scenario.seed);
            docket.add(Case {
                about: format!("{about}, ready and rest"),
                left: before().bytes(update.bytes()),
                right: before().bytes_if(split.ready.as_ref()).bytes_if(split.rest.as_ref()),
                then: Parts::default().numbers(others(scenario, &numbers)),
                ..Case::default()
            });
            docket.add(Case {
                about: format!("{about}, ready alone"),
                left: before().bytes(update.bytes()),
                right: before().bytes_if(split.ready.as_ref()),
                then: Parts::default().numbers(0..scenario.updates.len()),
                settled: true,
                ..Case::default()
            });
        }
    }
    assert!(halves > scenarios().len() / 4 && wholes > scenarios().len() / 4, "{halves} {wholes}");
    docket.judge();
}

#[test]
fn an_update_is_known_when_all_of_it_is() {
    for scenario in scenarios() {
        let mut dice = Dice::new(scenario.seed);
        let count = dice.below(scenario.updates.len());
        let (vector, deletes) = sum(scenario.updates[..count].iter().map(|sent| &sent.update));
        for (number, sent) in scenario.updates.iter().enumerate() {
            let brings_structs =
                sent.update.structs().any(|part| part.kind != Kind::Skip && part.end() > vector.get(part.client));
            let brings_deletes = !sent.update.deletes().difference(&deletes).is_empty();
            assert_eq!(sent.update.is_known(&vector, &deletes), !brings_structs && !brings_deletes);
            assert!(number >= count || sent.update.is_known(&vector, &deletes));
        }
    }
}
