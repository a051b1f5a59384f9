use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The folder of a store, held by this process alone while this exists.
///
/// The lock is on a file of its own: closing any descriptor of the database would give up SQLite's locks on it.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) file: PathBuf,
    dir: PathBuf,
    lock: File,
}

impl Folder {
    /// Takes the folder, and makes it and an empty file if need be.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let at = |path: &Path, error: io::Error| StoreError::Disk(format!("{}: {error}", path.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| at(dir, error))?;
        let lock_file = dir.join(LOCK);
        let lock = private().create(true).truncate(false).open(&lock_file).map_err(|error| at(&lock_file, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(dir.to_path_buf())),
            Err(TryLockError::Error(error)) => return Err(at(&lock_file, error)),
        }
        let file = dir.join(FILE);
        make(&file, dir).map_err(|error| at(&file, error))?;
        Ok(Self { file, dir: dir.to_path_buf(), lock })
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        Ok(sync_folder(&self.dir)?)
    }

    /// Makes what the kernel has of the write-ahead log durable. To be called while nobody writes it.
    ///
    /// After a failed fsync the kernel may show bytes that the disk does not have, and never write them. If the process dies
    /// then, its successor would take such a transaction for committed and build on it, and a power failure would break the
    /// log there. Writing the bytes anew makes the kernel write them.
    pub(crate) fn settle_wal(&self) -> Result<(), StoreError> {
        let wal = self.file.with_extension("db-wal");
        let wal = match File::options().read(true).write(true).open(&wal) {
            Ok(wal) => wal,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (mut buffer, mut at) = (vec![0; SETTLE_BYTES], 0);
        loop {
            let count = wal.read_at(&mut buffer, at)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            wal.write_all_at(bytes, at)?;
            at += count as u64;
        }
        Ok(wal.sync_all()?)
    }
}

impl Drop for Folder {
    /// Not left to the descriptor's end: a process that is just being started holds a copy of it for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the folder is not free yet");
        }
    }
}

/// SQLite gives its other files the permissions of this one.
fn make(file: &Path, dir: &Path) -> io::Result<()> {
    match private().create_new(true).open(file) {
        Ok(made) => {
            made.sync_all()?;
            sync_folder(dir)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::set_permissions(file, Permissions::from_mode(0o600))
        }
        Err(error) => Err(error),
    }
}

/// A new file that nobody else may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    options
}

/// Makes new names in a folder durable.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The database.
pub(crate) const FILE: &str = "stoa.db";

const LOCK: &str = "stoa.lock";

const SETTLE_BYTES: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_given_up_is_free_whoever_has_a_copy_of_the_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        let copy = folder.lock.try_clone().unwrap();
        assert!(matches!(Folder::take(dir.path()), Err(StoreError::InUse(_))));
        drop(folder);
        Folder::take(dir.path()).unwrap();
        drop(copy);
    }
}
