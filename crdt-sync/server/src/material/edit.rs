use bytes::Bytes;
use yrs::types::text::YChange;
use yrs::{Any, ClientID, Out, ReadTxn, Snapshot, Text, TextRef, Transact, TransactionMut, WriteTxn};

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

/// The update that makes a text of the document's text `root`; `None` if it is that already.
///
/// Objects in the text (images, mentions, whole types) are no characters: they stay, in their order, beside the characters
/// that stay.
///
/// # Errors
///
/// [`EngineError::NotText`] if the root holds elements of an array, which have places in it, too.
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
        let (old, at) = characters(&text, &mut transaction);
        if at.last() != Some(&text.len(&transaction)) {
            return Err(EngineError::NotText);
        }
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
        let (now, _) = characters(&text, &mut transaction);
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
fn characters(text: &TextRef, transaction: &mut TransactionMut<'_>) -> (Vec<char>, Vec<u32>) {
    // An object may be a string, too. Compared with nothing at all, only characters are told to be new.
    let (now, nothing) = (transaction.snapshot(), Snapshot::default());
    let pieces = text.diff_range(transaction, Some(&now), Some(&nothing), YChange::identity);
    let (mut characters, mut places, mut place) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        if let (Out::Any(Any::String(text)), Some(_)) = (&piece.insert, &piece.ychange) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yrs::types::Attrs;
    use yrs::updates::decoder::Decode;
    use yrs::{Array, Doc, MapPrelim, OffsetKind, Options, StateVector, Update};

    use super::*;
    use crate::material::{View, view};

    /// Something that an editor does at a place.
    #[derive(Debug, Clone)]
    enum Stroke {
        Write(String),
        /// An object that is a string.
        Name(String),
        Image,
        Widget,
        Remove(u32),
        Bold(u32),
    }

    fn strokes() -> impl Strategy<Value = Vec<(bool, prop::sample::Index, Stroke)>> {
        let stroke = prop_oneof![
            4 => "[ab\\n😀☂]{1,6}".prop_map(Stroke::Write),
            2 => "[ab😀]{0,3}".prop_map(Stroke::Name),
            1 => Just(Stroke::Image),
            1 => Just(Stroke::Widget),
            2 => (1..5_u32).prop_map(Stroke::Remove),
            2 => (1..5_u32).prop_map(Stroke::Bold),
        ];
        prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), stroke), 0..14)
    }

    fn doc(id: u64) -> Doc {
        Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(id)) })
    }

    /// A place between characters, never within one.
    fn place(places: &[u32], at: prop::sample::Index) -> (u32, usize) {
        let index = at.index(places.len());
        (places[index], index)
    }

    fn play(doc: &Doc, at: prop::sample::Index, stroke: &Stroke) {
        let mut transaction = doc.transact_mut();
        let text = transaction.get_or_insert_text("note");
        let (_, places) = characters(&text, &mut transaction);
        let (start, index) = place(&places, at);
        let until = |length: u32| places[(index + length as usize).min(places.len() - 1)] - start;
        match stroke {
            Stroke::Write(words) => text.insert(&mut transaction, start, words),
            Stroke::Name(name) => drop(text.insert_embed(&mut transaction, start, Any::from(name.as_str()))),
            Stroke::Image => drop(text.insert_embed(&mut transaction, start, Any::from(vec![1, 2]))),
            Stroke::Widget => drop(text.insert_embed(&mut transaction, start, MapPrelim::from([("a", 1)]))),
            Stroke::Remove(length) => text.remove_range(&mut transaction, start, until(*length)),
            Stroke::Bold(length) => {
                text.format(&mut transaction, start, until(*length), Attrs::from([("bold".into(), true.into())]));
            }
        }
    }

    fn state(doc: &Doc) -> Bytes {
        doc.transact().encode_state_as_update_v1(&StateVector::default()).into()
    }

    /// Two write at the same time, and meet now and then.
    fn written(strokes: &[(bool, prop::sample::Index, Stroke)]) -> Doc {
        let docs = [doc(1), doc(2)];
        for (number, (who, at, stroke)) in strokes.iter().enumerate() {
            play(&docs[usize::from(*who)], *at, stroke);
            if number % 5 == 4 || number + 1 == strokes.len() {
                for (from, to) in [(0, 1), (1, 0)] {
                    let update = Update::decode_v1(&state(&docs[from])).unwrap();
                    docs[to].transact_mut().apply_update(update).unwrap();
                }
            }
        }
        docs.into_iter().next().unwrap()
    }

    fn objects(doc: &Doc) -> Vec<String> {
        let mut transaction = doc.transact_mut();
        let text = transaction.get_or_insert_text("note");
        let (now, nothing) = (transaction.snapshot(), Snapshot::default());
        let pieces = text.diff_range(&mut transaction, Some(&now), Some(&nothing), YChange::identity);
        let objects = pieces.iter().filter(|piece| piece.ychange.is_none());
        objects.map(|piece| piece.insert.clone().to_string(&transaction)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn an_edit_makes_the_wanted_text_and_spares_all_objects(strokes in strokes(), wanted in "[abc\\n😀☂]{0,12}") {
            let before = written(&strokes);
            let mut parts = vec![state(&before)];
            parts.extend(edit_text(&parts, "note", &wanted, Author::Anew).unwrap());
            prop_assert_eq!(view(&parts, "note", View::Text).unwrap(), wanted);
            let after = doc(3);
            for part in &parts {
                after.transact_mut().apply_update(Update::decode_v1(part).unwrap()).unwrap();
            }
            prop_assert_eq!(objects(&after), objects(&before));
        }
    }

    #[test]
    fn an_object_that_is_a_string_is_no_text() {
        let doc = doc(1);
        let mut transaction = doc.transact_mut();
        let text = transaction.get_or_insert_text("note");
        text.insert(&mut transaction, 0, "aa");
        text.insert_embed(&mut transaction, 1, Any::from("a"));
        drop(transaction);
        assert_eq!(edit_text(&[state(&doc)], "note", "aa", Author::Anew), Ok(None));
    }

    #[test]
    fn an_array_is_not_made_a_text() {
        let doc = doc(1);
        doc.get_or_insert_array("note").push_back(&mut doc.transact_mut(), 7);
        assert_eq!(edit_text(&[state(&doc)], "note", "seven", Author::Anew), Err(EngineError::NotText));
    }
}
