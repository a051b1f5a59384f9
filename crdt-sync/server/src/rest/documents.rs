//! One document: its state, its changes, its end.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use stoa_base_types::{Access, DocName, Epoch};
use stoa_crdt_sync_core::seed_client_id;
use stoa_crdt_sync_core::update::Update;

use super::{
    Answer, Condition, Erasers, OCTETS, Problem, RestOptions, Site, etag, in_time, is_known, json, response, text,
    with_etag,
};
use crate::access::query_value;
use crate::material::{self, Author, View};
use crate::worker::RequestFailure;

/// The state as an update, or a root of it.
pub(super) async fn get(State(site): Site, Path(doc): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Read)?;
    let wanted = wanted_view(&uri)?;
    let state = site.existing(&doc).await?;
    let etag = state.etag();
    if is_known(&headers, &etag) {
        return Ok(with_etag(response(StatusCode::NOT_MODIFIED, OCTETS, Body::empty()), &etag));
    }
    let crew = site.documents.crew();
    let shown = match wanted {
        None => {
            let merged = crew.ask(move |()| material::merged(&state.parts)).await?;
            response(StatusCode::OK, OCTETS, merged.map_err(material::EngineError::from)?)
        }
        Some((root, view)) => {
            let content_type = if view.is_json() { "application/json" } else { PLAIN };
            response(
                StatusCode::OK,
                content_type,
                crew.ask(move |()| material::view(&state.parts, &root, view)).await??,
            )
        }
    };
    Ok(with_etag(shown, &etag))
}

/// `root` and `type` of the query.
fn wanted_view(uri: &Uri) -> Result<Option<(String, View)>, Problem> {
    let value = |name| query_value(uri.query().unwrap_or_default(), name);
    match (value("root"), value("type")) {
        (None, None) => Ok(None),
        (Some(root), Some(name)) => match View::named(&name) {
            Some(view) => Ok(Some((root, view))),
            None => Err(Problem::bad_request("type", format!("type is text, json, xml, map or array, not {name:?}"))),
        },
        (Some(root), None) => Ok(Some((root, View::Json))),
        (None, Some(_)) => {
            Err(Problem::bad_request("root", "say which root of the document: ?root=note&type=text".to_owned()))
        }
    }
}

/// Merges an update into the document, or makes a text what the body says.
pub(super) async fn put(
    State(site): Site,
    Path(doc): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Write)?;
    let condition = Condition::of(&headers)?;
    match content_type(&headers) {
        None | Some(OCTETS) => {
            let update = checked(site.body(body).await?)?;
            let expected = expected(&site, &doc, condition).await?;
            edit(&site, &doc, update, expected).await
        }
        Some("text/plain") => {
            let Some(root) = query_value(uri.query().unwrap_or_default(), "root") else {
                let detail = "say which text of the document: ?root=note".to_owned();
                return Err(Problem::bad_request("root", detail));
            };
            let body = site.body(body).await?;
            let text = std::str::from_utf8(&body).map_err(|_| Problem::malformed("the text is not UTF-8"))?;
            put_text(&site, &doc, root, text.to_owned(), condition).await
        }
        Some(other) => Err(Problem::media_type(format!(
            "send an update as application/octet-stream, or text as text/plain with ?root=, not {other}"
        ))),
    }
}

async fn put_text(site: &RestOptions, doc: &DocName, root: String, text: String, condition: Condition) -> Answer {
    let mut attempts = 0;
    loop {
        let state = site.state(doc).await?;
        let expected = expected_in(&state, condition)?;
        // A beginning is the same on every server, so that two of them are one.
        let author = if state.is_blank() && condition == Condition::Blank {
            Author::Id(seed_client_id(doc, state.epoch))
        } else {
            Author::Anew
        };
        let (parts, root, text) = (state.parts.clone(), root.clone(), text.clone());
        let update = site.documents.crew().ask(move |()| material::edit_text(&parts, &root, &text, author)).await??;
        let Some(update) = update else { return Ok(done(state.epoch, state.seq)) };
        match edit(site, doc, update, expected).await {
            // The document was erased between reading and writing.
            Err(_) if expected.is_none() && attempts < MOST_ATTEMPTS && site.state(doc).await?.epoch != state.epoch => {
                attempts += 1;
            }
            answer => return answer,
        }
    }
}

