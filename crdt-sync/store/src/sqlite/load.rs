use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row as Columns};
use stoa_base_types::{DocName, Epoch};

use crate::error::StoreError;
use crate::sqlite::change::row_crc;
use crate::sqlite::change::snapshot::{log_seal, snapshot_seal};
use crate::sqlite::number::{crc_column, from_column};
use crate::sqlite::pack::{code_kind, unpack_log, unpack_numbers};
use crate::sqlite::piece::{self, Body};
use crate::stored::{Export, LogEntry, Snapshot, Stored};
use crate::tails::{Row, Tail};

/// Reads a document, inside a read transaction. `tail` was copied before the transaction began, so it may be older: what it
/// lacks came later than the question, and what it has too much was compacted or erased since.
pub(crate) fn load(conn: &Connection, name: &DocName, tail: Option<&Tail>) -> Result<Option<Export>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id, epoch, generation, former_authors FROM doc WHERE name = ?1")?;
    let found = select.query_row([name.as_str()], |row| {
        let former_authors = unpack_numbers(row.get_ref(3)?.as_blob()?);
        Ok((row.get(0)?, Epoch(from_column(row.get(1)?)), from_column(row.get(2)?), former_authors))
    });
    let Some((doc, epoch, generation, former_authors)) = found.optional()? else { return Ok(None) };
    let mut losses = Vec::new();
    let state = load_state(conn, doc, generation, &mut losses)?;
    let reached = state.reached;
    let rows = tail.filter(|tail| tail.doc == doc && tail.epoch == epoch).map_or(&[][..], |tail| &tail.rows);
    let mut tail = state.log;
    for row in rows.iter().filter(|row| row.seq > reached || row.is_damaged) {
        match read_row(conn, doc, row)? {
            Some(entry) if !row.is_damaged => tail.push(entry),
            _ => losses.push(format!("log entry {}", row.seq)),
        }
    }
    let (snapshot, recovered) = (state.snapshot, state.recovered);
    let stored = Stored { epoch, generation, snapshot, tail, former_authors, recovered };
    Ok(Some(Export { stored, losses }))
}

/// A snapshot and what of the log follows it outside the log table.
#[derive(Default)]
struct State {
    snapshot: Option<Snapshot>,
    log: Vec<LogEntry>,
    /// The newest entry of both.
    reached: u64,
    recovered: Option<String>,
}

/// The newest snapshot; if that is damaged, the newest older one from which an unbroken row of compacted logs leads to the
/// present.
fn load_state(conn: &Connection, doc: i64, newest: u64, losses: &mut Vec<String>) -> Result<State, StoreError> {
    let generations = generations(conn, doc)?;
    if newest == 0 {
        if let Some(forgotten) = generations.first() {
            losses.push(format!("snapshot of generation {}, which the catalogue does not know", forgotten.number));
        }
        return Ok(State::default());
    }
    let mut state = State::default();
    let (mut logs, mut expected, mut is_unbroken) = (Vec::new(), newest, true);
    for generation in &generations {
        let is_newest = generation.number == newest;
        if is_newest {
            state.reached = generation.through;
        } else {
            is_unbroken &= generation.next == Some(expected);
            match generation.log.map(|log| read_log(conn, doc, generation.number, log)).transpose()?.flatten() {
                Some(log) => logs.push(log),
                None => is_unbroken = false,
            }
        }
        expected = generation.number;
        let Some(snapshot) = read_snapshot(conn, doc, generation)? else { continue };
        if !is_newest {
            state.recovered = Some(format!("snapshot of generation {newest}; generation {expected} was used"));
        }
        state.snapshot = Some(snapshot).filter(|snapshot| snapshot.generation > 0);
        state.log = logs.into_iter().rev().flatten().collect();
        if !is_unbroken {
            losses.push(state.recovered.take().unwrap_or_default());
        }
        return Ok(state);
    }
    losses.push(format!("snapshot of generation {newest}"));
    Ok(state)
}

/// A row of the table of that name.
pub(crate) struct Generation {
    pub(crate) number: u64,
    through: u64,
    state: Body,
    lengths: [usize; 3],
    next: Option<u64>,
    log: Option<Body>,
}

