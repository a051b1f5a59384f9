//! The dialect of Hocuspocus.

use stoa_base_types::Access;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Follower, Heard, Style, bytes};
use crate::server::Server;

fn style(name: &str) -> Style {
    Style::Hocuspocus(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_counted_down_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/hocuspocus");
    let mut one = Follower::open(&url, style("agora")).await;
    let mut two = Follower::open(&url, style("agora")).await;
    // The provider counts its answer to the server's question.
    one.until(|heard| *heard == Heard::SyncStatus(1)).await;
    for letter in ["a", "b", "c", "d"] {
        one.write(letter).await;
    }
    for _ in 0..4 {
        one.until(|heard| *heard == Heard::SyncStatus(1)).await;
    }
    two.shows("abcd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_documents_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = [("write", Access::Write), ("read", Access::Read)];
    let server = Server::with_tokens(dir.path(), &tokens).await;
    let url = server.url("/hocuspocus");
    let mut one = Follower::connect(&url, style("agora")).await;
    one.say_token("").await;
    assert_eq!(one.hear().await, Heard::PermissionDenied("a token is needed".to_owned()));
    one.say_token("wrong").await;
    assert_eq!(one.hear().await, Heard::PermissionDenied("the token is not good".to_owned()));
    one.say_token("write").await;
    assert_eq!(one.hear().await, Heard::Authenticated("read-write".to_owned()));
    one.sync().await;
    one.write("good").await;

    let mut reader = Follower::connect(&url, style("agora")).await;
    reader.say_token("read").await;
    assert_eq!(reader.hear().await, Heard::Authenticated("readonly".to_owned()));
    reader.sync().await;
    reader.shows("good").await;
    // An empty answer to the server's question is no change.
    reader.until(|heard| matches!(heard, Heard::SyncStatus(1))).await;
    reader.write("bad").await;
    reader.until(|heard| matches!(heard, Heard::SyncStatus(0))).await;
    let mut url_token = Follower::connect(&server.url("/hocuspocus?token=read"), style("agora")).await;
    url_token.say_token("").await;
    assert_eq!(url_token.hear().await, Heard::Authenticated("readonly".to_owned()));
    url_token.sync().await;
    assert_eq!(url_token.shown(), "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_token_changes_rights_without_a_new_socket() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = [("write", Access::Write), ("read", Access::Read)];
    let server = Server::with_tokens(dir.path(), &tokens).await;
    let mut one = Follower::connect(&server.url("/hocuspocus"), style("agora")).await;
    one.say_token("read").await;
    one.until(|heard| matches!(heard, Heard::Authenticated(_))).await;
    one.sync().await;
    one.until(|heard| *heard == Heard::SyncStatus(1)).await;
    one.say_token("write").await;
    one.until(|heard| *heard == Heard::Authenticated("read-write".to_owned())).await;
    one.write("mine").await;
    one.until(|heard| *heard == Heard::SyncStatus(1)).await;
    one.say_token("nothing").await;
    one.until(|heard| *heard == Heard::PermissionDenied("the token is not good".to_owned())).await;
    one.until(|heard| matches!(heard, Heard::Farewell(_))).await;
}

/// Two providers of one socket.
#[tokio::test(flavor = "multi_thread")]
async fn documents_and_sessions_share_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/hocuspocus");
    let mut socket = Follower::connect(&url, style("a")).await;
    for name in ["a", "b\0one", "b\0two"] {
        let mut message = Vec::new();
        bytes(&mut message, name.as_bytes());
        message.extend([2, 0, 0]);
        socket.send(message.clone()).await;
        let mut step_1 = Vec::new();
        bytes(&mut step_1, name.as_bytes());
        step_1.extend([0, 0, 1, 0]);
        socket.send(step_1).await;
    }
    // Authenticated, step 2 and step 1 of each, before anybody writes.
    let mut heard = Vec::new();
    let addresses = |heard: &[Vec<u8>], text: &str| {
        heard.iter().filter(|message| message[1..].starts_with(text.as_bytes())).count()
    };
    while ["a", "b\0one", "b\0two"].iter().any(|name| addresses(&heard, name) < 3) {
        heard.push(binary(&mut socket).await);
    }
    let mut other = Follower::open(&url, style("b")).await;
    other.write("for b").await;
    while heard.iter().filter(|message| String::from_utf8_lossy(message).contains("for b")).count() < 2 {
        heard.push(binary(&mut socket).await);
    }
    assert!(addresses(&heard, "b\0one") >= 4 && addresses(&heard, "b\0two") >= 4);
}

async fn binary(follower: &mut Follower) -> Vec<u8> {
    loop {
        if let Message::Binary(message) = futures_util::StreamExt::next(&mut follower.socket).await.unwrap().unwrap() {
            return message.to_vec();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stateless_text_reaches_the_other_providers_of_the_document() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/hocuspocus");
    let mut one = Follower::open(&url, style("agora")).await;
    let mut two = Follower::open(&url, style("agora")).await;
    let mut elsewhere = Follower::open(&url, style("elsewhere")).await;
    let mut body = Vec::new();
    bytes(&mut body, b"{\"ring\":true}");
    one.say(&[5], &body).await;
    two.until(|heard| *heard == Heard::Stateless("{\"ring\":true}".to_owned())).await;
    // A ping is answered after everything that was said before.
    for quiet in [&mut elsewhere, &mut one] {
        quiet.send(vec![9]).await;
        let next = quiet.until(|heard| matches!(heard, Heard::Pong | Heard::Stateless(_))).await;
        assert_eq!(next, Heard::Pong);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_document_may_be_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut one = Follower::open(&server.url("/hocuspocus"), style("agora")).await;
    one.write("kept").await;
    one.until(|heard| *heard == Heard::SyncStatus(1)).await;
    one.say(&[7], &[]).await;
    one.begin().await;
    one.sync().await;
    assert_eq!(one.shown(), "kept");
    server.stop().await;
    let end = one.until(|heard| matches!(heard, Heard::End { .. })).await;
    assert!(matches!(end, Heard::End { code: 1012, .. }), "{end:?}");
}
