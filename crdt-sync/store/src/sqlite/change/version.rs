use bytes::Bytes;
use rusqlite::OptionalExtension;
use stoa_base_types::{DocName, Epoch};

use crate::error::StoreError;
use crate::sqlite::change::Change;
use crate::sqlite::number::{length, to_column};
use crate::sqlite::{piece, version};

/// A version without its body.
pub(crate) struct New<'a> {
    pub(crate) id: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) created_ms: u64,
    pub(crate) automatic: bool,
    pub(crate) author: Option<&'a str>,
}

impl Change<'_> {
    pub(super) fn put_version(
        &mut self,
        name: &DocName,
        epoch: Epoch,
        new: &New<'_>,
        body: &Bytes,
    ) -> Result<(), StoreError> {
        let doc = self.draft(name, epoch)?.doc;
        let id = to_column(new.id)?;
        self.remove_version(doc, id)?;
        let seal = version::seal(doc, new.id);
        let written = piece::write(self.conn, &mut self.counters.next_piece, seal, &[body])?;
        let insert = "INSERT INTO version (doc, id, name, created_ms, automatic, author, piece, bytes, crc)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let created_ms = to_column(new.created_ms)?;
        let columns = (
            doc,
            id,
            new.name,
            created_ms,
            new.automatic,
            new.author,
            written.first,
            length(written.bytes),
            written.crc,
        );
        self.conn.prepare_cached(insert)?.execute(columns)?;
        Ok(())
    }

    pub(super) fn delete_version(&self, name: &DocName, id: u64) -> Result<(), StoreError> {
        match version::find_doc(self.conn, name)? {
            Some(doc) => self.remove_version(doc, to_column(id)?),
            None => Ok(()),
        }
    }

    pub(super) fn rename_version(&self, name: &DocName, id: u64, to: Option<&str>) -> Result<(), StoreError> {
        if let Some(doc) = version::find_doc(self.conn, name)? {
            let update = "UPDATE version SET name = ?3 WHERE doc = ?1 AND id = ?2";
            self.conn.prepare_cached(update)?.execute((doc, to_column(id)?, to))?;
        }
        Ok(())
    }

    pub(super) fn remove_version(&self, doc: i64, id: i64) -> Result<(), StoreError> {
        let delete = "DELETE FROM version WHERE doc = ?1 AND id = ?2 RETURNING piece, bytes";
        let mut delete = self.conn.prepare_cached(delete)?;
        let body: Option<(i64, i64)> = delete.query_row((doc, id), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((first, bytes)) = body else { return Ok(()) };
        piece::delete(self.conn, first, piece::count(usize::try_from(bytes).unwrap_or(0)))
    }
}