/// Merges one update into the document.
pub(super) async fn post_update(
    State(site): Site,
    Path(doc): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let doc = site.permit(&doc, &uri, &headers, Access::Write)?;
    if let Some(other) = content_type(&headers).filter(|given| *given != OCTETS) {
        return Err(Problem::media_type(format!("send an update as application/octet-stream, not {other}")));
    }
    let update = checked(site.body(body).await?)?;
    edit(&site, &doc, update, None).await
}

/// Really erases the document.
pub(super) async fn delete(State(site): Site, Path(doc): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let doc = match site.erasers {
        Erasers::Writers => site.permit(&doc, &uri, &headers, Access::Write)?,
        Erasers::Admins => {
            site.require_admin(&uri, &headers)?;
            DocName::new(&doc).map_err(|error| Problem::bad_request("bad-name", error.to_string()))?
        }
    };
    site.existing(&doc).await?;
    in_time(site.documents.erase(&doc)).await??;
    let mut response = axum::http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn edit(site: &RestOptions, doc: &DocName, update: Bytes, expected: Option<(Epoch, u64)>) -> Answer {
    match in_time(site.documents.edit(doc, update, expected)).await? {
        Ok((epoch, seq)) => Ok(done(epoch, seq)),
        Err(RequestFailure::Hub(stoa_crdt_sync_core::RequestError::Changed)) => Err(match site.state(doc).await {
            Ok(state) => changed(&state),
            Err(problem) => problem,
        }),
        Err(failure) => Err(failure.into()),
    }
}

fn changed(state: &crate::worker::State) -> Problem {
    let detail = format!("the document is now at {}; read it again", state.etag());
    Problem::changed(detail).with(axum::http::header::ETAG, &state.etag())
}

async fn expected(site: &RestOptions, doc: &DocName, condition: Condition) -> Result<Option<(Epoch, u64)>, Problem> {
    match condition {
        Condition::Any => Ok(None),
        Condition::Is(epoch, seq) => Ok(Some((epoch, seq))),
        Condition::Blank | Condition::Exists => expected_in(&site.state(doc).await?, condition),
    }
}

/// What the hub is to find, if the condition holds in this state.
fn expected_in(state: &crate::worker::State, condition: Condition) -> Result<Option<(Epoch, u64)>, Problem> {
    match condition {
        Condition::Any => Ok(None),
        Condition::Blank if state.is_blank() => Ok(Some((state.epoch, 0))),
        Condition::Exists if !state.is_blank() => Ok(None),
        Condition::Is(epoch, seq) if (epoch, seq) == (state.epoch, state.seq) => Ok(Some((epoch, seq))),
        Condition::Blank | Condition::Exists | Condition::Is(..) => Err(changed(state)),
    }
}

fn checked(body: Bytes) -> Result<Bytes, Problem> {
    match Update::read(body) {
        Ok(update) => Ok(update.bytes().clone()),
        Err(error) => {
            Err(Problem::malformed(format!("the body is not an update of a Yjs document in format V1: {error}")))
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    text(headers.get(CONTENT_TYPE)).and_then(|value| value.split(';').next()).map(str::trim)
}

#[derive(Serialize)]
struct Position {
    epoch: u64,
    seq: u64,
}

fn done(epoch: Epoch, seq: u64) -> axum::http::Response<Body> {
    with_etag(json(StatusCode::OK, &Position { epoch: epoch.0, seq }), &etag(epoch, seq))
}

const PLAIN: &str = "text/plain; charset=utf-8";
const MOST_ATTEMPTS: u32 = 3;
