//! Where documents are made of their bytes: new snapshots, views for people and programs, edits of texts.
//!
//! This alone needs an engine (yrs), which is slow, large, and now and then wrong. So it happens in threads of its own, a panic
//! there costs one job, and what comes out for the disk is proven before it is used.

mod edit;
mod engine;
mod text_diff;
mod view;

pub(crate) use edit::{Author, edit_text};
pub(crate) use engine::EngineError;
pub(crate) use view::{View, view};

use std::sync::Arc;

use bytes::Bytes;
use stoa_crdt_sync_core::update::{DeleteSet, StateVector, Update, UpdateError, merge};
use stoa_crdt_sync_core::{CompactJob, Compacted};
use tracing::warn;

use crate::crew::Crew;

/// Threads for all this: the engine descends into nested types by recursion. Memory is taken only as far as it does.
pub(crate) fn crew() -> std::io::Result<Crew<()>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    Crew::start("stoa-doc-shop", STACK_BYTES, vec![(); threads])
}

const MOST_THREADS: usize = 2;
const STACK_BYTES: usize = 256 << 20;

/// Makes the snapshot that a job asks for: by the engine, which forgets what was deleted; where its result cannot be proven, by
/// merging, which forgets nothing.
pub(crate) fn compact(job: &CompactJob) -> Result<Compacted, Arc<str>> {
    // A job that ends without a word would keep its document open for ever.
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| compact_with(job, engine::compact)));
    made.unwrap_or_else(|_| Err("making the snapshot panicked".into()))
}

fn compact_with(
    job: &CompactJob,
    engine: impl FnOnce(&Bytes) -> Result<Bytes, EngineError>,
) -> Result<Compacted, Arc<str>> {
    let merged = job.merged().map_err(|error| Arc::from(error.to_string()))?;
    let compacted = caught(|| engine(&merged))
        .map_err(|error| error.to_string())
        .and_then(|body| job.prove(body).map_err(|error| error.to_string()));
    match compacted {
        Ok(compacted) => {
            metrics::counter!("stoa_documents_compactions_total", "how" => "engine").increment(1);
            Ok(compacted)
        }
        Err(reason) => {
            warn!(doc = %job.doc(), reason, "the engine's snapshot is not used; what was deleted keeps its space");
            metrics::counter!("stoa_documents_compactions_total", "how" => "merged").increment(1);
            job.prove(merged).map_err(|error| Arc::from(error.to_string()))
        }
    }
}

/// All parts of a document as one update.
pub(crate) fn merged(parts: &[Bytes]) -> Result<Bytes, UpdateError> {
    let parts = parts.iter().cloned().map(Update::read).collect::<Result<Vec<_>, _>>()?;
    if let [only] = &*parts {
        return Ok(only.bytes().clone());
    }
    let mut deletes = DeleteSet::new();
    for part in &parts {
        deletes.union(part.deletes());
    }
    Ok(merge(&parts.iter().collect::<Vec<_>>(), &StateVector::new(), &deletes).into())
}

/// Runs the engine; its panic is an error.
fn caught<T>(job: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // The engine's data lives in the job alone, so that nothing half changed is left behind.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).unwrap_or(Err(EngineError::Panicked))
}

#[cfg(test)]
mod tests {
    use stoa_base_types::DocName;
    use stoa_crdt_sync_core::{Event, Hub, Input, Limits};

    use super::*;

    /// What a hub asks for after one update.
    fn job(update: &Bytes) -> CompactJob {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
        let now = std::time::Instant::now();
        let mut hub = Hub::new(Limits { compact_updates: 1, ..Limits::default() });
        let doc = DocName::new("agora").unwrap();
        hub.handle_input(Input::Edit { request: 1, doc: doc.clone(), update: update.clone(), expected: None }, now);
        hub.handle_input(Input::Loaded { doc, result: Ok(None) }, now);
        let events = std::iter::from_fn(|| hub.poll_event());
        let mut jobs = events.filter_map(|event| if let Event::Compact(job) = event { Some(job) } else { None });
        jobs.next().unwrap()
    }

    #[test]
    fn an_engine_that_panics_or_forgets_costs_no_snapshot() {
        let update = edit_text(&[], "note", "kept", Author::Anew).unwrap().unwrap();
        let job = job(&update);
        let whole = job.prove(job.merged().unwrap()).unwrap().byte_len();
        assert_eq!(compact(&job).unwrap().byte_len(), whole);
        assert_eq!(compact_with(&job, |_| panic!("on purpose")).unwrap().byte_len(), whole);
        assert_eq!(compact_with(&job, |_| Ok(Bytes::from_static(&[0, 0]))).unwrap().byte_len(), whole);
    }

    #[test]
    fn a_panic_of_the_engine_is_an_error() {
        assert_eq!(caught(|| -> Result<(), _> { panic!("on purpose") }), Err(EngineError::Panicked));
    }
}
