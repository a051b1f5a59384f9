use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::Connection;
use stoa_base_types::DocName;

use crate::error::StoreError;
use crate::sqlite::source::Source;
use crate::sqlite::{backup, catalogue, chat, connection, folder, load, verify, version};
use crate::store::ReadStore;
use crate::stored::{ChatEntry, ChatPage, DocInfo, Export, Report, Size, Stored, VersionInfo};

/// A connection of its own that only reads.
#[derive(Debug)]
pub struct SqliteReader {
    file: PathBuf,
    source: Source,
    /// Opened when it is needed, and again after the disk did not obey.
    conn: Option<Connection>,
}

impl SqliteReader {
    /// Reads a folder, or a backup, from another process than the one that serves it, or while none does.
    ///
    /// # Errors
    ///
    /// When there is no store, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = if path.is_dir() { path.join(folder::FILE) } else { path.to_path_buf() };
        if !file.is_file() {
            return Err(StoreError::Refused(format!("{}: there is no store", path.display())));
        }
        let mut reader = Self { file, source: Source::Scan, conn: None };
        reader.with(|conn, _| connection::check_schema(conn))?;
        Ok(reader)
    }

    pub(crate) const fn within(file: PathBuf, source: Source) -> Self {
        Self { file, source, conn: None }
    }

    /// All of a document that can still be read.
    ///
    /// # Errors
    ///
    /// When the store cannot be read at all.
    pub fn export(&mut self, doc: &DocName) -> Result<Option<Export>, StoreError> {
        self.with(|conn, source| export(conn, source, doc))
    }

    fn with<T>(&mut self, f: impl FnOnce(&Connection, &Source) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connection::open_reader(&self.file)?,
        };
        let result = f(&conn, &self.source);
        if !matches!(result, Err(StoreError::Disk(_))) {
            self.conn = Some(conn);
        }
        result
    }
}

impl ReadStore for SqliteReader {
    fn load(&mut self, doc: &DocName) -> Result<Option<Stored>, StoreError> {
        self.with(|conn, source| load_whole(conn, source, doc))
    }

    fn list(&mut self, after: Option<&str>, limit: usize, prefix: &str) -> Result<Vec<DocInfo>, StoreError> {
        self.with(|conn, source| list(conn, source, after, limit, prefix))
    }

    fn versions(&mut self, doc: &DocName, before: Option<u64>, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.with(|conn, _| version::list(conn, doc, before, limit))
    }

    fn version(&mut self, doc: &DocName, id: u64) -> Result<Option<(VersionInfo, Bytes)>, StoreError> {
        self.with(|conn, _| reading(conn, || version::read(conn, doc, id)))
    }

    fn chat(&mut self, room: &DocName, page: ChatPage, limit: usize) -> Result<Vec<ChatEntry>, StoreError> {
        self.with(|conn, _| reading(conn, || chat::page(conn, room, page, limit)))
    }

    fn size(&mut self) -> Result<Size, StoreError> {
        self.with(|conn, _| reading(conn, || catalogue::size(conn)))
    }

    fn verify(&mut self) -> Result<Report, StoreError> {
        self.with(|conn, _| verify::verify(conn))
    }

    fn backup(&mut self, to: &Path) -> Result<(), StoreError> {
        self.with(|conn, _| backup::backup(conn, to))
    }
}

/// Loads a document, or says what is damaged.
pub(crate) fn load_whole(conn: &Connection, source: &Source, doc: &DocName) -> Result<Option<Stored>, StoreError> {
    match export(conn, source, doc)? {
        Some(Export { losses, .. }) if !losses.is_empty() => {
            Err(StoreError::Corrupt { doc: doc.clone(), what: losses.join(", ") })
        }
        found => Ok(found.map(|export| export.stored)),
    }
}

pub(crate) fn export(conn: &Connection, source: &Source, doc: &DocName) -> Result<Option<Export>, StoreError> {
    let early = source.early(doc);
    reading(conn, || {
        let tail = source.late(conn, doc, early)?;
        load::load(conn, doc, tail.as_ref())
    })
}

pub(crate) fn list(
    conn: &Connection,
    source: &Source,
    after: Option<&str>,
    limit: usize,
    prefix: &str,
) -> Result<Vec<DocInfo>, StoreError> {
    reading(conn, || catalogue::list(conn, source, after, limit, prefix))
}

/// Runs `f` on one state of the store.
pub(crate) fn reading<T>(conn: &Connection, f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let tx = conn.unchecked_transaction()?;
    let result = f();
    drop(tx);
    result
}
