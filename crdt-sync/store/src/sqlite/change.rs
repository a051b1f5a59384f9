mod erase;
pub(crate) mod snapshot;
mod version;

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};
use stoa_base_types::{DocName, Epoch};

use crate::crc::Crc;
use crate::error::StoreError;
use crate::sqlite::chat;
use crate::sqlite::number::{from_column, to_column};
use crate::sqlite::pack::kind_code;
use crate::tails::{Row, SharedTails, TailChange};
use crate::write::{Kind, Write};

/// The writes of one transaction, as they are carried out. What they mean for [`SharedTails`] takes effect after the commit.
pub(crate) struct Change<'a> {
    conn: &'a Connection,
    tails: &'a SharedTails,
    now_ms: u64,
    counters: Counters,
    drafts: BTreeMap<DocName, Draft>,
    appends: bool,
    drops_rows: bool,
    erases: bool,
}

/// The next free rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Of the log. Every transaction that comes through leaves a higher one behind than there was before, which proves after a
    /// failed commit whether it came through; so a row's number is never used twice.
    pub(crate) next_row: i64,
    /// Of the pieces.
    pub(crate) next_piece: i64,
    /// An empty log entry that stands for a transaction without lasting entries of its own.
    pub(crate) mark: Option<i64>,
}

/// What becomes of a document's log.
#[derive(Debug)]
struct Draft {
    doc: i64,
    epoch: Epoch,
    /// The newest entry, also if it was compacted.
    seq: u64,
    /// Entries before this transaction, and how many of the oldest of them go.
    before: usize,
    dropped: usize,
    added: Vec<Row>,
}

/// What a transaction did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counters: Counters,
    pub(crate) tails: Vec<(DocName, TailChange)>,
    pub(crate) erases: bool,
}

impl<'a> Change<'a> {
    pub(crate) const fn new(conn: &'a Connection, tails: &'a SharedTails, counters: Counters, now_ms: u64) -> Self {
        let drafts = BTreeMap::new();
        Self { conn, tails, now_ms, counters, drafts, appends: false, drops_rows: false, erases: false }
    }

