use bytes::Bytes;

use crate::stored::{ChatEntry, LogEntry};
use crate::write::Kind;

/// Log entries one behind the other: `seq` (8 bytes), kind (1), length (4), body; numbers low byte first.
pub(crate) fn pack_log_entry(into: &mut Vec<u8>, seq: u64, kind: Kind, body: &[u8]) {
    into.extend_from_slice(&seq.to_le_bytes());
    into.push(kind_code(kind));
    pack_bytes(into, body);
}

/// The entries; none if the bytes are no such list.
pub(crate) fn unpack_log(packed: &Bytes) -> Option<Vec<LogEntry>> {
    let (mut rest, mut entries) = (&packed[..], Vec::new());
    while !rest.is_empty() {
        let seq = take_number(&mut rest)?;
        let kind = code_kind((*take(&mut rest, 1)?.first()?).into())?;
        let body = packed.slice_ref(take_bytes(&mut rest)?);
        entries.push(LogEntry { seq, kind, body });
    }
    Some(entries)
}

pub(crate) const fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Plain => 0,
        Kind::Encrypted => 1,
    }
}

pub(crate) const fn code_kind(code: i64) -> Option<Kind> {
    match code {
        0 => Some(Kind::Plain),
        1 => Some(Kind::Encrypted),
        _ => None,
    }
}

/// One chat message: `seq` and time (8 bytes each), then author, name and text, each with its length (4 bytes) before it.
pub(crate) fn pack_chat_entry(into: &mut Vec<u8>, entry: &ChatEntry) {
    into.extend_from_slice(&entry.seq.to_le_bytes());
    into.extend_from_slice(&entry.at_ms.to_le_bytes());
    for text in [&entry.author, &entry.name, &entry.text] {
        pack_bytes(into, text.as_bytes());
    }
}

/// The messages; none if the bytes are no such list.
pub(crate) fn unpack_chat(mut rest: &[u8]) -> Option<Vec<ChatEntry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (seq, at_ms) = (take_number(&mut rest)?, take_number(&mut rest)?);
        let mut text = || String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok();
        entries.push(ChatEntry { seq, at_ms, author: text()?, name: text()?, text: text()? });
    }
    Some(entries)
}

/// A list of numbers as a column.
pub(crate) fn pack_numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(crate) fn unpack_numbers(packed: &[u8]) -> Vec<u64> {
    packed.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

fn pack_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    // The limits of SQLite and of the server are far below.
    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend_from_slice(bytes);
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    take(rest, length as usize)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn logs_come_back_and_rubbish_does_not(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8), cut in 0usize..400) {
            let mut packed = Vec::new();
            for (seq, body) in (1..).zip(&bodies) {
                let kind = if seq % 2 == 0 { Kind::Plain } else { Kind::Encrypted };
                pack_log_entry(&mut packed, seq, kind, body);
            }
            let whole = unpack_log(&packed.clone().into()).unwrap();
            prop_assert!(whole.iter().map(|entry| &entry.body[..]).eq(bodies.iter().map(Vec::as_slice)));
            prop_assert!(whole.iter().map(|entry| entry.seq).eq(1..=bodies.len() as u64));
            packed.truncate(cut);
            prop_assert!(unpack_log(&packed.into()).is_none_or(|part| whole.starts_with(&part)));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            unpack_chat(&bytes);
            unpack_log(&bytes.into());
        }

        #[test]
        fn chat_comes_back(texts in prop::collection::vec(any::<String>(), 0..5)) {
            let entries: Vec<_> = (1..).zip(texts)
                .map(|(seq, text)| ChatEntry { seq, at_ms: 9 * seq, author: "a".into(), name: "Ada".into(), text })
                .collect();
            let mut packed = Vec::new();
            entries.iter().for_each(|entry| pack_chat_entry(&mut packed, entry));
            prop_assert_eq!(unpack_chat(&packed), Some(entries));
        }
    }
}
