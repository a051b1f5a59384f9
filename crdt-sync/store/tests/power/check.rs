use std::collections::BTreeMap;
use std::path::PathBuf;

use stoa_base_types::DocName;
use stoa_crdt_sync_store::{ChatPage, ReadStore, SqliteStore, Stored};

const DOCS: u64 = 5;

/// The numbers that the program said are on disk.
pub(crate) fn saved(lines: &[String]) -> Vec<u64> {
    assert!(!lines.iter().any(|line| line.starts_with("lost")), "{lines:?}");
    lines.iter().filter_map(|line| line.strip_prefix("saved ")).map(|number| number.parse().unwrap()).collect()
}

/// Opens the folder as a restarted server would: everything that was saved must be there, and everything must be sound.
pub(crate) fn check(folder: PathBuf, saved: &[u64]) -> Result<(), String> {
    let mut store = SqliteStore::open(&folder).map_err(|error| error.to_string())?;
    let report = store.verify().map_err(|error| error.to_string())?;
    if !report.problems.is_empty() {
        return Err(format!("{:?}", report.problems));
    }
    let mut numbers = BTreeMap::new();
    for doc in 0..DOCS {
        let name = DocName::new(&format!("doc{doc}")).unwrap();
        let found = store.load(&name).map_err(|error| error.to_string())?.map(read).transpose()?.unwrap_or_default();
        if found.is_empty() && saved.iter().any(|number| number % DOCS == doc) {
            return Err(format!("doc{doc} is gone"));
        }
        numbers.insert(doc, found);
    }
    for number in saved {
        let found = &numbers[&(number % DOCS)];
        // What came before a document was erased is rightly gone.
        let is_erased = found.first().is_some_and(|first| first % 211 == 0 && number < first);
        if !is_erased && found.binary_search(number).is_err() {
            return Err(format!("{number} was saved, found were {found:?}"));
        }
    }
    check_chat(&mut store, saved)
}

/// The numbers in a document, in order.
fn read(stored: Stored) -> Result<Vec<u64>, String> {
    let state = stored.snapshot.as_ref().map(|snapshot| snapshot.body.clone()).unwrap_or_default();
    let mut numbers: Vec<u64> = state.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    for entry in &stored.tail {
        if !entry.body.starts_with(format!("{}:x", entry.seq).as_bytes()) && entry.body.len() > 12 {
            return Err(format!("entry {} has another text", entry.seq));
        }
        numbers.push(entry.seq);
    }
    let is_rising = numbers.is_sorted_by(|before, after| before < after);
    if is_rising { Ok(numbers) } else { Err(format!("{numbers:?}")) }
}

fn check_chat(store: &mut SqliteStore, saved: &[u64]) -> Result<(), String> {
    let room = DocName::new("agora").unwrap();
    let chat = store.chat(&room, ChatPage::Newest, usize::MAX).map_err(|error| error.to_string())?;
    let is_whole = chat.iter().all(|entry| entry.text == entry.seq.to_string());
    let has = |number: &u64| chat.binary_search_by_key(number, |entry| entry.seq).is_ok();
    if is_whole && saved.iter().all(has) { Ok(()) } else { Err("chat is missing".into()) }
}
