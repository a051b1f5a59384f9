use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// Brings the file to the newest schema. Each step is one transaction, so an interrupted one is begun anew.
///
/// # Errors
///
/// [`StoreError::NewerSchema`] before anything is touched, and [`StoreError::Damaged`] for another program's file.
pub(crate) fn migrate(conn: &Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let found = version(conn)?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (migration, number) in migrations.iter().zip(1u32..).skip(found as usize) {
        let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.commit()?;
    }
    Ok(())
}

/// The schema of the file, 0 if it is empty.
pub(crate) fn version(conn: &Connection) -> Result<u32, StoreError> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (version, application, tables) != (0, 0, 0) {
        return Err(StoreError::Damaged("this file belongs to another program".into()));
    }
    Ok(version)
}

/// "Stoa".
const APPLICATION_ID: u32 = 0x5374_6f61;

/// What makes each schema from the one before.
pub(crate) const MIGRATIONS: [&str; 1] = [FIRST];

/// One log for all documents, without an index, so that a commit writes the end of one table and nothing else. Long bodies lie
/// in `piece`, see there. A row of `generation` is a snapshot and, once it is retired, the log that followed it.
const FIRST: &str = "
CREATE TABLE doc (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    former_authors BLOB NOT NULL
) STRICT;
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    doc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE piece (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE generation (
    doc INTEGER NOT NULL REFERENCES doc (id),
    generation INTEGER NOT NULL,
    through INTEGER NOT NULL,
    piece INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL,
    vector_bytes INTEGER NOT NULL,
    deletes_bytes INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    retired_ms INTEGER,
    next_generation INTEGER,
    log_piece INTEGER,
    log_bytes INTEGER,
    log_crc INTEGER,
    PRIMARY KEY (doc, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX generation_retired ON generation (retired_ms) WHERE retired_ms IS NOT NULL;
CREATE TABLE version (
    doc INTEGER NOT NULL REFERENCES doc (id),
    id INTEGER NOT NULL,
    name TEXT,
    created_ms INTEGER NOT NULL,
    automatic INTEGER NOT NULL,
    author TEXT,
    piece INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (doc, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE chat (
    room TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    piece INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    PRIMARY KEY (room, first_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE chore (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: &str = "CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT; INSERT INTO extra VALUES (7);";
    const BROKEN: &str = "CREATE TABLE half (id INTEGER); CREATE TABLE half (id INTEGER);";

    fn tables(conn: &Connection) -> u32 {
        conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name IN ('doc', 'extra', 'half')", [], |row| {
            row.get(0)
        })
        .unwrap()
    }

    #[test]
    fn steps_run_once_and_in_order() {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, &[FIRST]).unwrap();
        assert_eq!(version(&conn), Ok(1));
        conn.execute_batch("INSERT INTO chore VALUES ('kept')").unwrap();
        migrate(&conn, &[FIRST, SECOND]).unwrap();
        migrate(&conn, &[FIRST, SECOND]).unwrap();
        assert_eq!((version(&conn), tables(&conn)), (Ok(2), 2));
        let kept: String = conn.query_row("SELECT name FROM chore", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let conn = Connection::open_in_memory().unwrap();
        assert!(migrate(&conn, &[FIRST, BROKEN]).is_err());
        assert_eq!((version(&conn), tables(&conn)), (Ok(1), 1));
        migrate(&conn, &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&conn), Ok(2));
    }

    #[test]
    fn a_newer_schema_and_a_foreign_file_are_refused_untouched() {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, &[FIRST, SECOND]).unwrap();
        assert_eq!(migrate(&conn, &[FIRST]), Err(StoreError::NewerSchema { found: 2, known: 1 }));
        let foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE recipes (id INTEGER)").unwrap();
        assert!(matches!(migrate(&foreign, &MIGRATIONS), Err(StoreError::Damaged(_))));
        assert_eq!(tables(&foreign), 0);
    }
}
