//! `stoa docs`: looks after the documents in a data folder.

use std::fs;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update, merge};
use stoa_crdt_sync_store::{DocInfo, Kind, ReadStore, SqliteReader, SqliteStore, Store, Stored, Write};

use crate::cli::{self, DocsCommand};

/// Carries a command out; what it prints goes to standard output. An error is one line for standard error.
pub(crate) fn run(command: &DocsCommand, data_dir: &Path) -> Result<(), String> {
    match command {
        DocsCommand::Backup { file } => reader(data_dir)?.backup(file).map_err(|error| error.to_string()),
        DocsCommand::List => list(data_dir),
        DocsCommand::Export { doc, file } => write_new(file, &export(data_dir, doc)?),
        DocsCommand::Import { doc, file } => import(data_dir, doc, read(file)?),
        DocsCommand::Verify => verify(data_dir),
    }
}

fn reader(data_dir: &Path) -> Result<SqliteReader, String> {
    SqliteReader::open(data_dir).map_err(|error| format!("{error}; name the folder with --data or STOA_DATA"))
}

fn list(data_dir: &Path) -> Result<(), String> {
    let mut reader = reader(data_dir)?;
    let mut after: Option<String> = None;
    loop {
        let page = reader.list(after.as_deref(), PAGE, "").map_err(|error| error.to_string())?;
        for DocInfo { name, epoch, bytes, updated_ms, .. } in &page {
            cli::print(&format!("{name}\t{}\t{bytes}\t{}\n", epoch.0, time_of(*updated_ms)));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.name.clone()),
            _ => return Ok(()),
        }
    }
}

fn export(data_dir: &Path, doc: &str) -> Result<Vec<u8>, String> {
    let name = DocName::new(doc).map_err(|error| error.to_string())?;
    let export = reader(data_dir)?.export(&name).map_err(|error| error.to_string())?;
    let export = export.ok_or_else(|| format!("there is no document {doc}; `stoa docs list` names them"))?;
    for loss in &export.losses {
        cli::complain(&format!("{doc}: {loss}"));
    }
    whole(&export.stored).map_err(|error| format!("{doc}: {error}"))
}

/// Snapshot and log as one update.
fn whole(stored: &Stored) -> Result<Vec<u8>, String> {
    let bodies = stored.snapshot.iter().map(|snapshot| &snapshot.body);
    let bodies = bodies.chain(stored.tail.iter().map(|entry| &entry.body));
    let parts = bodies.map(|body| Update::read(body.clone())).collect::<Result<Vec<_>, _>>();
    let parts = parts.map_err(|error| format!("an update cannot be read: {error}"))?;
    let mut deletes = DeleteSet::new();
    for part in &parts {
        deletes.union(part.deletes());
    }
    Ok(merge(&parts.iter().collect::<Vec<_>>(), &StateVector::new(), &deletes))
}

fn import(data_dir: &Path, doc: &str, update: Vec<u8>) -> Result<(), String> {
    let name = DocName::new(doc).map_err(|error| error.to_string())?;
    let body = Bytes::from(update);
    Update::read(body.clone()).map_err(|error| format!("this is no Yjs update (V1): {error}"))?;
    let mut store = SqliteStore::open(data_dir)
        .map_err(|error| format!("{error}; while a server runs, send the update to PUT /v1/docs/{{doc}} instead"))?;
    let stored = store.load(&name).map_err(|error| error.to_string())?;
    let epoch = stored.as_ref().map_or(Epoch::FIRST, |stored| stored.epoch);
    let in_snapshot = |stored: &Stored| stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
    let last =
        stored.as_ref().map_or(0, |stored| stored.tail.last().map_or_else(|| in_snapshot(stored), |entry| entry.seq));
    let append = Write::Append { doc: name, epoch, seq: last + 1, kind: Kind::Plain, body };
    store.commit(&[append]).map_err(|error| error.to_string())?;
    Box::new(store).close().map_err(|error| error.to_string())
}

fn verify(data_dir: &Path) -> Result<(), String> {
    let report = reader(data_dir)?.verify().map_err(|error| error.to_string())?;
    for problem in &report.problems {
        cli::print(&format!("{}\t{}\n", problem.doc.as_deref().unwrap_or("-"), problem.what));
    }
    if report.problems.is_empty() {
        cli::print(&format!("{} documents, nothing is damaged\n", report.documents));
        Ok(())
    } else {
        Err("something is damaged; restore a backup, or export what can be read with `stoa docs export`".to_owned())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let result =
        if file == Path::new("-") { io::stdin().read_to_end(&mut bytes).map(|_| bytes) } else { fs::read(file) };
    result.map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// Never over another file.
fn write_new(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let result = if file == Path::new("-") {
        io::stdout().write_all(bytes)
    } else {
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
    };
    result.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// A moment, given in milliseconds since 1970, as RFC 3339 has it.
fn time_of(milliseconds: u64) -> String {
    let (days, second) = (milliseconds / 86_400_000, milliseconds / 1000 % 86_400);
    // The civil calendar in eras of 400 years that begin on a first of March.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Documents that are read at once.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_219_200_000, "2026-11-21T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time_of(milliseconds), expected);
        }
    }
}
