//! Versions of one document.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use stoa_base_types::{Access, DocName};
use stoa_crdt_sync_store::{VersionInfo, Write};

use super::{Answer, OCTETS, Problem, RestOptions, Site, in_time, json, response};
use crate::access::query_value;
use crate::material::{self, EngineError};
use crate::versions::{self, now_ms};

#[derive(Serialize)]
struct List {
    versions: Vec<Version>,
    /// For `before`; null at the end.
    next: Option<String>,
}

#[derive(Serialize)]
struct Version {
    id: String,
    name: Option<String>,
    created_at_ms: u64,
    automatic: bool,
    author: Option<String>,
    bytes: u64,
}

impl From<VersionInfo> for Version {
    fn from(info: VersionInfo) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name,
            created_at_ms: info.created_ms,
            automatic: info.automatic,
            author: info.author,
            bytes: info.bytes,
        }
    }
}

/// Newest first: `limit` of them, before the id `before`.
pub(super) async fn list(State(site): Site, Path(doc): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Read)?;
    let query = uri.query().unwrap_or_default();
    let limit = super::listing::limit(query)?;
    let before = query_value(query, "before").map(|text| parse_id(&text)).transpose()?;
    let found = site.documents.storage().ask(move |reader| reader.versions(&doc, before, limit + 1));
    let mut found = in_time(found).await???;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(json(StatusCode::OK, &List { versions: found.into_iter().map(Version::from).collect(), next }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    name: Option<String>,
    author: Option<String>,
}

/// Puts the present state aside.
pub(super) async fn create(
    State(site): Site,
    Path(doc): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Write)?;
    let Wanted { name, author } = wanted(&site.body(body).await?)?;
    if site.documents.storage().is_full() {
        return Err(Problem::quota());
    }
    let state = site.existing(&doc).await?;
    let epoch = state.epoch;
    let body = site.documents.crew().ask(move |()| material::merged(&state.parts)).await?;
    let body = body.map_err(EngineError::from)?;
    let of = doc.clone();
    let present = in_time(site.documents.storage().ask(move |reader| versions::all(reader, &of))).await???;
    let most = site.documents.limits().named_versions;
    if present.iter().filter(|version| !versions::is_spare(version)).count() >= most {
        return Err(Problem::conflict(format!(
            "a document has at most {most} versions that people made; delete one first"
        )));
    }
    let created_ms = now_ms();
    let id = versions::next_id(&present, created_ms);
    let info = VersionInfo { id, name, created_ms, automatic: false, author, bytes: body.len() as u64 };
    let put = Write::PutVersion {
        doc: doc.clone(),
        epoch,
        id,
        name: info.name.clone(),
        created_ms,
        automatic: false,
        author: info.author.clone(),
        body,
    };
    write(&site, put).await?;
    metrics::counter!("stoa_documents_versions_total", "kind" => "named").increment(1);
    let mut response = json(StatusCode::CREATED, &Version::from(info));
    if let Ok(location) = HeaderValue::from_str(&format!("{}/{id}", uri.path().trim_end_matches('/'))) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn wanted(body: &[u8]) -> Result<Wanted, Problem> {
    let malformed = |error| Problem::malformed(format!("send {{\"name\": …, \"author\": …}}, both optional: {error}"));
    let fields: serde_json::Map<_, _> =
        if body.is_empty() { serde_json::Map::new() } else { serde_json::from_slice(body).map_err(malformed)? };
    let wanted: Wanted = serde_json::from_value(fields.into()).map_err(malformed)?;
    for text in [&wanted.name, &wanted.author].into_iter().flatten() {
        if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
            let detail = format!("a name has 1 to {LONGEST_NAME} characters and no control characters");
            return Err(Problem::malformed(detail));
        }
    }
    Ok(wanted)
}

/// The state that was put aside, as an update.
pub(super) async fn get(
    State(site): Site,
    Path((doc, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Read)?;
    let id = parse_id(&id)?;
    let found = site.documents.storage().ask(move |reader| reader.version(&doc, id));
    let (_, body) = in_time(found).await???.ok_or_else(no_version)?;
    Ok(response(StatusCode::OK, OCTETS, body))
}

/// Names it, or takes its name away. What has a name is kept.
pub(super) async fn rename(
    State(site): Site,
    Path((doc, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Write)?;
    let id = parse_id(&id)?;
    let Wanted { name, .. } = wanted(&site.body(body).await?)?;
    find(&site, &doc, id).await?;
    write(&site, Write::RenameVersion { doc: doc.clone(), id, name }).await?;
    Ok(json(StatusCode::OK, &Version::from(find(&site, &doc, id).await?)))
}

/// Forgets it.
pub(super) async fn delete(
    State(site): Site,
    Path((doc, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Write)?;
    let id = parse_id(&id)?;
    find(&site, &doc, id).await?;
    write(&site, Write::DeleteVersion { doc, id }).await?;
    let mut response = axum::http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn find(site: &RestOptions, doc: &DocName, id: u64) -> Result<VersionInfo, Problem> {
    let doc = doc.clone();
    // The one below the next id.
    let found = site.documents.storage().ask(move |reader| reader.versions(&doc, id.checked_add(1), 1));
    in_time(found).await???.into_iter().find(|version| version.id == id).ok_or_else(no_version)
}

async fn write(site: &RestOptions, write: Write) -> Result<(), Problem> {
    Ok(in_time(site.documents.storage().write(vec![write])).await??)
}

fn parse_id(text: &str) -> Result<u64, Problem> {
    // Every number of the store is below 2^63.
    text.parse().ok().filter(|id| *id < u64::MAX >> 1).ok_or_else(no_version)
}

fn no_version() -> Problem {
    Problem::not_found("the document has no version of that id")
}

const LONGEST_NAME: usize = 200;
