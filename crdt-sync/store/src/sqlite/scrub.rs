use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::StoreError;

/// Notes, in the transaction of an erasure, that traces of text are to be overwritten; a crash does not forget it.
pub(crate) fn order(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO chore (name) VALUES (?1)")?.execute([CHORE])?;
    Ok(())
}

/// Whether an erasure waits for its traces to be overwritten.
pub(crate) fn is_ordered(conn: &Connection) -> Result<bool, StoreError> {
    let found = conn.query_row("SELECT 1 FROM chore WHERE name = ?1", [CHORE], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Writes the tables whose rows have many sizes anew: where SQLite moved rows about, bytes of erased ones may lie in between
/// (see [`PIECE`](super::piece::PIECE)). The pages that become free are overwritten because `secure_delete` is on.
///
/// The log holds what was not compacted yet, so this is short.
pub(crate) fn scrub(conn: &Connection) -> Result<(), StoreError> {
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    for table in ["log", "version"] {
        let made: String =
            tx.query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", [table], |row| {
                row.get(0)
            })?;
        let columns = made.split_once('(').map_or("", |(_, columns)| columns);
        tx.execute_batch(&format!(
            "CREATE TABLE scrubbed ({columns};
            INSERT INTO scrubbed SELECT * FROM {table};
            DROP TABLE {table};
            ALTER TABLE scrubbed RENAME TO {table};"
        ))?;
    }
    tx.execute("DELETE FROM chore WHERE name = ?1", [CHORE])?;
    tx.commit()?;
    Ok(())
}

const CHORE: &str = "scrub";
