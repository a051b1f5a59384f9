use std::collections::BTreeMap;

use rusqlite::{Connection, Row as Columns};
use stoa_base_types::{DocName, Epoch};

use crate::error::StoreError;
use crate::sqlite::change::{Counters, MARK_DOC, row_crc};
use crate::sqlite::number::{crc_column, from_column};
use crate::sqlite::pack::code_kind;
use crate::tails::{Row, SharedTails, Tail, TailChange, Tails};

/// Where a reader learns which log entries a document has.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// From the store in this process.
    Shared(SharedTails),
    /// From the whole log, each time: another process may write.
    Scan,
}

impl Source {
    /// A document's log as it is known before a transaction begins.
    pub(crate) fn early(&self, doc: &DocName) -> Option<Tail> {
        match self {
            Self::Shared(tails) => tails.lock().of(doc).cloned(),
            Self::Scan => None,
        }
    }

    /// A document's log inside a read transaction.
    pub(crate) fn late(
        &self,
        conn: &Connection,
        doc: &DocName,
        early: Option<Tail>,
    ) -> Result<Option<Tail>, StoreError> {
        match self {
            Self::Shared(_) => Ok(early),
            Self::Scan => Ok(scan(conn, Check::Nothing)?.0.of(doc).cloned()),
        }
    }

    pub(crate) fn with_tails<T>(&self, conn: &Connection, f: impl FnOnce(&Tails) -> T) -> Result<T, StoreError> {
        match self {
            Self::Shared(tails) => Ok(f(&tails.lock())),
            Self::Scan => Ok(f(&scan(conn, Check::Nothing)?.0)),
        }
    }
}

/// How closely the log is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Bodies are not read.
    Nothing,
    /// All is read, so that damage is charged to the document that it hurts, also when it struck what names the document.
    Checksums,
}

/// Reads where all log entries lie.
pub(crate) fn scan(conn: &Connection, check: Check) -> Result<(Tails, Counters), StoreError> {
    let mut counters = Counters { next_row: 1, next_piece: 1, mark: None };
    let mut changes = BTreeMap::<i64, TailChange>::new();
    let mut select = conn.prepare("SELECT id, doc, seq, at_ms, length(body), kind, crc, body FROM log ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, named): (i64, i64) = (row.get(0)?, row.get(1)?);
        counters.next_row = id + 1;
        let is_damaged = check == Check::Checksums && !is_of(row, named)?;
        let doc = if is_damaged { owner(conn, row)?.unwrap_or(named) } else { named };
        if doc == MARK_DOC {
            counters.mark = Some(id);
            continue;
        }
        let new = || TailChange { doc, epoch: Epoch::FIRST, dropped: 0, added: Vec::new(), updated_ms: 0 };
        let change = changes.entry(doc).or_insert_with(new);
        change.added.push(Row { id, seq: from_column(row.get(2)?), bytes: from_column(row.get(4)?), is_damaged });
        change.updated_ms = from_column(row.get(3)?);
    }
    let newest: Option<i64> = conn.query_row("SELECT max(id) FROM piece", [], |row| row.get(0))?;
    counters.next_piece = newest.map_or(1, |newest| newest + 1);
    let mut tails = Tails::default();
    let mut select = conn.prepare("SELECT name, epoch FROM doc WHERE id = ?1")?;
    for (doc, mut change) in changes {
        let (name, epoch) = select.query_row([doc], |row| Ok((row.get::<_, String>(0)?, from_column(row.get(1)?))))?;
        let Ok(name) = DocName::new(&name) else {
            return Err(StoreError::Damaged(format!("the catalogue has the name {name:?}")));
        };
        change.epoch = Epoch(epoch);
        tails.change(&name, change);
    }
    Ok((tails, counters))
}

/// Whether a log entry is, by its checksum, one of that document.
fn is_of(row: &Columns<'_>, doc: i64) -> Result<bool, StoreError> {
    let (crc, body) = (crc_column(row.get(6)?), row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?);
    if doc == MARK_DOC {
        return Ok(crc == 0 && body.is_empty());
    }
    let seq = from_column(row.get(2)?);
    Ok(code_kind(row.get(5)?).is_some_and(|kind| row_crc(doc, seq, kind, body) == crc))
}

/// The document that a log entry which names another one was written for.
fn owner(conn: &Connection, row: &Columns<'_>) -> Result<Option<i64>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id FROM doc")?;
    let mut documents = select.query([])?;
    while let Some(document) = documents.next()? {
        let doc = document.get(0)?;
        if is_of(row, doc)? {
            return Ok(Some(doc));
        }
    }
    Ok(None)
}

/// The newest log entry, or 0.
pub(crate) fn newest_row(conn: &Connection) -> Result<i64, StoreError> {
    let newest: Option<i64> = conn.query_row("SELECT max(id) FROM log", [], |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}
