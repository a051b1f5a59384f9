use bytes::Bytes;
use rusqlite::OptionalExtension;
use stoa_base_types::{DocName, Epoch};

use crate::crc::Crc;
use crate::error::StoreError;
use crate::sqlite::change::{Change, DELETE_ROW, row_crc};
use crate::sqlite::number::{crc_column, from_column, length, to_column};
use crate::sqlite::pack::{code_kind, pack_log_entry};
use crate::sqlite::piece::{self, Body};
use crate::tails::Row;
use crate::write::{PRUNE_AT_ONCE, PRUNE_BYTES};

/// What a snapshot consists of.
pub(crate) struct Parts<'a> {
    pub(crate) body: &'a Bytes,
    pub(crate) vector: &'a Bytes,
    pub(crate) deletes: &'a Bytes,
}

impl Change<'_> {
    /// The present generation retires, together with the log that is now compacted.
    pub(super) fn snapshot(
        &mut self,
        name: &DocName,
        epoch: Epoch,
        generation: u64,
        through: u64,
        parts: &Parts<'_>,
    ) -> Result<(), StoreError> {
        let draft = self.draft(name, epoch)?;
        draft.seq = draft.seq.max(through);
        let doc = draft.doc;
        let (present, reached) = self.present_generation(doc)?;
        if generation <= present || through < reached {
            let what =
                format!("{name}: generation {generation} through {through} comes after {present} through {reached}");
            return Err(StoreError::Refused(what));
        }
        let rows = self.drop_rows(name, through);
        if present > 0 || !rows.is_empty() {
            self.retire(doc, present, generation, &rows)?;
        }
        self.insert_generation(doc, generation, through, parts)?;
        self.thin(doc)?;
        let bytes = length(parts.body.len() + parts.vector.len() + parts.deletes.len());
        let update = "UPDATE doc SET generation = ?2, seq = max(seq, ?3), bytes = ?4, updated_ms = max(updated_ms, ?5) WHERE id = ?1";
        let columns = (doc, to_column(generation)?, to_column(through)?, bytes, to_column(self.now_ms)?);
        self.conn.prepare_cached(update)?.execute(columns)?;
        Ok(())
    }

    /// The newest generation and the newest log entry that it contains.
    fn present_generation(&self, doc: i64) -> Result<(u64, u64), StoreError> {
        let select = "SELECT d.generation, coalesce(g.through, 0) FROM doc d
            LEFT JOIN generation g ON g.doc = d.id AND g.generation = d.generation WHERE d.id = ?1";
        let mut select = self.conn.prepare_cached(select)?;
        Ok(select.query_row([doc], |row| Ok((from_column(row.get(0)?), from_column(row.get(1)?))))?)
    }

    fn insert_generation(
        &mut self,
        doc: i64,
        generation: u64,
        through: u64,
        parts: &Parts<'_>,
    ) -> Result<(), StoreError> {
        let Parts { body, vector, deletes } = parts;
        let lengths = [body.len(), vector.len(), deletes.len()];
        let seal = snapshot_seal(doc, generation, through, lengths);
        let written = piece::write(self.conn, &mut self.counters.next_piece, seal, &[body, vector, deletes])?;
        let insert = "INSERT INTO generation
            (doc, generation, through, piece, body_bytes, vector_bytes, deletes_bytes, crc)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let [body, vector, deletes] = lengths.map(length);
        let (generation, through) = (to_column(generation)?, to_column(through)?);
        let columns = (doc, generation, through, written.first, body, vector, deletes, written.crc);
        self.conn.prepare_cached(insert)?.execute(columns)?;
        Ok(())
    }

    /// Generation 0 is the empty document: it gets its row when the first snapshot takes its place.
    fn retire(&mut self, doc: i64, generation: u64, next: u64, rows: &[Row]) -> Result<(), StoreError> {
        if generation == 0 {
            self.insert_generation(
                doc,
                0,
                0,
                &Parts { body: &Bytes::new(), vector: &Bytes::new(), deletes: &Bytes::new() },
            )?;
        }
        let log = self.move_log(doc, generation, rows)?;
        let update = "UPDATE generation SET retired_ms = ?3, next_generation = ?4, log_piece = ?5, log_bytes = ?6,
            log_crc = ?7 WHERE doc = ?1 AND generation = ?2";
        let (generation, next) = (to_column(generation)?, to_column(next)?);
        let columns = (doc, generation, to_column(self.now_ms)?, next, log.first, length(log.bytes), log.crc);
        self.conn.prepare_cached(update)?.execute(columns)?;
        Ok(())
    }

    /// Takes entries out of the log and puts them into pieces. A damaged entry must not look sound there.
    fn move_log(&mut self, doc: i64, generation: u64, rows: &[Row]) -> Result<Body, StoreError> {
        let (mut packed, mut is_sound) = (Vec::new(), true);
        let mut select = self.conn.prepare_cached("SELECT kind, crc, body FROM log WHERE id = ?1 AND doc = ?2")?;
        let mut delete = self.conn.prepare_cached(DELETE_ROW)?;
        for row in rows {
            let found = select.query_row((row.id, doc), |columns| {
                let body = columns.get_ref(2)?.as_blob()?;
                let kind = code_kind(columns.get(0)?);
                if let Some(kind) = kind {
                    pack_log_entry(&mut packed, row.seq, kind, body);
                }
                let crc = crc_column(columns.get(1)?);
                Ok(kind.is_some_and(|kind| row_crc(doc, row.seq, kind, body) == crc))
            });
            is_sound &= found.optional()?.unwrap_or(false);
            delete.execute([row.id])?;
        }
        let seal = log_seal(doc, generation);
        let mut log = piece::write(self.conn, &mut self.counters.next_piece, seal, &[&packed])?;
        if !is_sound {
            tracing::warn!(doc, generation, "a damaged log entry was compacted");
            log.crc = !log.crc;
        }
        Ok(log)
    }

    /// A busy document retires many generations in a week. The newest stay, of older ones the first of each day.
    fn thin(&self, doc: i64) -> Result<(), StoreError> {
        let select = "SELECT generation, retired_ms FROM generation
            WHERE doc = ?1 AND retired_ms IS NOT NULL ORDER BY generation DESC";
        let mut select = self.conn.prepare_cached(select)?;
        let mut rows = select.query([doc])?;
        let mut later: Option<(i64, i64)> = None;
        let (mut seen, mut excess) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let (generation, retired_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
            seen += 1;
            if seen <= KEPT_GENERATIONS {
                continue;
            }
            let day = retired_ms.div_euclid(DAY_MS);
            if let Some((kept, kept_day)) = later.replace((generation, day))
                && kept_day == day
            {
                excess.push(kept);
            }
        }
        drop(rows);
        excess.into_iter().try_for_each(|generation| self.delete_generation(doc, generation))
    }

    pub(super) fn prune(&self, before_ms: u64) -> Result<(), StoreError> {
        let select = "SELECT doc, generation, body_bytes + log_bytes FROM generation
            WHERE retired_ms < ?1 ORDER BY retired_ms LIMIT ?2";
        let mut select = self.conn.prepare_cached(select)?;
        let columns = (to_column(before_ms)?, PRUNE_AT_ONCE);
        let rows = select.query_map(columns, |row| Ok((row.get(0)?, row.get(1)?, from_column(row.get(2)?))))?;
        let old: Vec<(i64, i64, u64)> = rows.collect::<Result<_, _>>()?;
        let mut bytes = 0;
        for (doc, generation, own) in old {
            self.delete_generation(doc, generation)?;
            bytes += own;
            if bytes >= PRUNE_BYTES {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn delete_generation(&self, doc: i64, generation: i64) -> Result<(), StoreError> {
        let delete = "DELETE FROM generation WHERE doc = ?1 AND generation = ?2
            RETURNING piece, body_bytes + vector_bytes + deletes_bytes, log_piece, log_bytes";
        let mut delete = self.conn.prepare_cached(delete)?;
        let bodies = delete.query_row((doc, generation), |row| {
            let state: (i64, i64) = (row.get(0)?, row.get(1)?);
            let log: (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            Ok([Some(state), log.0.zip(log.1)])
        })?;
        for (first, bytes) in bodies.into_iter().flatten() {
            let bytes = usize::try_from(bytes).unwrap_or(0);
            piece::delete(self.conn, first, piece::count(bytes))?;
        }
        Ok(())
    }
}

/// What the checksum of a snapshot begins with.
pub(crate) fn snapshot_seal(doc: i64, generation: u64, through: u64, lengths: [usize; 3]) -> Crc {
    let numbers = [doc.cast_unsigned(), generation, through].into_iter().chain(lengths.map(|length| length as u64));
    numbers.fold(Crc::new(), Crc::with_number)
}

/// What the checksum of a compacted log begins with.
pub(crate) fn log_seal(doc: i64, generation: u64) -> Crc {
    Crc::new().with_number(doc.cast_unsigned()).with_number(!generation)
}

/// Retired generations of one document that are kept without gaps; a damaged snapshot is made up for by the one before.
const KEPT_GENERATIONS: usize = 2;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
