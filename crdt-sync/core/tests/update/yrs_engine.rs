//! yrs, which compacts documents and writes into them.
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use stoa_crdt_sync_core::update::{StateVector, Update, merge};
use yrs::updates::decoder::Decode;
use yrs::{Doc, OffsetKind, Options, ReadTxn, Text, Transact};

use crate::dice::Dice;
use crate::differential::sum;
use crate::oracle::{Case, Docket, Parts, scenarios};

pub(crate) fn document(client: u64) -> Doc {
    let client_id = yrs::block::ClientID::new(client);
    Doc::with_options(Options { client_id, offset_kind: OffsetKind::Utf16, ..Options::default() })
}

/// What one author's edits of a text travel as: letters at the end, or words anywhere and some deletes.
pub(crate) fn typed(client: u64, edits: usize, at_end: bool) -> (Doc, Vec<Bytes>) {
    let doc = document(client);
    let text = doc.get_or_insert_text("note");
    let updates = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&updates);
    doc.observe_update_v1("updates", move |_, event| sink.lock().unwrap().push(Bytes::copy_from_slice(&event.update)))
        .unwrap();
    let mut dice = Dice::new(client);
    for edit in 0..edits {
        let mut transaction = doc.transact_mut();
        let length = text.len(&transaction);
        let position = u32::try_from(dice.below(length as usize + 1)).unwrap();
        match (at_end, edit % 5) {
            (true, _) => text.insert(&mut transaction, length, ["a", "b", " "][edit % 3]),
            (false, 4) if position + 3 < length => text.remove_range(&mut transaction, position, 3),
            (false, _) => text.insert(&mut transaction, position, "word"),
        }
    }
    let updates = updates.lock().unwrap().clone();
    (doc, updates)
}

/// What yrs holds after all of these; `None` if it fails or waits for something.
pub(crate) fn state_after<'a>(updates: impl IntoIterator<Item = &'a [u8]>) -> Option<Bytes> {
    let doc = document(1);
    let mut transaction = doc.transact_mut();
    for update in updates {
        transaction.apply_update(yrs::Update::decode_v1(update).ok()?).ok()?;
    }
    let waits = transaction.store().pending_update().is_some() || transaction.store().pending_ds().is_some();
    (!waits).then(|| transaction.encode_diff_v1(&yrs::StateVector::default()).into())
}

#[test]
fn yrs_adds_up_what_we_write_as_yjs_does() {
    let mut docket = Docket::default();
    let mut portable = 0;
    for scenario in scenarios() {
        if !scenario.updates.iter().all(|sent| sent.update.is_portable()) {
            continue;
        }
        portable += 1;
        docket.scenario(scenario);
        let mut dice = Dice::new(scenario.seed);
        let count = scenario.updates.len();
        let all: Vec<&Update> = scenario.updates.iter().map(|sent| &sent.update).collect();
        let (_, deletes) = sum(all.iter().copied());
        let whole = merge(&all, &StateVector::new(), &deletes);
        let known = dice.below(count);
        let (vector, _) = sum(all[..known].iter().copied());
        let before = || scenario.updates[..known].iter().map(|sent| &*sent.bytes);
        let ready = Update::read(whole.clone().into()).unwrap().split(&vector).ready.unwrap();
        let difference = merge(&all, &vector, &deletes);
        let states = [
            ("one by one", state_after(scenario.updates.iter().map(|sent| &*sent.bytes))),
            ("a merge", state_after([&*whole])),
            ("a difference", state_after(before().chain([&*difference]))),
            ("what is partly known", state_after(before().chain([&*ready]))),
        ];
        for (about, state) in states {
            let about = format!("seed {}, first {known}: {about}", scenario.seed);
            let state = state.unwrap_or_else(|| panic!("yrs fails or waits: {about}"));
            docket.add(Case {
                about,
                left: Parts::default().numbers(0..count),
                right: Parts::default().bytes(&state),
                settled: true,
                loose: true,
                ..Case::default()
            });
        }
    }
    assert!(portable > scenarios().len() / 2, "{portable}");
    docket.judge();
}

/// What the hub does with updates in any order, with yrs for a document.
#[derive(Default)]
struct Gate {
    known: StateVector,
    held: Vec<(Update, StateVector)>,
    released: Vec<Bytes>,
}

impl Gate {
    fn take(&mut self, update: &Update) {
        let split = update.split(&self.known);
        if let Some(rest) = split.rest {
            self.held.push((Update::read(rest).unwrap(), split.missing));
        }
        let Some(ready) = split.ready else { return };
        for (client, clocks) in Update::read(ready.clone()).unwrap().authors() {
            assert!(clocks.start <= self.known.get(client), "there is a gap");
            self.known.set_max(client, clocks.end);
        }
        self.released.push(ready);
        for (held, missing) in std::mem::take(&mut self.held) {
            if missing.iter().any(|(client, clock)| clock <= self.known.get(client)) {
                self.take(&held);
            } else {
                assert_eq!(held.split(&self.known).ready, None, "it need not have waited");
                self.held.push((held, missing));
            }
        }
    }
}

#[test]
fn whatever_the_order_yrs_gets_each_update_when_it_can_integrate_it() {
    let mut docket = Docket::default();
    let mut held = 0;
    for scenario in scenarios() {
        if !scenario.updates.iter().all(|sent| sent.update.is_portable()) {
            continue;
        }
        docket.scenario(scenario);
        let mut dice = Dice::new(scenario.seed);
        let mut order: Vec<usize> = (0..scenario.updates.len()).collect();
        dice.shuffle(&mut order);
        let mut gate = Gate::default();
        for number in order {
            gate.take(&scenario.updates[number].update);
            held += gate.held.len();
        }
        assert!(gate.held.is_empty(), "seed {}: {:?}", scenario.seed, gate.held);
        let state = state_after(gate.released.iter().map(|update| &**update));
        docket.add(Case {
            about: format!("seed {}", scenario.seed),
            left: Parts::default().numbers(0..scenario.updates.len()),
            right: Parts::default().bytes(&state.unwrap_or_else(|| panic!("seed {}: yrs waits", scenario.seed))),
            settled: true,
            loose: true,
            ..Case::default()
        });
    }
    assert!(held > scenarios().len());
    docket.judge();
}
