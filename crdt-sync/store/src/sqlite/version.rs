use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use stoa_base_types::DocName;

use crate::crc::Crc;
use crate::error::StoreError;
use crate::sqlite::number::{crc_column, from_column, length, to_column};
use crate::sqlite::piece::{self, Body};
use crate::stored::VersionInfo;

pub(crate) fn list(
    conn: &Connection,
    doc: &DocName,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<VersionInfo>, StoreError> {
    let before = before.map_or(Ok(i64::MAX), to_column)?;
    let select = "SELECT v.id, v.name, v.created_ms, v.automatic, v.author, v.bytes FROM version v
        JOIN doc d ON d.id = v.doc WHERE d.name = ?1 AND v.id < ?2 ORDER BY v.id DESC LIMIT ?3";
    let mut select = conn.prepare_cached(select)?;
    let versions = select.query_map((doc.as_str(), before, length(limit)), read_info)?;
    Ok(versions.collect::<Result<_, _>>()?)
}

pub(crate) fn read(conn: &Connection, name: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
    let Some(doc) = find_doc(conn, name)? else { return Ok(None) };
    let select = "SELECT id, name, created_ms, automatic, author, bytes, piece, crc FROM version
        WHERE doc = ?1 AND id = ?2";
    let mut select = conn.prepare_cached(select)?;
    let found = select.query_row((doc, to_column(id)?), |row| Ok((read_info(row)?, read_body(row, 5, 6, 7)?)));
    let Some((info, body)) = found.optional()? else { return Ok(None) };
    match piece::read(conn, body, seal(doc, id))? {
        Some(bytes) => Ok(Some((info, bytes))),
        None => Err(StoreError::Corrupt { doc: name.clone(), what: format!("version {id}") }),
    }
}

/// The versions of a document whose bodies are damaged.
pub(crate) fn damaged(conn: &Connection, doc: i64) -> Result<Vec<u64>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id, bytes, piece, crc FROM version WHERE doc = ?1")?;
    let rows = select.query_map([doc], |row| Ok((from_column(row.get(0)?), read_body(row, 1, 2, 3)?)))?;
    let mut damaged = Vec::new();
    for row in rows {
        let (id, body) = row?;
        if piece::read(conn, body, seal(doc, id))?.is_none() {
            damaged.push(id);
        }
    }
    Ok(damaged)
}

/// The document's row in the catalogue.
pub(crate) fn find_doc(conn: &Connection, name: &DocName) -> Result<Option<i64>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id FROM doc WHERE name = ?1")?;
    Ok(select.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// What the checksum of a version begins with.
pub(crate) fn seal(doc: i64, id: u64) -> Crc {
    Crc::new().with(b"version").with_number(doc.cast_unsigned()).with_number(id)
}

fn read_info(row: &Row<'_>) -> rusqlite::Result<VersionInfo> {
    Ok(VersionInfo {
        id: from_column(row.get(0)?),
        name: row.get(1)?,
        created_ms: from_column(row.get(2)?),
        automatic: row.get(3)?,
        author: row.get(4)?,
        bytes: from_column(row.get(5)?),
    })
}

fn read_body(row: &Row<'_>, bytes: usize, piece: usize, crc: usize) -> rusqlite::Result<Body> {
    let bytes = usize::try_from(row.get::<_, i64>(bytes)?).unwrap_or(0);
    Ok(Body { first: row.get(piece)?, bytes, crc: crc_column(row.get(crc)?) })
}
