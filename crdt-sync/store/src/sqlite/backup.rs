use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::folder::{private, sync_folder};
use crate::sqlite::reader::reading;
use crate::sqlite::verify;

/// Copies one state of the store into a new file. The copy gets its name when it is whole, checked and on disk.
pub(crate) fn backup(conn: &Connection, to: &Path) -> Result<(), StoreError> {
    if to.symlink_metadata().is_ok() {
        return Err(StoreError::Refused(format!("{} exists", to.display())));
    }
    let draft = Draft::make(to)?;
    // One read transaction throughout: without it every commit of somebody else would make the copy begin anew.
    reading(conn, || copy(conn, &draft.0))?;
    File::open(&draft.0)?.sync_all()?;
    // Unlike a rename, a link does not overwrite what came in between.
    match fs::hard_link(&draft.0, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(StoreError::Refused(format!("{} exists", to.display())));
        }
        // Some file systems have no links.
        Err(_) => fs::rename(&draft.0, to)?,
        Ok(()) => {}
    }
    drop(draft);
    Ok(sync_folder(folder_of(to))?)
}

fn copy(conn: &Connection, draft: &Path) -> Result<(), StoreError> {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(draft, flags)?;
    // It is made durable as a whole, afterwards.
    copy.pragma_update(None, "synchronous", "OFF")?;
    let steps = Backup::new(conn, &mut copy)?;
    loop {
        let step = steps.step(PAGES_AT_ONCE)?;
        if step == StepResult::Done {
            break;
        }
        if step != StepResult::More {
            return Err(StoreError::Disk("the copy is locked by another process".into()));
        }
    }
    drop(steps);
    // One file alone, so that it can be moved about.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    verify::sound(&copy)
}

/// An unfinished copy, removed if it does not become more than that.
struct Draft(PathBuf);

impl Draft {
    fn make(to: &Path) -> Result<Self, StoreError> {
        let mut name = to.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".partial");
        let path = to.with_file_name(name);
        match private().create_new(true).open(&path) {
            Ok(_) => Ok(Self(path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(StoreError::Refused(format!(
                "{} exists: another backup runs, or was interrupted; then remove it",
                path.display()
            ))),
            Err(error) => Err(StoreError::Disk(format!("{}: {error}", path.display()))),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is gone already if it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

const PAGES_AT_ONCE: i32 = 1024;
