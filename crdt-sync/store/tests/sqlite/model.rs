use std::collections::BTreeMap;

use proptest::prelude::*;
use stoa_base_types::Epoch;
use stoa_crdt_sync_store::{ReadStore, SqliteReader, Store, Write};

use crate::support::{append_in, erase, folder, name, open, state, tail};

/// What a document should be.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    epoch: u64,
    seq: u64,
    generation: u64,
    through: u64,
    state: Option<String>,
    tail: Vec<(u64, String)>,
}

#[derive(Debug, Clone)]
enum Step {
    Append {
        doc: u8,
        gap: u64,
        length: usize,
    },
    /// Compacts so many of the oldest entries.
    Snapshot {
        doc: u8,
        entries: usize,
    },
    Erase {
        doc: u8,
    },
    /// Ends the transaction.
    Commit,
    /// A transaction that is refused after everything in it was carried out.
    Refused,
    Reopen,
    Tend,
}

fn step() -> impl Strategy<Value = Step> {
    let doc = 0u8..4;
    prop_oneof![
        8 => (doc.clone(), 1u64..3, 0usize..5000).prop_map(|(doc, gap, length)| Step::Append { doc, gap, length }),
        3 => (doc.clone(), 0usize..6).prop_map(|(doc, entries)| Step::Snapshot { doc, entries }),
        1 => doc.prop_map(|doc| Step::Erase { doc }),
        6 => Just(Step::Commit),
        1 => Just(Step::Refused),
        1 => Just(Step::Reopen),
        1 => Just(Step::Tend),
    ]
}

fn doc_name(doc: u8) -> String {
    format!("doc{doc}")
}

/// Carries a step out in the model, and returns the write that should do the same in the store.
fn model_write(models: &mut BTreeMap<u8, Model>, step: &Step) -> Option<Write> {
    let (Step::Append { doc, .. } | Step::Snapshot { doc, .. } | Step::Erase { doc }) = step else { return None };
    let model = models.entry(*doc).or_insert_with(|| Model { epoch: 1, ..Model::default() });
    Some(match step {
        Step::Append { gap, length, .. } => {
            model.seq += gap;
            let text = format!("{}:{}", model.seq, "x".repeat(*length));
            model.tail.push((model.seq, text.clone()));
            append_in(model.epoch, &doc_name(*doc), model.seq, &text)
        }
        Step::Snapshot { entries, .. } => {
            let gone: Vec<_> = model.tail.drain(..(*entries).min(model.tail.len())).collect();
            model.through = gone.last().map_or(model.through, |entry| entry.0);
            model.generation += 1;
            let state = format!("generation {} of {}", model.generation, doc_name(*doc));
            model.state = Some(state.clone());
            let (doc, epoch, through) = (name(&doc_name(*doc)), Epoch(model.epoch), model.through);
            let (body, empty) = (state.into_bytes().into(), bytes::Bytes::new());
            Write::Snapshot {
                doc,
                epoch,
                generation: model.generation,
                through,
                body,
                vector: empty.clone(),
                deletes: empty,
            }
        }
        Step::Erase { .. } => {
            *model = Model { epoch: model.epoch + 1, ..Model::default() };
            erase(&doc_name(*doc), model.epoch, &[])
        }
        Step::Commit | Step::Refused | Step::Reopen | Step::Tend => return None,
    })
}

fn read(store: &mut dyn ReadStore, doc: u8) -> Option<Model> {
    let stored = store.load(&name(&doc_name(doc))).unwrap()?;
    let through = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
    let seq = stored.tail.last().map_or(through, |entry| entry.seq);
    let (epoch, generation) = (stored.epoch.0, stored.generation);
    Some(Model { epoch, seq, generation, through, state: state(&stored), tail: tail(&stored) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_is_what_was_committed(steps in prop::collection::vec(step(), 1..80)) {
        let dir = folder();
        let mut store = open(dir.path());
        let (mut committed, mut models, mut writes) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for step in &steps {
            writes.extend(model_write(&mut models, step));
            match step {
                Step::Commit => {
                    store.commit(&writes).unwrap();
                    writes.clear();
                    committed = models.clone();
                }
                Step::Refused => {
                    writes.push(append_in(77, "doc0", 1, "of no epoch"));
                    writes.push(append_in(78, "doc0", 1, "of no epoch"));
                    prop_assert!(store.commit(&writes).unwrap_err().is_final());
                    writes.clear();
                    models = committed.clone();
                }
                Step::Reopen => {
                    drop(store);
                    store = open(dir.path());
                }
                Step::Tend => drop(store.tend(true)),
                Step::Append { .. } | Step::Snapshot { .. } | Step::Erase { .. } => {}
            }
            if writes.is_empty() {
                check(&mut store, &committed)?;
            }
        }
        check(&mut store.sqlite_reader(), &committed)?;
        check(&mut SqliteReader::open(dir.path()).unwrap(), &committed)?;
        let report = store.verify().unwrap();
        prop_assert_eq!((report.problems, report.documents), (vec![], committed.len() as u64));
    }
}

fn check(store: &mut dyn ReadStore, committed: &BTreeMap<u8, Model>) -> Result<(), TestCaseError> {
    for doc in 0..4 {
        let stored = read(store, doc);
        prop_assert_eq!(stored.as_ref(), committed.get(&doc), "doc{}", doc);
    }
    let listed: Vec<_> = store.list(None, 9, "").unwrap().into_iter().map(|info| (info.epoch.0, info.seq)).collect();
    let expected: Vec<_> = committed.values().map(|model| (model.epoch, model.seq)).collect();
    prop_assert_eq!(listed, expected);
    Ok(())
}
