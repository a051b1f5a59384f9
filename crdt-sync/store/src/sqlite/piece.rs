use bytes::Bytes;
use rusqlite::Connection;

use crate::crc::Crc;
use crate::error::StoreError;
use crate::sqlite::number::length;

/// Long bodies are cut into pieces, the last one filled up with zeros, so that every row of the table is alone on its page and
/// as long as all others.
///
/// SQLite moves rows between neighbouring pages when it balances its tree, and what it leaves behind in the space that becomes
/// free is not overwritten, `secure_delete` or not. Rows of one size that fill their pages leave nothing behind, so that
/// erased text is really gone.
pub(crate) const PIECE: usize = 4056;

/// A body that lies in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body {
    /// The row of the first piece; the others follow.
    pub(crate) first: i64,
    pub(crate) bytes: usize,
    pub(crate) crc: u32,
}

/// Writes the parts one behind the other. `seal` is what the checksum begins with: a body that turns up in the place of another
/// one is found out.
pub(crate) fn write(conn: &Connection, next: &mut i64, seal: Crc, parts: &[&[u8]]) -> Result<Body, StoreError> {
    let mut body = Body { first: *next, bytes: 0, crc: 0 };
    let (mut piece, mut crc) = (Vec::with_capacity(PIECE), seal);
    let mut insert = conn.prepare_cached("INSERT INTO piece (id, data) VALUES (?1, ?2)")?;
    let mut put = |piece: &mut Vec<u8>| -> Result<(), StoreError> {
        piece.resize(PIECE, 0);
        insert.execute((*next, &piece[..]))?;
        *next += 1;
        piece.clear();
        Ok(())
    };
    for part in parts {
        crc = crc.with(part);
        body.bytes += part.len();
        let mut rest = *part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(PIECE - piece.len()));
            piece.extend_from_slice(now);
            rest = later;
            if piece.len() == PIECE {
                put(&mut piece)?;
            }
        }
    }
    if !piece.is_empty() {
        put(&mut piece)?;
    }
    body.crc = crc.sum();
    Ok(body)
}

/// Writes other bytes, at most as long as a piece, in the place of a piece.
pub(crate) fn overwrite(conn: &Connection, id: i64, bytes: &[u8]) -> Result<(), StoreError> {
    let mut piece = bytes.to_vec();
    piece.resize(PIECE, 0);
    conn.prepare_cached("UPDATE piece SET data = ?2 WHERE id = ?1")?.execute((id, piece))?;
    Ok(())
}

/// Reads a body; none if it is damaged.
pub(crate) fn read(conn: &Connection, body: Body, seal: Crc) -> Result<Option<Bytes>, StoreError> {
    let Some(mut bytes) = read_pieces(conn, body.first, count(body.bytes))? else { return Ok(None) };
    bytes.truncate(body.bytes);
    // It is kept as long as the document is open.
    bytes.shrink_to_fit();
    Ok((seal.with(&bytes).sum() == body.crc).then(|| bytes.into()))
}

/// Reads whole pieces; none if one is missing or cannot be read.
pub(crate) fn read_pieces(conn: &Connection, first: i64, count: i64) -> Result<Option<Vec<u8>>, StoreError> {
    match pieces(conn, first, count) {
        // The damage is in this body: the others may be sound.
        Err(StoreError::Damaged(_)) => Ok(None),
        result => result,
    }
}

fn pieces(conn: &Connection, first: i64, count: i64) -> Result<Option<Vec<u8>>, StoreError> {
    // A damaged length must not reserve memory.
    let most = usize::try_from(count).unwrap_or(0).min(RESERVED_PIECES);
    let (mut bytes, mut found) = (Vec::with_capacity(most * PIECE), 0);
    let mut select = conn.prepare_cached("SELECT data FROM piece WHERE id >= ?1 AND id < ?2 ORDER BY id")?;
    let mut rows = select.query((first, first.saturating_add(count)))?;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        if data.len() != PIECE {
            return Ok(None);
        }
        bytes.extend_from_slice(data);
        found += 1;
    }
    Ok((found == count).then_some(bytes))
}

/// 256 MiB: more than a document may have.
const RESERVED_PIECES: usize = 1 << 16;

/// Removes pieces.
pub(crate) fn delete(conn: &Connection, first: i64, count: i64) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM piece WHERE id >= ?1 AND id < ?2")?
        .execute((first, first.saturating_add(count)))?;
    Ok(())
}

/// How many pieces a body of this length has.
pub(crate) fn count(bytes: usize) -> i64 {
    length(bytes.div_ceil(PIECE))
}

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

    #[test]
    fn every_piece_is_alone_on_its_page_whatever_its_number() {
        let conn = store();
        for first in [1, 127, 16_383, 1 << 20, 1 << 40, i64::MAX - 4] {
            let mut next = first;
            write(&conn, &mut next, Crc::new(), &[&[7; 3 * PIECE]]).unwrap();
        }
        let (leaves, cells): (u32, u32) = conn
            .query_row(
                "SELECT count(*), max(ncell) FROM dbstat WHERE name = 'piece' AND pagetype = 'leaf'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let overflow: u32 = conn
            .query_row("SELECT count(*) FROM dbstat WHERE name = 'piece' AND pagetype = 'overflow'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!((leaves, cells, overflow), (18, 1, 0));
    }

    #[test]
    fn damage_and_a_swapped_body_are_found_out() {
        let (conn, mut next) = (store(), 1);
        let [one, two] = [1, 2].map(|seal| Crc::new().with_number(seal));
        let first = write(&conn, &mut next, one, &[&[1; 5000]]).unwrap();
        let second = write(&conn, &mut next, two, &[&[1; 5000]]).unwrap();
        assert!(read(&conn, first, one).unwrap().is_some());
        assert_eq!(read(&conn, Body { first: second.first, ..first }, two).unwrap(), None);
        conn.execute("UPDATE piece SET data = zeroblob(4056) WHERE id = 2", []).unwrap();
        assert_eq!(read(&conn, first, one).unwrap(), None);
        delete(&conn, 4, 1).unwrap();
        assert_eq!(read(&conn, second, two).unwrap(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..4)) {
            let (conn, mut next) = (store(), 5);
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let body = write(&conn, &mut next, Crc::new(), &parts).unwrap();
            prop_assert_eq!(next, 5 + count(body.bytes));
            let read = read(&conn, body, Crc::new()).unwrap();
            prop_assert_eq!(read.as_deref(), Some(&parts.concat()[..]));
        }
    }
}
