//! How somebody writes a long text, one character at a time: a seeded stand-in for a recorded editing trace.

use yrs::block::ClientID;
use yrs::{Doc, OffsetKind, Options, Text, Transact};

/// One edit of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// A character before this position.
    Insert(u32, char),
    /// The character at this position goes.
    Delete(u32),
}

/// Who writes: a number of one byte, as where the recorded trace is measured. Real ones have five bytes mostly.
pub const AUTHOR: u64 = 1;
/// Characters typed in the whole trace.
pub const INSERTS: u32 = 182_315;
/// Characters removed again.
pub const DELETES: u32 = 77_463;

/// The edits: runs of typing and of backspaces at a cursor that jumps from time to time. The numbers of inserts and deletes are
/// those of the recorded trace that the CRDT libraries are compared with (a paper of 104,852 characters), and the mean
/// lengths of the runs were chosen so that the document and its delete set are as long on the wire as that one's.
#[must_use]
pub fn edits() -> Vec<Edit> {
    let mut dice = Dice::new(7);
    let mut edits = Vec::new();
    let (mut inserts, mut deletes) = (INSERTS, DELETES);
    let (mut length, mut cursor) = (0, 0);
    while inserts > 0 || deletes > 0 {
        if dice.below(100) < JUMPS_PER_HUNDRED_RUNS {
            cursor = dice.below(length + 1);
        }
        // Either kind of run comes as often as the rest of the edits needs it.
        let (typing, removing) = (inserts * BACKSPACE_RUN, deletes * TYPING_RUN);
        if cursor > 0 && dice.below(typing + removing) < removing {
            let run = dice.around(BACKSPACE_RUN).min(deletes).min(cursor);
            for _ in 0..run {
                cursor -= 1;
                edits.push(Edit::Delete(cursor));
            }
            (deletes, length) = (deletes - run, length - run);
        } else {
            let run = dice.around(TYPING_RUN).min(inserts);
            for _ in 0..run {
                edits.push(Edit::Insert(cursor, dice.letter()));
                cursor += 1;
            }
            (inserts, length) = (inserts - run, length + run);
        }
    }
    edits
}

/// A document being written by one author, edit by edit.
#[derive(Debug)]
pub struct Writing {
    doc: Doc,
    text: yrs::TextRef,
}

impl Writing {
    /// Of an author.
    #[must_use]
    pub fn new(author: u64) -> Self {
        let client_id = ClientID::new(author);
        let doc = Doc::with_options(Options { client_id, offset_kind: OffsetKind::Utf16, ..Options::default() });
        let text = doc.get_or_insert_text("note");
        Self { doc, text }
    }

    /// Makes the edit; returns it as an update.
    pub fn apply(&self, edit: Edit) -> Vec<u8> {
        let mut transaction = self.doc.transact_mut();
        match edit {
            Edit::Insert(at, letter) => {
                self.text.insert(&mut transaction, at, letter.encode_utf8(&mut [0; 4]));
            }
            Edit::Delete(at) => self.text.remove_range(&mut transaction, at, 1),
        }
        transaction.encode_update_v1()
    }

    /// What has been written.
    #[must_use]
    pub const fn doc(&self) -> &Doc {
        &self.doc
    }
}

/// Small random numbers that are the same in each run.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Another seed, other numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        // The generator "splitmix64".
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = (mixed ^ (mixed >> 31)) >> 32;
        u32::try_from((high * u64::from(end)) >> 32).unwrap_or_default()
    }

    /// A length with this mean, short ones more often than long ones.
    fn around(&mut self, mean: u32) -> u32 {
        let mut length = 1;
        while self.below(mean) > 0 {
            length += 1;
        }
        length
    }

    /// A letter or, as in prose, a space.
    pub fn letter(&mut self) -> char {
        let letters = b"etaoinshrdlucm      ";
        letters.get(self.below(20) as usize).copied().map_or(' ', char::from)
    }
}

const JUMPS_PER_HUNDRED_RUNS: u32 = 60;
const TYPING_RUN: u32 = 27;
const BACKSPACE_RUN: u32 = 26;

#[cfg(test)]
mod tests {
    use yrs::{GetString, ReadTxn, StateVector};

    use super::*;

    #[test]
    fn the_trace_is_as_long_as_the_recorded_one() {
        let edits = edits();
        let inserts = edits.iter().filter(|edit| matches!(edit, Edit::Insert(..))).count();
        assert_eq!((inserts, edits.len() - inserts), (INSERTS as usize, DELETES as usize));
        let writing = Writing::new(AUTHOR);
        for edit in edits {
            writing.apply(edit);
        }
        let transaction = writing.doc().transact();
        assert_eq!(writing.text.get_string(&transaction).len(), 104_852);
        let state = transaction.encode_diff_v1(&StateVector::default());
        let deletes = transaction.encode_diff_v1(&transaction.state_vector());
        assert!((215_000..230_000).contains(&state.len()), "{} bytes", state.len());
        assert!((10_000..11_200).contains(&deletes.len()), "{} bytes of deletes", deletes.len());
    }
}
