use stoa_base_types::{DocName, Epoch};

use crate::error::StoreError;
use crate::sqlite::change::{Change, DELETE_ROW};
use crate::sqlite::number::to_column;
use crate::sqlite::pack::{pack_numbers, unpack_numbers};
use crate::sqlite::{chat, scrub};

impl Change<'_> {
    /// `secure_delete` overwrites what is removed here; what lies around elsewhere is left to the scrubbing that this orders.
    pub(super) fn erase(&mut self, name: &DocName, epoch: Epoch, former: &[u64]) -> Result<(), StoreError> {
        let present = self.find_draft(name, epoch)?;
        if epoch <= present {
            let what = format!("{name}: epoch {} comes after {}", epoch.0, present.0);
            return Err(StoreError::Refused(what));
        }
        let rows = self.drop_rows(name, u64::MAX);
        let mut delete = self.conn.prepare_cached(DELETE_ROW)?;
        for row in rows {
            delete.execute([row.id])?;
        }
        let Some(draft) = self.drafts.get_mut(name) else { return Ok(()) };
        (draft.epoch, draft.seq) = (epoch, 0);
        let doc = draft.doc;
        for generation in self.numbers("SELECT generation FROM generation WHERE doc = ?1", doc)? {
            self.delete_generation(doc, generation)?;
        }
        for version in self.numbers("SELECT id FROM version WHERE doc = ?1", doc)? {
            self.remove_version(doc, version)?;
        }
        chat::erase(self.conn, name)?;
        self.begin_anew(doc, epoch, former)?;
        scrub::order(self.conn)?;
        self.erases = true;
        Ok(())
    }

    /// Sees to it that there is a draft, and tells the present epoch; a document that was never written to has none before
    /// `epoch`.
    fn find_draft(&mut self, name: &DocName, epoch: Epoch) -> Result<Epoch, StoreError> {
        if let Some(draft) = self.drafts.get(name) {
            return Ok(draft.epoch);
        }
        let (draft, present) = match self.find(name)? {
            Some(draft) => {
                let present = draft.epoch;
                (draft, present)
            }
            None => (self.create(name, epoch)?, Epoch(0)),
        };
        self.drafts.insert(name.clone(), draft);
        Ok(present)
    }

    fn numbers(&self, select: &str, doc: i64) -> Result<Vec<i64>, StoreError> {
        let mut select = self.conn.prepare_cached(select)?;
        let numbers = select.query_map([doc], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    fn begin_anew(&self, doc: i64, epoch: Epoch, former: &[u64]) -> Result<(), StoreError> {
        let mut select = self.conn.prepare_cached("SELECT former_authors FROM doc WHERE id = ?1")?;
        let mut authors = select.query_row([doc], |row| Ok(unpack_numbers(row.get_ref(0)?.as_blob()?)))?;
        authors.extend_from_slice(former);
        authors.sort_unstable();
        authors.dedup();
        let update = "UPDATE doc SET epoch = ?2, seq = 0, generation = 0, bytes = 0, created_ms = ?3, updated_ms = ?3,
            former_authors = ?4 WHERE id = ?1";
        let columns = (doc, to_column(epoch.0)?, to_column(self.now_ms)?, pack_numbers(&authors));
        self.conn.prepare_cached(update)?.execute(columns)?;
        Ok(())
    }
}
