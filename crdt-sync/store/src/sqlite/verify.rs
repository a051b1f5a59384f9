use rusqlite::Connection;
use stoa_base_types::DocName;

use crate::error::StoreError;
use crate::sqlite::reader::reading;
use crate::sqlite::source::{Check, scan};
use crate::sqlite::{catalogue, chat, load, version};
use crate::stored::{Problem, Report};
use crate::tails::Tail;

/// Reads everything: the structure of the file first, then the documents, some in one transaction, so that a serving store is
/// not kept from starting its write-ahead log over.
pub(crate) fn verify(conn: &Connection) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for what in structure(conn, "integrity_check(100)")? {
        note(&mut report, None, what);
    }
    let mut after = None;
    loop {
        after = reading(conn, || verify_some(conn, after.as_deref(), &mut report))?;
        if after.is_none() {
            break;
        }
    }
    for room in chat::damaged(conn)? {
        note(&mut report, Some(&room), "messages of the chat".into());
    }
    Ok(report)
}

/// Returns the name to go on after.
fn verify_some(conn: &Connection, after: Option<&str>, report: &mut Report) -> Result<Option<String>, StoreError> {
    let (tails, _) = scan(conn, Check::Checksums)?;
    let documents = catalogue::names(conn, after, DOCUMENTS_AT_ONCE)?;
    for text in &documents {
        report.documents += 1;
        match DocName::new(text) {
            Ok(name) => verify_document(conn, &name, tails.of(&name), report)?,
            Err(_) => note(report, Some(text), "its name breaks the rules".into()),
        }
    }
    Ok(documents.into_iter().last())
}

fn verify_document(
    conn: &Connection,
    name: &DocName,
    tail: Option<&Tail>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(export) = load::load(conn, name, tail)? else { return Ok(()) };
    let lost = export.losses.into_iter().chain(export.stored.recovered);
    lost.for_each(|what| note(report, Some(name.as_str()), what));
    let Some(doc) = version::find_doc(conn, name)? else { return Ok(()) };
    for id in version::damaged(conn, doc)? {
        note(report, Some(name.as_str()), format!("version {id}"));
    }
    let generations = load::generations(conn, doc)?;
    for generation in generations.iter().filter(|generation| generation.is_retired()) {
        if !load::is_sound(conn, doc, generation)? {
            note(report, Some(name.as_str()), format!("retired generation {}", generation.number));
        }
    }
    Ok(())
}

/// The structure of the file, and whether the tables that have an index agree with it: the quick check does not compare them,
/// and a document that is found under one name in the table and under another in the index would lose its log.
///
/// # Errors
///
/// [`StoreError::Damaged`] with the first problem.
pub(crate) fn sound(conn: &Connection) -> Result<(), StoreError> {
    for check in ["quick_check(1)", "integrity_check(doc)", "integrity_check(generation)"] {
        if let Some(problem) = structure(conn, check)?.into_iter().next() {
            return Err(StoreError::Damaged(problem));
        }
    }
    Ok(())
}

/// What SQLite says about the structure of the file; empty if it is sound.
fn structure(conn: &Connection, check: &str) -> Result<Vec<String>, StoreError> {
    let mut select = conn.prepare(&format!("PRAGMA {check}"))?;
    let mut found = Vec::new();
    let mut rows = select.query([])?;
    loop {
        match rows.next().map_err(StoreError::from) {
            Ok(Some(row)) => found.push(row.get::<_, String>(0)?),
            Ok(None) => break,
            Err(StoreError::Damaged(what)) => {
                found.push(what);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    found.retain(|line| line != "ok");
    Ok(found)
}

fn note(report: &mut Report, doc: Option<&str>, what: String) {
    if report.problems.len() < Report::MOST_PROBLEMS {
        report.problems.push(Problem { doc: doc.map(str::to_owned), what });
    }
}

const DOCUMENTS_AT_ONCE: usize = 500;
