use rusqlite::{Connection, OptionalExtension, Row};
use stoa_base_types::DocName;

use crate::crc::Crc;
use crate::error::StoreError;
use crate::sqlite::number::{from_column, to_column};
use crate::sqlite::pack::{pack_chat_entry, unpack_chat};
use crate::sqlite::piece::{self, PIECE};
use crate::stored::{ChatEntry, ChatPage};

/// A run of one room's messages: checksum and length (4 bytes each), then the messages. It lies in pieces like every body, so
/// that erased chat is gone, and is added to in place as long as it fits into one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    first_seq: i64,
    piece: i64,
    pieces: i64,
}

pub(crate) fn append(
    conn: &Connection,
    next_piece: &mut i64,
    room: &DocName,
    entry: &ChatEntry,
) -> Result<(), StoreError> {
    let last = block(conn, room, "room = ?1 AND first_seq < ?2 ORDER BY first_seq DESC", i64::MAX)?;
    let mut entries = match last {
        // A damaged block is left alone, a new one begun.
        Some(block) => read(conn, room, block)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let newest = entries.last().map(|entry| entry.seq).or_else(|| last.map(|block| from_column(block.first_seq)));
    if newest.is_some_and(|newest| entry.seq <= newest) {
        return Err(StoreError::Refused(format!("{room}: message {} was written before", entry.seq)));
    }
    if let Some(block) = last.filter(|block| block.pieces == 1 && !entries.is_empty()) {
        entries.push(entry.clone());
        let packed = pack(room, block.first_seq, &entries);
        if packed.len() <= PIECE {
            return piece::overwrite(conn, block.piece, &packed);
        }
    }
    let first_seq = to_column(entry.seq)?;
    let packed = pack(room, first_seq, std::slice::from_ref(entry));
    let body = piece::write(conn, next_piece, Crc::new(), &[&packed])?;
    conn.prepare_cached("INSERT INTO chat (room, first_seq, piece, pieces) VALUES (?1, ?2, ?3, ?4)")?.execute((
        room.as_str(),
        first_seq,
        body.first,
        piece::count(body.bytes),
    ))?;
    Ok(())
}

pub(crate) fn page(
    conn: &Connection,
    room: &DocName,
    page: ChatPage,
    limit: usize,
) -> Result<Vec<ChatEntry>, StoreError> {
    let (after, before) = match page {
        ChatPage::Newest => (0, None),
        ChatPage::Before(seq) => (0, Some(seq)),
        ChatPage::After(seq) => (seq, None),
    };
    let is_wanted = |entry: &ChatEntry| entry.seq > after && before.is_none_or(|before| entry.seq < before);
    let mut found: Vec<ChatEntry> = Vec::new();
    let mut add = |entries: Option<Vec<ChatEntry>>| {
        found.extend(entries.into_iter().flatten().filter(is_wanted));
        found.len() < limit
    };
    if let ChatPage::After(seq) = page {
        each_block_after(conn, room, seq, &mut add)?;
        found.truncate(limit);
        return Ok(found);
    }
    each_block_before(conn, room, before, &mut add)?;
    found.sort_unstable_by_key(|entry| entry.seq);
    found.drain(..found.len().saturating_sub(limit));
    Ok(found)
}

fn each_block_before(
    conn: &Connection,
    room: &DocName,
    before: Option<u64>,
    add: &mut dyn FnMut(Option<Vec<ChatEntry>>) -> bool,
) -> Result<(), StoreError> {
    let mut bound = before.map_or(Ok(i64::MAX), to_column)?;
    while let Some(block) = block(conn, room, "room = ?1 AND first_seq < ?2 ORDER BY first_seq DESC", bound)? {
        if !add(read(conn, room, block)?) {
            break;
        }
        bound = block.first_seq;
    }
    Ok(())
}

fn each_block_after(
    conn: &Connection,
    room: &DocName,
    after: u64,
    add: &mut dyn FnMut(Option<Vec<ChatEntry>>) -> bool,
) -> Result<(), StoreError> {
    // The block in which the wanted message may lie begins at it or before it.
    let bound = to_column(after.saturating_add(1).min(i64::MAX.cast_unsigned() - 1))? + 1;
    let inside = block(conn, room, "room = ?1 AND first_seq < ?2 ORDER BY first_seq DESC", bound)?;
    let mut bound = inside.map_or(0, |block| block.first_seq);
    while let Some(block) = block(conn, room, "room = ?1 AND first_seq >= ?2 ORDER BY first_seq", bound)? {
        if !add(read(conn, room, block)?) || block.first_seq == i64::MAX {
            break;
        }
        bound = block.first_seq + 1;
    }
    Ok(())
}

/// Removes all of a room's chat.
pub(crate) fn erase(conn: &Connection, room: &DocName) -> Result<(), StoreError> {
    let delete = "DELETE FROM chat WHERE room = ?1 RETURNING piece, pieces";
    let mut delete = conn.prepare_cached(delete)?;
    let blocks = delete.query_map([room.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let blocks: Vec<(i64, i64)> = blocks.collect::<Result<_, _>>()?;
    blocks.into_iter().try_for_each(|(first, count)| piece::delete(conn, first, count))
}

/// The messages of a block; none if it is damaged.
fn read(conn: &Connection, room: &DocName, block: Block) -> Result<Option<Vec<ChatEntry>>, StoreError> {
    let bytes = piece::read_pieces(conn, block.piece, block.pieces)?;
    Ok(bytes.and_then(|bytes| unpack(room, block.first_seq, &bytes)))
}

/// The rooms whose chat is damaged, once for each block.
pub(crate) fn damaged(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = conn.prepare_cached("SELECT first_seq, piece, pieces, room FROM chat ORDER BY room, first_seq")?;
    let mut rows = select.query([])?;
    let mut damaged = Vec::new();
    while let Some(row) = rows.next()? {
        let (block, room) = (read_block(row)?, row.get::<_, String>(3)?);
        let is_sound = match DocName::new(&room) {
            Ok(name) => read(conn, &name, block)?.is_some(),
            Err(_) => false,
        };
        if !is_sound {
            damaged.push(room);
        }
    }
    Ok(damaged)
}

fn block(conn: &Connection, room: &DocName, which: &str, bound: i64) -> Result<Option<Block>, StoreError> {
    let mut select =
        conn.prepare_cached(&format!("SELECT first_seq, piece, pieces FROM chat WHERE {which} LIMIT 1"))?;
    Ok(select.query_row((room.as_str(), bound), read_block).optional()?)
}

fn read_block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block { first_seq: row.get(0)?, piece: row.get(1)?, pieces: row.get(2)? })
}

fn pack(room: &DocName, first_seq: i64, entries: &[ChatEntry]) -> Vec<u8> {
    let mut packed = vec![0; HEADER];
    entries.iter().for_each(|entry| pack_chat_entry(&mut packed, entry));
    let used = u32::try_from(packed.len() - HEADER).unwrap_or(u32::MAX).to_le_bytes();
    let crc = packed.get(HEADER..).map_or(0, |entries| crc(room, first_seq, entries)).to_le_bytes();
    for (place, byte) in packed.iter_mut().zip(crc.into_iter().chain(used)) {
        *place = byte;
    }
    packed
}

fn unpack(room: &DocName, first_seq: i64, packed: &[u8]) -> Option<Vec<ChatEntry>> {
    let (sum, rest) = packed.split_first_chunk()?;
    let (used, rest) = rest.split_first_chunk()?;
    let entries = rest.get(..u32::from_le_bytes(*used) as usize)?;
    (crc(room, first_seq, entries) == u32::from_le_bytes(*sum)).then(|| unpack_chat(entries))?
}

fn crc(room: &DocName, first_seq: i64, entries: &[u8]) -> u32 {
    Crc::new().with(room.as_str().as_bytes()).with_number(first_seq.cast_unsigned()).with(entries).sum()
}

const HEADER: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sqlite::schema::{MIGRATIONS, migrate};

    fn store() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, &MIGRATIONS).unwrap();
        conn
    }

    fn entry(seq: u64, length: usize) -> ChatEntry {
        let (author, name) = ("p1".to_owned(), "Ada".to_owned());
        ChatEntry { seq, at_ms: 1000 + seq, author, name, text: "x".repeat(length) }
    }

    #[test]
    fn a_number_is_given_once_and_a_damaged_block_hurts_no_other() {
        let (conn, mut next, room) = (store(), 1, DocName::new("agora").unwrap());
        for seq in [1, 2, 3] {
            append(&conn, &mut next, &room, &entry(seq, 1500)).unwrap();
        }
        assert!(append(&conn, &mut next, &room, &entry(3, 1)).unwrap_err().is_final());
        conn.execute("UPDATE piece SET data = zeroblob(4056) WHERE id = 2", []).unwrap();
        assert_eq!(damaged(&conn).unwrap(), ["agora"]);
        assert!(append(&conn, &mut next, &room, &entry(3, 1)).unwrap_err().is_final());
        append(&conn, &mut next, &room, &entry(4, 1)).unwrap();
        let seqs = |which| page(&conn, &room, which, 9).unwrap().iter().map(|entry| entry.seq).collect::<Vec<_>>();
        assert_eq!(seqs(ChatPage::Newest), [1, 2, 4]);
        erase(&conn, &room).unwrap();
        let left: u32 = conn.query_row("SELECT count(*) FROM piece", [], |row| row.get(0)).unwrap();
        assert_eq!((seqs(ChatPage::Newest), left), (vec![], 0));
    }

    #[test]
    fn messages_are_added_in_place() {
        let (conn, mut next, room) = (store(), 1, DocName::new("agora").unwrap());
        for seq in 1..=40 {
            append(&conn, &mut next, &room, &entry(seq, 50)).unwrap();
        }
        assert_eq!(next, 2);
    }

    proptest! {
        #[test]
        fn pages_are_parts_of_the_whole(lengths in prop::collection::vec(0usize..6000, 1..30), at in 0u64..70, limit in 0usize..12) {
            let (conn, mut next) = (store(), 1);
            let [room, other] = ["agora", "agora2"].map(|name| DocName::new(name).unwrap());
            let all: Vec<_> = (1..).map(|number| 2 * number).zip(&lengths).map(|(seq, length)| entry(seq, *length)).collect();
            for one in &all {
                append(&conn, &mut next, &room, one).unwrap();
                append(&conn, &mut next, &other, &entry(one.seq, 3)).unwrap();
            }
            let last = |some: Vec<ChatEntry>| some[some.len().saturating_sub(limit)..].to_vec();
            prop_assert_eq!(page(&conn, &room, ChatPage::Newest, limit).unwrap(), last(all.clone()));
            let before = all.iter().filter(|entry| entry.seq < at).cloned().collect();
            prop_assert_eq!(page(&conn, &room, ChatPage::Before(at), limit).unwrap(), last(before));
            let after: Vec<_> = all.iter().filter(|entry| entry.seq > at).take(limit).cloned().collect();
            prop_assert_eq!(page(&conn, &room, ChatPage::After(at), limit).unwrap(), after);
            prop_assert!(damaged(&conn).unwrap().is_empty());
        }
    }
}
