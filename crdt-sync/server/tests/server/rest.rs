//! Documents over HTTP.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use stoa_base_types::Access;
use tower::ServiceExt;
use yrs::updates::decoder::Decode;
use yrs::{GetString, ReadTxn, Text, Transact, Update};

use crate::client::{Follower, Heard, Style, new_doc};
use crate::server::Server;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) etag: Option<String>,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A problem names itself, its status, and the mend.
    fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(
            (self.status.as_u16(), &*self.content_type),
            (status, "application/problem+json"),
            "{}",
            self.text()
        );
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:stoa:problem:{kind}"));
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn call(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = server.router.clone().oneshot(request.body(Body::from(body.to_vec())).unwrap()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, etag, content_type) = (response.status(), header("etag"), header("content-type").unwrap_or_default());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    Answer { status, etag, content_type, body }
}

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

async fn get(server: &Server, path: &str) -> Answer {
    call(server, "GET", path, &[], b"").await
}

async fn put_text(server: &Server, doc: &str, headers: &[(&str, &str)], text: &str) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([TEXT]).collect();
    call(server, "PUT", &format!("/v1/docs/{doc}?root=note"), &headers, text.as_bytes()).await
}

async fn note(server: &Server, doc: &str) -> String {
    let answer = get(server, &format!("/v1/docs/{doc}?root=note&type=text")).await;
    assert_eq!(answer.status, 200);
    answer.text().to_owned()
}

async fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Server::start(dir.path()).await, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_written_is_not_there() {
    let (server, _dir) = server().await;
    for path in ["/v1/docs/none", "/v1/docs/none?root=note&type=text", "/v1/docs/none/versions/7"] {
        get(&server, path).await.problem(404, "not-found");
    }
    call(&server, "DELETE", "/v1/docs/none", &[], b"").await.problem(404, "not-found");
    get(&server, &format!("/v1/docs/{}", "x".repeat(257))).await.problem(400, "bad-name");
    get(&server, "/v1/docs/a%00b").await.problem(400, "bad-name");
    assert_eq!(get(&server, "/v1/docs/none/versions").await.json(), json!({"versions": [], "next": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_put_and_followers_see_it_change() {
    let (server, _dir) = server().await;
    let mut follower = Follower::open(&server.url("/yjs/agora/plan"), Style::Plain).await;
    let answer = put_text(&server, "agora%2Fplan", &[], "one\ntwo 😀\nthree").await;
    assert_eq!((answer.status.as_u16(), answer.etag.as_deref()), (200, Some("\"1-1\"")));
    assert_eq!(answer.json(), json!({"epoch": 1, "seq": 1}));
    follower.shows("one\ntwo 😀\nthree").await;
    follower.write("!").await;
    follower.until(|heard| matches!(heard, Heard::Awareness(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_what_differs_and_nothing_else() {
    let (server, _dir) = server().await;
    put_text(&server, "agora", &[], "The quick brown fox").await;
    let before = get(&server, "/v1/docs/agora").await;
    let doc = new_doc();
    doc.transact_mut().apply_update(Update::decode_v1(&before.body).unwrap()).unwrap();
    let vector = doc.transact().state_vector();
    put_text(&server, "agora", &[], "The quick red fox").await;
    assert_eq!(note(&server, "agora").await, "The quick red fox");
    let after = get(&server, "/v1/docs/agora").await;
    doc.transact_mut().apply_update(Update::decode_v1(&after.body).unwrap()).unwrap();
    let units = doc.transact().encode_state_as_update_v1(&vector);
    assert!(units.len() < 60, "{} bytes for three letters", units.len());
    // The same text again is no change.
    let answer = put_text(&server, "agora", &[], "The quick red fox").await;
    assert_eq!(answer.etag, after.etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_merged_in() {
    let (server, _dir) = server().await;
    let doc = new_doc();
    let text = doc.get_or_insert_text("note");
    let mut transaction = doc.transact_mut();
    text.insert(&mut transaction, 0, "first ");
    let first = transaction.encode_update_v1();
    drop(transaction);
    let mut transaction = doc.transact_mut();
    text.insert(&mut transaction, 6, "second");
    let second = transaction.encode_update_v1();
    drop(transaction);
    let detail = call(&server, "POST", "/v1/docs/agora/updates", &[], &second).await.problem(409, "conflict");
    assert!(detail.contains("send those first"));
    let answer = call(&server, "PUT", "/v1/docs/agora", &[("content-type", "application/octet-stream")], &first).await;
    assert_eq!((answer.status.as_u16(), answer.etag.as_deref()), (200, Some("\"1-1\"")));
    let answer = call(&server, "POST", "/v1/docs/agora/updates", &[], &second).await;
    assert_eq!((answer.status.as_u16(), answer.etag.as_deref()), (200, Some("\"1-2\"")));
    assert_eq!(note(&server, "agora").await, "first second");
    let again = call(&server, "POST", "/v1/docs/agora/updates", &[], &second).await;
    assert_eq!((again.status.as_u16(), again.etag.as_deref()), (200, Some("\"1-2\"")), "known already");
    let merged = get(&server, "/v1/docs/agora").await;
    assert_eq!(merged.content_type, "application/octet-stream");
    let copy = new_doc();
    copy.transact_mut().apply_update(Update::decode_v1(&merged.body).unwrap()).unwrap();
    assert_eq!(copy.get_or_insert_text("note").get_string(&copy.transact()), "first second");
    call(&server, "PUT", "/v1/docs/agora", &[], b"nonsense").await.problem(422, "malformed");
    call(&server, "POST", "/v1/docs/agora/updates", &[TEXT], b"text").await.problem(415, "media-type");
    call(&server, "PUT", "/v1/docs/agora", &[("content-type", "image/png")], b"").await.problem(415, "media-type");
    call(&server, "PUT", "/v1/docs/agora", &[TEXT], b"text").await.problem(400, "root");
    call(&server, "PUT", "/v1/docs/agora?root=note", &[TEXT], b"\xff").await.problem(422, "malformed");
    let large = vec![0; (8 << 20) + 1];
    call(&server, "PUT", "/v1/docs/agora", &[], &large).await.problem(413, "too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_have_names_and_conditions() {
    let (server, _dir) = server().await;
    let etag = put_text(&server, "agora", &[("if-none-match", "*")], "one").await.etag.unwrap();
    let answer = put_text(&server, "agora", &[("if-none-match", "*")], "two").await;
    answer.problem(412, "changed");
    assert_eq!(answer.etag.as_deref(), Some(&*etag));
    let read = call(&server, "GET", "/v1/docs/agora", &[("if-none-match", &etag)], b"").await;
    assert_eq!((read.status.as_u16(), read.etag.as_deref(), read.body.len()), (304, Some(&*etag), 0));
    let next = put_text(&server, "agora", &[("if-match", &etag)], "two").await.etag.unwrap();
    assert_ne!(next, etag);
    let late = put_text(&server, "agora", &[("if-match", &etag)], "three").await;
    assert!(late.problem(412, "changed").contains(&next));
    assert_eq!(late.etag, Some(next.clone()));
    assert_eq!(get(&server, "/v1/docs/agora").await.etag, Some(next));
    put_text(&server, "agora", &[("if-match", "what")], "three").await.problem(400, "etag");
    put_text(&server, "none", &[("if-match", "*")], "three").await.problem(412, "changed");
    assert_eq!(put_text(&server, "agora", &[("if-match", "*")], "three").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_begin_a_document_alike() {
    let mut states = Vec::new();
    for _ in 0..2 {
        let (server, _dir) = server().await;
        put_text(&server, "agora", &[("if-none-match", "*")], "Agenda").await;
        states.push(get(&server, "/v1/docs/agora").await.body);
    }
    assert_eq!(states[0], states[1]);
    let doc = new_doc();
    for state in states {
        doc.transact_mut().apply_update(Update::decode_v1(&state).unwrap()).unwrap();
    }
    assert_eq!(doc.get_or_insert_text("note").get_string(&doc.transact()), "Agenda");
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_are_shown_as_what_they_are() {
    let (server, _dir) = server().await;
    put_text(&server, "agora", &[], "hi").await;
    let shown = |what: &'static str| get(&server, what);
    assert_eq!(shown("/v1/docs/agora?root=note&type=json").await.json(), json!("hi"));
    assert_eq!(shown("/v1/docs/agora?root=note").await.content_type, "application/json");
    assert_eq!(shown("/v1/docs/agora?root=map&type=map").await.json(), json!({}));
    assert_eq!(shown("/v1/docs/agora?root=note&type=text").await.content_type, "text/plain; charset=utf-8");
    shown("/v1/docs/agora?root=note&type=cat").await.problem(400, "type");
    shown("/v1/docs/agora?type=text").await.problem(400, "root");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_rule_here_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tokens(dir.path(), &[("write", Access::Write), ("read", Access::Read)]).await;
    let bearer = |token: &'static str| ("authorization", token);
    put_text(&server, "agora", &[], "x").await.problem(401, "not-authenticated");
    put_text(&server, "agora", &[bearer("Bearer bad")], "x").await.problem(403, "forbidden");
    put_text(&server, "agora", &[bearer("Bearer read")], "x").await.problem(403, "forbidden");
    assert_eq!(put_text(&server, "agora", &[bearer("Bearer write")], "x").await.status, 200);
    let read = call(&server, "GET", "/v1/docs/agora?root=note&type=text", &[bearer("Bearer read")], b"").await;
    assert_eq!(read.text(), "x");
    let versions = "/v1/docs/agora/versions";
    call(&server, "POST", versions, &[bearer("Bearer read")], b"").await.problem(403, "forbidden");
    call(&server, "DELETE", "/v1/docs/agora", &[bearer("Bearer write")], b"").await.problem(403, "forbidden");
    call(&server, "DELETE", "/v1/docs/agora", &[], b"").await.problem(401, "not-authenticated");
    assert_eq!(call(&server, "DELETE", "/v1/docs/agora", &[bearer("Bearer admin")], b"").await.status, 204);
    call(&server, "GET", "/v1/docs/agora", &[bearer("Bearer read")], b"").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_list_documents_page_by_page() {
    let (server, _dir) = server().await;
    for name in ["a", "b%2F1", "b%2F2", "c"] {
        put_text(&server, name, &[], "text").await;
    }
    get(&server, "/v1/docs").await.problem(401, "not-authenticated");
    let list = |query: &'static str| {
        let server = &server;
        async move {
            let path = format!("/v1/docs{query}");
            call(server, "GET", &path, &[("authorization", "Bearer admin")], b"").await
        }
    };
    let names = |answer: &Answer| -> Vec<String> {
        let list = answer.json();
        list["documents"].as_array().unwrap().iter().map(|doc| doc["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("?limit=3").await;
    assert_eq!(names(&first), ["a", "b/1", "b/2"]);
    assert_eq!(first.json()["next"], "b/2");
    let second = list("?limit=3&after=b%2F2").await;
    assert_eq!((names(&second), &second.json()["next"]), (vec!["c".to_owned()], &Value::Null));
    assert_eq!(names(&list("?prefix=b/").await), ["b/1", "b/2"]);
    assert_eq!(first.json()["documents"][0]["epoch"], 1);
    list("?limit=0").await.problem(400, "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_made_named_read_and_deleted() {
    let (server, _dir) = server().await;
    let versions = "/v1/docs/agora/versions";
    call(&server, "POST", versions, &[], b"").await.problem(404, "not-found");
    put_text(&server, "agora", &[], "one").await;
    let first = call(&server, "POST", versions, &[], "{\"name\":\"Erste ☂\",\"author\":\"Ada\"}".as_bytes()).await;
    assert_eq!(first.status, 201);
    put_text(&server, "agora", &[], "two").await;
    let second = call(&server, "POST", versions, &[], b"").await.json();
    let first = first.json();
    assert_eq!(
        (&first["name"], &first["author"], &first["automatic"]),
        (&json!("Erste ☂"), &json!("Ada"), &json!(false))
    );
    assert_eq!((&second["name"], &second["author"]), (&Value::Null, &Value::Null));
    assert_eq!(get(&server, versions).await.json(), json!({"versions": [second, first], "next": null}));
    let page = get(&server, &format!("{versions}?limit=1")).await.json();
    assert_eq!(page, json!({"versions": [second], "next": second["id"]}));
    let rest = get(&server, &format!("{versions}?before={}", second["id"].as_str().unwrap())).await.json();
    assert_eq!(rest["versions"], json!([first]));

    let of = |version: &Value| format!("{versions}/{}", version["id"].as_str().unwrap());
    let body = get(&server, &of(&first)).await;
    assert_eq!(
        (body.content_type.as_str(), body.body.len()),
        ("application/octet-stream", first["bytes"].as_u64().unwrap() as usize)
    );
    let doc = new_doc();
    doc.transact_mut().apply_update(Update::decode_v1(&body.body).unwrap()).unwrap();
    assert_eq!(doc.get_or_insert_text("note").get_string(&doc.transact()), "one");

    let renamed = call(&server, "PATCH", &of(&second), &[], b"{\"name\":\"Zwei\"}").await.json();
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Zwei"), &second["id"]));
    call(&server, "PATCH", &of(&second), &[], b"{\"name\":\"\"}").await.problem(422, "malformed");
    call(&server, "PATCH", &of(&second), &[], b"[]").await.problem(422, "malformed");
    call(&server, "PATCH", &format!("{versions}/77"), &[], b"{}").await.problem(404, "not-found");
    assert_eq!(call(&server, "DELETE", &of(&first), &[], b"").await.status, 204);
    get(&server, &of(&first)).await.problem(404, "not-found");
    call(&server, "DELETE", &of(&first), &[], b"").await.problem(404, "not-found");
    // Automatic ones may have come meanwhile.
    let left = get(&server, versions).await.json();
    let left: Vec<_> =
        left["versions"].as_array().unwrap().iter().filter(|version| version["automatic"] == false).collect();
    assert_eq!(left, [&renamed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_made_when_the_last_follower_leaves() {
    let (server, _dir) = server().await;
    let mut one = Follower::open(&server.url("/yjs/agora"), Style::Native("agora".to_owned())).await;
    one.write("worth keeping").await;
    one.until(|heard| *heard == Heard::Ack(2)).await;
    drop(one);
    let version = loop {
        let list = get(&server, "/v1/docs/agora/versions").await.json();
        if let [version] = &**list["versions"].as_array().unwrap() {
            break version.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&version["automatic"], &version["name"]), (&json!(true), &Value::Null));
    let path = format!("/v1/docs/agora/versions/{}", version["id"].as_str().unwrap());
    let doc = new_doc();
    doc.transact_mut().apply_update(Update::decode_v1(&get(&server, &path).await.body).unwrap()).unwrap();
    assert_eq!(doc.get_or_insert_text("note").get_string(&doc.transact()), "worth keeping");
}