    pub(crate) fn apply(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Append { doc, epoch, seq, kind, body } => self.append(doc, *epoch, *seq, *kind, body),
            Write::Snapshot { doc, epoch, generation, through, body, vector, deletes } => {
                let parts = snapshot::Parts { body, vector, deletes };
                self.snapshot(doc, *epoch, *generation, *through, &parts)
            }
            Write::Erase { doc, epoch, former_authors } => self.erase(doc, *epoch, former_authors),
            Write::PutVersion { doc, epoch, id, name, created_ms, automatic, author, body } => {
                let (name, author) = (name.as_deref(), author.as_deref());
                let version = version::New { id: *id, name, created_ms: *created_ms, automatic: *automatic, author };
                self.put_version(doc, *epoch, &version, body)
            }
            Write::DeleteVersion { doc, id } => self.delete_version(doc, *id),
            Write::RenameVersion { doc, id, name } => self.rename_version(doc, *id, name.as_deref()),
            Write::Chat { room, seq, at_ms, author, name, text } => {
                let (author, name, text) = (author.clone(), name.clone(), text.clone());
                let entry = crate::stored::ChatEntry { seq: *seq, at_ms: *at_ms, author, name, text };
                chat::append(self.conn, &mut self.counters.next_piece, room, &entry)
            }
            Write::Prune { before_ms } => self.prune(*before_ms),
        }
    }

    /// To be called after the last write, before the commit.
    pub(crate) fn finish(mut self) -> Result<Outcome, StoreError> {
        if self.drops_rows || !self.appends {
            self.leave_mark()?;
        }
        let now_ms = self.now_ms;
        let tails = self.drafts.into_iter().map(|(name, draft)| {
            let Draft { doc, epoch, dropped, added, .. } = draft;
            (name, TailChange { doc, epoch, dropped, added, updated_ms: now_ms })
        });
        Ok(Outcome { counters: self.counters, tails: tails.collect(), erases: self.erases })
    }

    fn leave_mark(&mut self) -> Result<(), StoreError> {
        if let Some(old) = self.counters.mark {
            self.conn.prepare_cached(DELETE_ROW)?.execute([old])?;
        }
        let id = self.take_row();
        self.conn.prepare_cached(INSERT_ROW)?.execute((id, MARK_DOC, 0, 0, to_column(self.now_ms)?, 0, &[][..]))?;
        self.counters.mark = Some(id);
        Ok(())
    }

    fn append(&mut self, doc: &DocName, epoch: Epoch, seq: u64, kind: Kind, body: &Bytes) -> Result<(), StoreError> {
        let id = self.take_row();
        let (conn, at_ms) = (self.conn, to_column(self.now_ms)?);
        let draft = self.draft(doc, epoch)?;
        if seq <= draft.seq {
            return Err(StoreError::Refused(format!("{doc}: entry {seq} comes after {}", draft.seq)));
        }
        let crc = row_crc(draft.doc, seq, kind, body);
        conn.prepare_cached(INSERT_ROW)?.execute((
            id,
            draft.doc,
            to_column(seq)?,
            kind_code(kind),
            at_ms,
            crc,
            &body[..],
        ))?;
        draft.seq = seq;
        draft.added.push(Row { id, seq, bytes: body.len() as u64, is_damaged: false });
        self.appends = true;
        Ok(())
    }

    const fn take_row(&mut self) -> i64 {
        let id = self.counters.next_row;
        self.counters.next_row += 1;
        id
    }

    /// The document, which is created if there is none.
    fn draft(&mut self, name: &DocName, epoch: Epoch) -> Result<&mut Draft, StoreError> {
        if !self.drafts.contains_key(name) {
            let draft = match self.find(name)? {
                Some(draft) => draft,
                None => self.create(name, epoch)?,
            };
            self.drafts.insert(name.clone(), draft);
        }
        match self.drafts.get_mut(name) {
            Some(draft) if draft.epoch == epoch => Ok(draft),
            Some(Draft { epoch: present, .. }) => {
                Err(StoreError::Refused(format!("{name}: the epoch is {}, not {}", present.0, epoch.0)))
            }
            None => Err(StoreError::Refused(format!("{name}: no such document"))),
        }
    }

    fn find(&self, name: &DocName) -> Result<Option<Draft>, StoreError> {
        if let Some(tail) = self.tails.lock().of(name) {
            let seq = tail.rows.last().map_or(0, |row| row.seq);
            let (doc, epoch, before) = (tail.doc, tail.epoch, tail.rows.len());
            return Ok(Some(Draft { doc, epoch, seq, before, dropped: 0, added: Vec::new() }));
        }
        let mut select = self.conn.prepare_cached("SELECT id, epoch, seq FROM doc WHERE name = ?1")?;
        let draft = select.query_row([name.as_str()], |row| {
            let (epoch, seq) = (Epoch(from_column(row.get(1)?)), from_column(row.get(2)?));
            Ok(Draft { doc: row.get(0)?, epoch, seq, before: 0, dropped: 0, added: Vec::new() })
        });
        Ok(draft.optional()?)
    }

    fn create(&self, name: &DocName, epoch: Epoch) -> Result<Draft, StoreError> {
        let insert = "INSERT INTO doc (name, epoch, seq, generation, bytes, created_ms, updated_ms, former_authors)
            VALUES (?1, ?2, 0, 0, 0, ?3, ?3, x'')";
        let columns = (name.as_str(), to_column(epoch.0)?, to_column(self.now_ms)?);
        let doc = self.conn.prepare_cached(insert)?.insert(columns)?;
        Ok(Draft { doc, epoch, seq: 0, before: 0, dropped: 0, added: Vec::new() })
    }

    /// Removes the log entries up to and including `through` from a document whose draft exists, and names them.
    fn drop_rows(&mut self, name: &DocName, through: u64) -> Vec<Row> {
        let Some(draft) = self.drafts.get_mut(name) else { return Vec::new() };
        let mut gone = Vec::new();
        if let Some(tail) = self.tails.lock().of(name) {
            let before = tail.rows.get(draft.dropped..draft.before).unwrap_or_default();
            gone.extend(before.iter().take_while(|row| row.seq <= through));
            draft.dropped += gone.len();
        }
        let added = draft.added.iter().take_while(|row| row.seq <= through).count();
        gone.extend(draft.added.drain(..added));
        self.drops_rows |= !gone.is_empty();
        gone
    }
}

/// The checksum of a log entry: one that turns up in another place is found out.
pub(crate) fn row_crc(doc: i64, seq: u64, kind: Kind, body: &[u8]) -> u32 {
    Crc::new().with_number(doc.cast_unsigned()).with_number(seq).with(&[kind_code(kind)]).with(body).sum()
}

/// The document of a [`Counters::mark`].
pub(crate) const MARK_DOC: i64 = 0;

const INSERT_ROW: &str = "INSERT INTO log (id, doc, seq, kind, at_ms, crc, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const DELETE_ROW: &str = "DELETE FROM log WHERE id = ?1";
