//! What the documents hold.

use yrs::block::ClientID;
use yrs::{
    Doc, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};

use super::wire::{Reader, put_bytes, put_number};
use crate::Outcome;
use crate::trace::Dice;

/// One author's character number `clock` at the end of the text `note`, as an update of its own.
pub(crate) fn keystroke(author: u64, clock: u64) -> Vec<u8> {
    let mut update = vec![1, 1];
    put_number(&mut update, author);
    put_number(&mut update, clock);
    match clock.checked_sub(1) {
        Some(before) => {
            update.push(STRING_AFTER);
            put_number(&mut update, author);
            put_number(&mut update, before);
        }
        None => {
            update.extend_from_slice(&[STRING, 1]);
            put_bytes(&mut update, b"note");
        }
    }
    put_bytes(&mut update, b"a");
    // Nothing is deleted.
    update.push(0);
    update
}

/// Where the clock of the only author stands after an update made of [`keystroke`]s.
pub(crate) fn clock_after(update: &[u8]) -> Outcome<u64> {
    let mut reader = Reader(update);
    let (authors, structs, _author) = (reader.number()?, reader.number()?, reader.number()?);
    let mut clock = reader.number()?;
    for _ in 0..structs {
        match reader.byte()? {
            SKIP => clock += reader.number()?,
            STRING => {
                reader.number()?;
                reader.bytes()?;
                clock += reader.bytes()?.len() as u64;
            }
            STRING_AFTER => {
                reader.number()?;
                reader.number()?;
                clock += reader.bytes()?.len() as u64;
            }
            other => return Err(format!("a struct of kind {other}, which no keystroke makes").into()),
        }
    }
    if authors == 1 { Ok(clock) } else { Err("an update of several authors".into()) }
}

/// An article of 20 paragraphs that was written by 240 inserts: 13 KB encoded.
pub(crate) fn article(author: u64) -> Vec<u8> {
    let client_id = ClientID::new(author);
    let doc = Doc::with_options(Options { client_id, offset_kind: OffsetKind::Utf16, ..Options::default() });
    let root = doc.get_or_insert_xml_fragment("prosemirror");
    let mut transaction = doc.transact_mut();
    let mut texts = Vec::new();
    for index in 0..PARAGRAPHS {
        let paragraph = root.insert(&mut transaction, index, XmlElementPrelim::empty("paragraph"));
        texts.push(paragraph.insert(&mut transaction, 0, XmlTextPrelim::new("")));
    }
    let mut dice = Dice::new(author);
    for _ in 0..INSERTS {
        let Some(text) = texts.get(dice.below(PARAGRAPHS) as usize) else { continue };
        let words: String = (0..INSERT_LENGTH).map(|_| dice.letter()).collect();
        let at = dice.below(text.len(&transaction) + 1);
        text.insert(&mut transaction, at, &words);
    }
    transaction.encode_diff_v1(&StateVector::default())
}

const STRING: u8 = 4;
const SKIP: u8 = 10;
/// With the character that it follows.
const STRING_AFTER: u8 = STRING | 0x80;
const PARAGRAPHS: u32 = 20;
const INSERTS: u32 = 240;
const INSERT_LENGTH: u32 = 25;

#[cfg(test)]
mod tests {
    use yrs::updates::decoder::Decode;
    use yrs::{GetString, Update};

    use super::*;

    #[test]
    fn keystrokes_are_updates_that_yrs_reads() {
        let doc = Doc::new();
        let text = doc.get_or_insert_text("note");
        let mut transaction = doc.transact_mut();
        for clock in 0..300 {
            let update = keystroke(3_000_000_000, clock);
            assert_eq!(clock_after(&update).unwrap(), clock + 1);
            transaction.apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        }
        assert_eq!(text.get_string(&transaction), "a".repeat(300));
        let state = transaction.encode_diff_v1(&StateVector::default());
        assert_eq!(clock_after(&state).unwrap(), 300);
    }

    #[test]
    fn articles_are_of_one_size_and_differ() {
        let articles = [article(1 << 31), article((1 << 31) + 1)];
        assert_ne!(articles[0], articles[1]);
        for article in articles {
            assert!((12_000..14_000).contains(&article.len()), "{} bytes", article.len());
        }
    }
}