impl Generation {
    pub(crate) const fn is_retired(&self) -> bool {
        self.next.is_some()
    }
}

/// A document's generations, newest first.
pub(crate) fn generations(conn: &Connection, doc: i64) -> Result<Vec<Generation>, StoreError> {
    let select = "SELECT generation, through, piece, body_bytes, vector_bytes, deletes_bytes, crc, next_generation,
        log_piece, log_bytes, log_crc FROM generation WHERE doc = ?1 ORDER BY generation DESC";
    let mut select = conn.prepare_cached(select)?;
    let generations = select.query_map([doc], read_generation)?;
    Ok(generations.collect::<Result<_, _>>()?)
}

fn read_generation(row: &Columns<'_>) -> rusqlite::Result<Generation> {
    let bytes = |column: i64| usize::try_from(column).unwrap_or(0);
    let lengths = [bytes(row.get(3)?), bytes(row.get(4)?), bytes(row.get(5)?)];
    let total = lengths.iter().fold(0usize, |sum, length| sum.saturating_add(*length));
    let log = match (row.get(8)?, row.get(9)?, row.get(10)?) {
        (Some(first), Some(length), Some(crc)) => Some(Body { first, bytes: bytes(length), crc: crc_column(crc) }),
        _ => None,
    };
    Ok(Generation {
        number: from_column(row.get(0)?),
        through: from_column(row.get(1)?),
        state: Body { first: row.get(2)?, bytes: total, crc: crc_column(row.get(6)?) },
        lengths,
        next: row.get::<_, Option<i64>>(7)?.map(from_column),
        log,
    })
}

/// Whether all that a generation consists of can be read.
pub(crate) fn is_sound(conn: &Connection, doc: i64, generation: &Generation) -> Result<bool, StoreError> {
    let log = generation.log.map(|log| read_log(conn, doc, generation.number, log)).transpose()?;
    Ok(log.is_none_or(|log| log.is_some()) && read_snapshot(conn, doc, generation)?.is_some())
}

fn read_snapshot(conn: &Connection, doc: i64, generation: &Generation) -> Result<Option<Snapshot>, StoreError> {
    let Generation { number, through, state, lengths, .. } = *generation;
    let seal = snapshot_seal(doc, number, through, lengths);
    let Some(mut body) = piece::read(conn, state, seal)? else { return Ok(None) };
    let [body_bytes, vector_bytes, _] = lengths;
    let mut rest = body.split_off(body_bytes);
    let deletes = rest.split_off(vector_bytes);
    Ok(Some(Snapshot { generation: number, through, body, vector: rest, deletes }))
}

fn read_log(conn: &Connection, doc: i64, generation: u64, log: Body) -> Result<Option<Vec<LogEntry>>, StoreError> {
    Ok(piece::read(conn, log, log_seal(doc, generation))?.and_then(|packed| unpack_log(&packed)))
}

/// A log entry; none if it is damaged or missing.
fn read_row(conn: &Connection, doc: i64, row: &Row) -> Result<Option<LogEntry>, StoreError> {
    match select_row(conn, doc, row) {
        // The damage is in this entry: the others may be sound.
        Err(StoreError::Damaged(_)) => Ok(None),
        result => result,
    }
}

fn select_row(conn: &Connection, doc: i64, row: &Row) -> Result<Option<LogEntry>, StoreError> {
    let mut select = conn.prepare_cached("SELECT seq, kind, crc, body FROM log WHERE id = ?1 AND doc = ?2")?;
    let found = select.query_row((row.id, doc), |columns| {
        let (seq, kind) = (from_column(columns.get(0)?), code_kind(columns.get(1)?));
        let (crc, body) = (crc_column(columns.get(2)?), columns.get_ref(3)?.as_blob()?);
        let is_sound = |kind| seq == row.seq && row_crc(doc, seq, kind, body) == crc;
        Ok(kind.filter(|kind| is_sound(*kind)).map(|kind| LogEntry { seq, kind, body: Bytes::copy_from_slice(body) }))
    });
    Ok(found.optional()?.flatten())
}
