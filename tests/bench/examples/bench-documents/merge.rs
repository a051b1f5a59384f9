use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use stoa_bench::trace::{AUTHOR, Writing, edits};
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update, merge};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, Transact};

use crate::Outcome;

/// Prints a figure a line.
pub(crate) fn measure() -> Outcome<()> {
    let writing = Writing::new(AUTHOR);
    let bytes: Vec<Bytes> = edits().into_iter().take(UPDATES).map(|edit| writing.apply(edit).into()).collect();
    let updates = bytes.iter().cloned().map(Update::read).collect::<Result<Vec<_>, _>>()?;
    let merged = merge_all(&updates);
    let (merge_ms, _) = timed(5, || merge_all(&updates));
    let (read_and_merge_ms, _) = timed(5, || {
        let updates: Vec<_> = bytes.iter().cloned().flat_map(Update::read).collect();
        merge_all(&updates)
    });
    let (flat_ms, flat) = timed(3, || yrs::merge_updates_v1(&bytes));
    let (gc_ms, collected) = timed(5, || collect(&merged));
    let text = text_of(writing.doc());
    for state in [&merged, &flat?, &collected?.1] {
        if collect(state)?.0 != text {
            return Err("the merge changed the text".into());
        }
    }
    println!("merge-ms {merge_ms}\nread-and-merge-ms {read_and_merge_ms}\nyrs-flat-ms {flat_ms}\ngc-ms {gc_ms}");
    let before: usize = bytes.iter().map(Bytes::len).sum();
    println!("updates-bytes {before}\nmerged-bytes {}\ngc-bytes {}", merged.len(), collect(&merged)?.1.len());
    Ok(())
}

/// As a tail becomes one: every struct, every delete.
fn merge_all(updates: &[Update]) -> Vec<u8> {
    let mut deletes = DeleteSet::new();
    for update in updates {
        deletes.union(update.deletes());
    }
    let parts: Vec<_> = updates.iter().collect();
    merge(&parts, &StateVector::new(), &deletes)
}

/// What a document-based pass makes of it: the text, and the state without what was deleted.
fn collect(state: &[u8]) -> Outcome<(String, Vec<u8>)> {
    let doc = Doc::new();
    doc.transact_mut().apply_update(yrs::Update::decode_v1(state)?)?;
    let state = doc.transact().encode_diff_v1(&yrs::StateVector::default());
    Ok((text_of(&doc), state))
}

fn text_of(doc: &Doc) -> String {
    let text = doc.get_or_insert_text("note");
    text.get_string(&doc.transact())
}

/// The median time in milliseconds, and what was done last.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn timed<T>(times: usize, mut act: impl FnMut() -> T) -> (f64, T) {
    let mut done = act();
    let mut spent = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        done = black_box(act());
        spent.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    spent.sort_by(f64::total_cmp);
    (spent.get(times / 2).copied().unwrap_or_default(), done)
}

const UPDATES: usize = 20_000;
