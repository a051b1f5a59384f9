//! Stoa's own dialect on a socket of its own.

use stoa_base_types::Access;
use yrs::{ReadTxn, StateVector, Transact};

use crate::client::{Follower, Heard, Style};
use crate::server::Server;

fn style(name: &str) -> Style {
    Style::Native(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_comes_for_each_update_and_after_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut one = Follower::connect(&url, style("agora")).await;
    one.say(&[100], &[1, 0]).await;
    assert_eq!(one.hear().await, Heard::Opened { epoch: 1, access: 2, storage: 0 });
    one.sync().await;
    // The answer to the server's step 1 is an update, too.
    one.until(|heard| *heard == Heard::Ack(1)).await;
    for count in 2..20 {
        one.write("x").await;
        one.until(|heard| *heard == Heard::Ack(count)).await;
    }
    server.stop().await;
    assert_eq!(one.until(|heard| matches!(heard, Heard::Closed(_))).await, Heard::Closed(6));
    assert!(matches!(one.hear().await, Heard::End { code: 1012, .. }));
    let server = Server::start(dir.path()).await;
    let again = Follower::open(&server.url("/yjs/agora"), style("agora")).await;
    assert_eq!(again.state(), one.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn dialects_meet_in_one_document() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut native = Follower::open(&server.url("/yjs/agora"), style("agora")).await;
    let mut plain = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    let mut hocuspocus = Follower::open(&server.url("/hocuspocus"), Style::Hocuspocus("agora".to_owned())).await;
    native.write("n").await;
    plain.shows("n").await;
    plain.write("p").await;
    hocuspocus.shows("np").await;
    hocuspocus.write("h").await;
    for follower in [&mut native, &mut plain] {
        follower.shows("nph").await;
    }
    native.until(|heard| *heard == Heard::Durable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_update_comes_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut one = Follower::open(&url, style("agora")).await;
    let text = "0123456789".repeat(100_000);
    one.write(&text).await;
    let mut two = Follower::open(&url, style("agora")).await;
    two.shows(&text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut one = Follower::open(&server.url("/yjs/agora"), style("agora")).await;
    one.until(|heard| *heard == Heard::Ack(1)).await;
    for length in [(8 << 20) + 1, 9 << 20] {
        one.say_sync(2, &vec![7; length]).await;
        let heard = one.until(|heard| matches!(heard, Heard::Refused { .. })).await;
        assert!(matches!(heard, Heard::Refused { code: 2, .. }), "{heard:?}");
    }
    one.say_sync(2, b"nonsense").await;
    let heard = one.until(|heard| matches!(heard, Heard::Refused { .. })).await;
    assert_eq!(heard, Heard::Refused { number: 4, code: 3 });
    one.write("still here").await;
    one.until(|heard| *heard == Heard::Ack(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_one_document_carries_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut other = Follower::connect(&url, style("other")).await;
    other.say(&[100], &[1, 0]).await;
    assert_eq!(other.hear().await, Heard::Closed(2));
    let mut bad = Follower::connect(&url, style("bad\u{1}")).await;
    bad.say(&[100], &[1, 0]).await;
    assert_eq!(bad.hear().await, Heard::Closed(7));
    let mut strange = Follower::connect(&url, style("agora")).await;
    strange.say(&[77], &[]).await;
    assert_eq!(strange.hear().await, Heard::Closed(4));
    strange.begin().await;
    strange.say(&[77], &[]).await;
    strange.until(|heard| *heard == Heard::Closed(4)).await;
    // And it may open again.
    strange.begin().await;
    strange.send(vec![9, 9]).await;
    let end = strange.until(|heard| matches!(heard, Heard::End { .. })).await;
    assert!(matches!(end, Heard::End { code: 4400, .. }), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_a_gap_is_kept_and_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut one = Follower::open(&url, style("agora")).await;
    let mut two = Follower::open(&url, style("agora")).await;
    one.until(|heard| *heard == Heard::Ack(1)).await;
    let first = one.write_silently("first ");
    one.write("second").await;
    assert!(matches!(one.until(|heard| matches!(heard, Heard::Step1(_) | Heard::Ack(_))).await, Heard::Step1(_)));
    // The client answers, and so the gap is closed.
    two.shows("first second").await;
    one.until(|heard| *heard == Heard::Ack(3)).await;
    assert_eq!(one.state(), two.state());
    assert!(!first.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_read() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = [("write", Access::Write), ("read", Access::Read)];
    let server = Server::with_tokens(dir.path(), &tokens).await;
    let mut writer = Follower::open(&server.url("/yjs/agora?token=write"), style("agora")).await;
    let mut reader = Follower::connect(&server.url("/yjs/agora?token=read"), style("agora")).await;
    reader.say(&[100], &[1, 0]).await;
    assert_eq!(reader.hear().await, Heard::Opened { epoch: 1, access: 1, storage: 0 });
    reader.sync().await;
    writer.write("good").await;
    reader.shows("good").await;
    reader.write("bad").await;
    let heard = reader.until(|heard| matches!(heard, Heard::Refused { .. })).await;
    assert_eq!(heard, Heard::Refused { number: 1, code: 1 });
    reader.until(|heard| *heard == Heard::Ack(1)).await;
    let newcomer = Follower::open(&server.url("/yjs/agora?token=read"), style("agora")).await;
    assert_eq!(newcomer.shown(), "good");
    let mut denied = Follower::connect(&server.url("/yjs/agora?token=bad"), style("agora")).await;
    assert!(matches!(denied.hear().await, Heard::End { code: 4403, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_document_begins_anew_and_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut native = Follower::open(&url, style("agora")).await;
    let mut plain = Follower::open(&url, Style::Plain).await;
    native.write("old text").await;
    plain.shows("old text").await;
    let answer = crate::rest::call(&server, "DELETE", "/v1/docs/agora", &[], b"").await;
    assert_eq!(answer.status, 204);
    assert_eq!(native.until(|heard| matches!(heard, Heard::Closed(_))).await, Heard::Closed(1));
    let end = plain.until(|heard| matches!(heard, Heard::End { .. })).await;
    assert!(matches!(end, Heard::End { code: 4410, .. }), "{end:?}");
    // A stock client that comes back with the old text is sent away for good.
    let mut back = Follower::connect(&url, Style::Plain).await;
    let old = native.doc.transact().encode_state_as_update_v1(&StateVector::default());
    back.apply(&old);
    let vector = yrs::updates::encoder::Encode::encode_v1(&back.doc.transact().state_vector());
    back.say_sync(0, &vector).await;
    let end = back.until(|heard| matches!(heard, Heard::End { .. })).await;
    assert!(matches!(end, Heard::End { code: 4410, .. }), "{end:?}");
    let mut anew = Follower::connect(&url, style("agora")).await;
    let mut body = Vec::new();
    crate::client::number(&mut body, 1);
    crate::client::number(&mut body, 1);
    anew.say(&[100], &body).await;
    assert_eq!(anew.hear().await, Heard::Opened { epoch: 2, access: 2, storage: 0 });
    anew.sync().await;
    assert_eq!(anew.shown(), "");
    server.stop().await;
    let server = Server::start(dir.path()).await;
    let later = Follower::open(&server.url("/yjs/agora"), style("agora")).await;
    assert_eq!(later.shown(), "");
}
