use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use stoa_crdt_sync_core::RequestError;
use stoa_crdt_sync_store::StoreError;

use crate::crew::CrewError;
use crate::material::EngineError;
use crate::worker::RequestFailure;

/// An error as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) has it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, title, detail: detail.into(), header: None }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.header = HeaderValue::from_str(value).ok().map(|value| (name, value));
        self
    }

    pub(super) fn bad_request(kind: &'static str, detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, "The request makes no sense", detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "not-authenticated", "A token is needed", detail);
        problem.with(WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The token does not allow this", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    pub(super) fn media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "This type of content is not taken here", detail)
    }

    pub(super) fn changed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed", "The document is in another state", detail)
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "malformed", "The content cannot be used", detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It does not fit what is there", detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not at the moment", detail);
        problem.with(RETRY_AFTER, "5")
    }

    pub(super) fn quota() -> Self {
        let detail = "the space for documents is used up; erase some, or raise [docs] quota_mb";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "quota", "No space left", detail)
    }
}

impl From<RequestFailure> for Problem {
    fn from(failure: RequestFailure) -> Self {
        let RequestFailure::Hub(error) = failure else {
            return Self::unavailable("the document had to be opened anew; try again");
        };
        match error {
            RequestError::Changed => Self::changed("the document was changed meanwhile; read it again"),
            RequestError::Malformed => Self::conflict(
                "the update builds on changes that this document does not have; send those first, or a complete state",
            ),
            RequestError::TooLarge => Self::too_large("the change is too large, or the document would be"),
            RequestError::Quota => Self::quota(),
            RequestError::StorageFailing => Self::unavailable("the server's disk refuses; documents are read-only"),
            RequestError::Unavailable => {
                Self::unavailable("the document cannot be read from disk, or the server restarts")
            }
            RequestError::Gone => Self::conflict("the document was erased meanwhile"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(_) => Self::conflict("the document was erased meanwhile; try again"),
            other @ (StoreError::InUse(_)
            | StoreError::NewerSchema { .. }
            | StoreError::Damaged(_)
            | StoreError::Corrupt { .. }
            | StoreError::Disk(_)
            | StoreError::Stopped) => Self::unavailable(format!("the disk does not obey: {other}")),
        }
    }
}

impl From<CrewError> for Problem {
    fn from(error: CrewError) -> Self {
        Self::unavailable(match error {
            CrewError::Busy => "too many documents are being worked on; try again",
            CrewError::Failed => "the server restarts, or failed on this document; its log tells more",
        })
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unportable | EngineError::TooDeep => {
                Self::conflict(format!("{error}; read it as an update instead"))
            }
            EngineError::NotText => Self::conflict(format!("{error}; name another root, or send an update")),
            EngineError::Damaged(_) | EngineError::Refused(_) | EngineError::Incomplete | EngineError::Panicked => {
                let detail =
                    format!("{error}; this is a bug, the document itself is sound: read it as an update instead");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", "The server failed", detail)
            }
        }
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let wire = Wire {
            r#type: format!("urn:stoa:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&wire).unwrap_or_default()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.header);
        response
    }
}
