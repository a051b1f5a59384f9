use rusqlite::Connection;
use stoa_base_types::{DocName, Epoch};

use crate::error::StoreError;
use crate::sqlite::number::{from_column, length};
use crate::sqlite::source::Source;
use crate::stored::{DocInfo, Size};

/// The catalogue knows what was compacted, the index of tails the rest.
pub(crate) fn list(
    conn: &Connection,
    source: &Source,
    after: Option<&str>,
    limit: usize,
    prefix: &str,
) -> Result<Vec<DocInfo>, StoreError> {
    let select = "SELECT name, epoch, seq, bytes, created_ms, updated_ms FROM doc
        WHERE name >= ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    let mut select = conn.prepare_cached(select)?;
    // No name is empty, so every name is above that.
    let rows = select.query_map((prefix, after.unwrap_or_default(), length(limit)), |row| {
        Ok(DocInfo {
            name: row.get(0)?,
            epoch: Epoch(from_column(row.get(1)?)),
            seq: from_column(row.get(2)?),
            bytes: from_column(row.get(3)?),
            created_ms: from_column(row.get(4)?),
            updated_ms: from_column(row.get(5)?),
        })
    })?;
    let mut found: Vec<DocInfo> = rows.collect::<Result<_, _>>()?;
    // Names are in the order of their bytes, so those with the prefix stand together and begin with it.
    found.truncate(found.partition_point(|info| info.name.starts_with(prefix)));
    source.with_tails(conn, |tails| {
        for info in &mut found {
            let Some(tail) = DocName::new(&info.name).ok().and_then(|name| tails.of(&name)) else { continue };
            info.seq = tail.rows.last().map_or(info.seq, |row| row.seq.max(info.seq));
            info.bytes += tail.bytes;
            info.updated_ms = info.updated_ms.max(tail.updated_ms);
        }
    })?;
    Ok(found)
}

/// The next names alone.
pub(crate) fn names(conn: &Connection, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut select = conn.prepare_cached("SELECT name FROM doc WHERE name > ?1 ORDER BY name LIMIT ?2")?;
    let names = select.query_map((after.unwrap_or_default(), length(limit)), |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

pub(crate) fn size(conn: &Connection) -> Result<Size, StoreError> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(from_column);
    let (page, pages, free) = (number("page_size")?, number("page_count")?, number("freelist_count")?);
    Ok(Size { used: page * pages.saturating_sub(free), file: page * pages })
}
