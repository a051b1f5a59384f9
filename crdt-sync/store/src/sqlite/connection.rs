use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::schema::{self, MIGRATIONS};

/// The connection that writes. A newer schema is refused before anything in the file changes.
pub(crate) fn open_writer(file: &Path) -> Result<Connection, StoreError> {
    let conn = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_schema(&conn)?;
    conn.pragma_update(None, "page_size", PAGE)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Disk("this file system has no shared memory, which write-ahead logging needs".into()));
    }
    // Every commit is on disk before it returns.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What is removed is overwritten, and nothing of it goes to temporary files.
    conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // Checkpoints are made where they stall nobody.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", WAL_KEPT_BYTES, |_| Ok(()))?;
    schema::migrate(&conn, &MIGRATIONS)?;
    Ok(conn)
}

/// A connection that cannot write.
pub(crate) fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let conn = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn open(file: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(file, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Before anything can fail: a checkpoint made when this is closed would know nothing of a failure before it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(conn)
}

/// # Errors
///
/// When the file is none of ours, or newer than this release.
pub(crate) fn check_schema(conn: &Connection) -> Result<(), StoreError> {
    let (found, known) = (schema::version(conn)?, u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX));
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
}

/// How long to wait for another connection's lock; they are held for moments.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than there are.
const STATEMENTS: usize = 64;

/// Of each connection. The log's end and the upper pages of the trees fit many times.
const CACHE_KIB: i32 = 2048;

const PAGE: u32 = 4096;

/// A write-ahead log that grew beyond this, because somebody read for long, is cut when it starts over.
const WAL_KEPT_BYTES: u32 = 16 << 20;
