//! The catalogue, for administrators.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::{Answer, Problem, Site, in_time, json};
use crate::access::query_value;

#[derive(Serialize)]
struct List {
    documents: Vec<Entry>,
    /// For `after`; null at the end.
    next: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    epoch: u64,
    seq: u64,
    bytes: u64,
    created_at_ms: u64,
    updated_at_ms: u64,
}

/// Documents by name: those that begin with `prefix`, `limit` of them, after the name `after`.
pub(super) async fn list(State(site): Site, uri: Uri, headers: HeaderMap) -> Answer {
    site.require_admin(&uri, &headers)?;
    let query = uri.query().unwrap_or_default();
    let limit = limit(query)?;
    let (after, prefix) = (query_value(query, "after"), query_value(query, "prefix").unwrap_or_default());
    let found = site.documents.storage().ask(move |reader| reader.list(after.as_deref(), limit + 1, &prefix));
    let mut found = in_time(found).await???;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.name.clone());
    let documents = found.into_iter().map(|info| Entry {
        name: info.name,
        epoch: info.epoch.0,
        seq: info.seq,
        bytes: info.bytes,
        created_at_ms: info.created_ms,
        updated_at_ms: info.updated_ms,
    });
    Ok(json(StatusCode::OK, &List { documents: documents.collect(), next }))
}

/// How many entries a page has.
pub(super) fn limit(query: &str) -> Result<usize, Problem> {
    let Some(text) = query_value(query, "limit") else { return Ok(USUAL) };
    match text.parse() {
        Ok(limit @ 1..=MOST) => Ok(limit),
        _ => Err(Problem::bad_request("limit", format!("limit is a number from 1 to {MOST}, not {text:?}"))),
    }
}

const USUAL: usize = 100;
const MOST: usize = 1_000;
