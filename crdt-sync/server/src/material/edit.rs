use bytes::Bytes;
use yrs::types::text::YChange;
use yrs::{Any, ClientID, Out, Text, Transact, TransactionMut, WriteTxn};

use super::text_diff::changes;
use super::{EngineError, caught, engine, merged};

/// In whose name the server changes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// Somebody new.
    Anew,
    /// This one, who has not written yet.
    Id(u64),
}

/// The update that makes a text of the document's text `root`; `None` if it is that already. Objects in the text stay.
pub(crate) fn edit_text(
    parts: &[Bytes],
    root: &str,
    wanted: &str,
    author: Author,
) -> Result<Option<Bytes>, EngineError> {
    let merged = merged(parts)?;
    caught(|| {
        let doc = engine::load(&merged, client(author, &merged)?)?;
        let mut transaction = doc.transact_mut();
        let text = transaction.get_or_insert_text(root);
        let (old, at) = characters(&text.diff(&transaction, YChange::identity));
        let new: Vec<char> = wanted.chars().collect();
        let changes = changes(&old, &new);
        if changes.is_empty() {
            return Ok(None);
        }
        // From the end, so that places stay what they are.
        for change in changes.iter().rev() {
            let start = at.get(change.range.start).copied().unwrap_or_default();
            for (from, length) in runs(&old, &at, change.range.clone()).into_iter().rev() {
                text.remove_range(&mut transaction, from, length);
            }
            if !change.text.is_empty() {
                text.insert(&mut transaction, start, &change.text);
            }
        }
        let (now, _) = characters(&text.diff(&transaction, YChange::identity));
        if now != new {
            return Err(EngineError::Incomplete);
        }
        Ok(Some(encoded(&transaction)))
    })
}

fn encoded(transaction: &TransactionMut<'_>) -> Bytes {
    transaction.encode_update_v1().into()
}

/// An id that nobody in the document has.
fn client(author: Author, merged: &Bytes) -> Result<ClientID, EngineError> {
    match author {
        Author::Id(id) => Ok(ClientID::new(id)),
        Author::Anew => {
            let update = stoa_crdt_sync_core::update::Update::read(merged.clone())?;
            loop {
                let id = ClientID::random();
                if update.authors().all(|(author, _)| author != id.get()) {
                    return Ok(id);
                }
            }
        }
    }
}

/// The characters of a text, and where in the text each stands, in units of UTF-16; one place more than characters.
fn characters(pieces: &[yrs::types::text::Diff<YChange>]) -> (Vec<char>, Vec<u32>) {
    let (mut characters, mut places, mut place) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        if let Out::Any(Any::String(text)) = &piece.insert {
            for character in text.chars() {
                characters.push(character);
                places.push(place);
                place += width(character);
            }
        } else {
            // An object.
            place += 1;
        }
    }
    places.push(place);
    (characters, places)
}

fn width(character: char) -> u32 {
    if u32::from(character) < 0x1_0000 { 1 } else { 2 }
}

/// A range of characters as runs of the text without objects between: place and length.
fn runs(characters: &[char], places: &[u32], range: std::ops::Range<usize>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let part = characters.iter().zip(places).skip(range.start).take(range.len());
    for (character, place) in part {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == *place => *length += width(*character),
            _ => runs.push((*place, width(*character))),
        }
    }
    runs
}
