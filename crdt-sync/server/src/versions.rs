//! Versions: states of a document that were put aside, by the clock or by somebody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use stoa_base_types::{DocName, Epoch};
use stoa_crdt_sync_store::{ReadStore, StoreError, VersionInfo, Write};
use tracing::warn;

use crate::storage::Storage;

/// Puts a state aside because it is time, unless it is what the newest version holds; of the automatic ones only so many are kept.
pub(crate) fn put_automatic(storage: &Storage, doc: DocName, epoch: Epoch, body: Bytes, keep: usize) {
    if storage.is_full() {
        return;
    }
    let again = storage.clone();
    storage.read(move |reader| {
        let writes = automatic_writes(reader, &doc, epoch, body, keep);
        let writes = match writes {
            Ok(writes) if writes.is_empty() => return,
            Ok(writes) => writes,
            Err(error) => return warn!(%doc, %error, "no automatic version"),
        };
        again.write_then(writes, move |result| match result {
            Ok(()) => metrics::counter!("stoa_documents_versions_total", "kind" => "automatic").increment(1),
            Err(error) => warn!(%doc, %error, "no automatic version"),
        });
    });
}

fn automatic_writes(
    reader: &mut dyn ReadStore,
    doc: &DocName,
    epoch: Epoch,
    body: Bytes,
    keep: usize,
) -> Result<Vec<Write>, StoreError> {
    let present = all(reader, doc)?;
    if let Some(newest) = present.first()
        && newest.bytes == body.len() as u64
        && reader.version(doc, newest.id)?.is_some_and(|(_, known)| known == body)
    {
        return Ok(Vec::new());
    }
    let created_ms = now_ms();
    let put = Write::PutVersion {
        doc: doc.clone(),
        epoch,
        id: next_id(&present, created_ms),
        name: None,
        created_ms,
        automatic: true,
        author: None,
        body,
    };
    let automatic = present.iter().filter(|version| is_spare(version));
    let surplus = automatic.skip(keep.saturating_sub(1));
    let deletes = surplus.map(|version| Write::DeleteVersion { doc: doc.clone(), id: version.id });
    Ok(std::iter::once(put).chain(deletes).collect())
}

/// Whether a version may go when there are too many: nobody asked for it, and nobody gave it a name.
pub(crate) const fn is_spare(version: &VersionInfo) -> bool {
    version.automatic && version.name.is_none()
}

/// All versions of a document, newest first. There are never very many.
pub(crate) fn all(reader: &mut dyn ReadStore, doc: &DocName) -> Result<Vec<VersionInfo>, StoreError> {
    let mut found: Vec<VersionInfo> = Vec::new();
    loop {
        let page = reader.versions(doc, found.last().map(|last| last.id), PAGE)?;
        let is_last = page.len() < PAGE;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

/// An id above all others, that tells the time, and that no other version gets that is made in the same millisecond.
pub(crate) fn next_id(present: &[VersionInfo], now_ms: u64) -> u64 {
    static NEWEST: AtomicU64 = AtomicU64::new(0);
    let least = present.first().map_or(0, |newest| newest.id + 1).max(now_ms);
    let before = NEWEST.fetch_max(least, Ordering::Relaxed);
    if before < least { least } else { NEWEST.fetch_add(1, Ordering::Relaxed) + 1 }
}

#[expect(clippy::disallowed_methods, reason = "driver: people want to know when")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX >> 1)
}

const PAGE: usize = 1_000;
