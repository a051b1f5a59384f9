//! The dialect of y-websocket.

use futures_util::{SinkExt, StreamExt};
use stoa_base_types::Access;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Follower, Heard, Style};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_writes_all_others_see_and_a_newcomer_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut followers = Vec::new();
    for _ in 0..5 {
        followers.push(Follower::open(&url, Style::Plain).await);
    }
    let mut expected = String::new();
    for round in 0..10 {
        let word = format!("{round}😀 ");
        expected.push_str(&word);
        followers[round % 5].write(&word).await;
        for follower in &mut followers {
            follower.shows(&expected).await;
        }
    }
    let newcomer = Follower::open(&url, Style::Plain).await;
    assert_eq!(newcomer.shown(), expected);
    for follower in &followers {
        assert_eq!(follower.state(), newcomer.state());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn step_1_is_answered_by_step_2_and_step_1_even_if_there_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut follower = Follower::connect(&server.url("/yjs/empty"), Style::Plain).await;
    follower.say_sync(0, &[0]).await;
    assert_eq!(follower.hear().await, Heard::Step2(vec![0, 0]));
    assert_eq!(follower.hear().await, Heard::Step1(vec![0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_paths() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut one = Follower::open(&server.url("/yjs/agora/plan%20b%E2%98%82"), Style::Plain).await;
    one.write("here").await;
    let mut two = Follower::open(&server.url("/yjs/agora%2Fplan%20b%E2%98%82"), Style::Plain).await;
    two.shows("here").await;
    let mut bad = Follower::connect(&server.url(&format!("/yjs/{}", "x".repeat(300))), Style::Plain).await;
    assert!(matches!(bad.hear().await, Heard::End { code: 4404, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut one = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    for letter in ["a", "b", "c"] {
        one.write(letter).await;
    }
    // The other one has seen it, so the server has it.
    let mut two = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    two.shows("abc").await;
    server.stop().await;
    for follower in [&mut one, &mut two] {
        assert!(matches!(
            follower.until(|heard| matches!(heard, Heard::End { .. })).await,
            Heard::End { code: 1012, .. }
        ));
    }
    let server = Server::start(dir.path()).await;
    let again = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    assert_eq!(again.shown(), "abc");
    assert_eq!(again.state(), one.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn awareness_goes_round_and_ends_with_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let url = server.url("/yjs/agora");
    let mut one = Follower::open(&url, Style::Plain).await;
    let mut two = Follower::open(&url, Style::Plain).await;
    one.say_awareness(7, 1, "{\"name\":\"Ada\"}").await;
    let heard = two.until(|heard| matches!(heard, Heard::Awareness(_))).await;
    assert_eq!(heard, Heard::Awareness([&[1, 7, 1, 14], &b"{\"name\":\"Ada\"}"[..]].concat()));
    let mut late = Follower::open(&url, Style::Plain).await;
    late.say(&[3], &[]).await;
    assert_eq!(late.until(|heard| matches!(heard, Heard::Awareness(_))).await, heard);
    drop(one);
    let gone = Heard::Awareness([&[1, 7, 2, 4], &b"null"[..]].concat());
    assert_eq!(two.until(|heard| matches!(heard, Heard::Awareness(_))).await, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_rule_who_reads_and_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = [("write", Access::Write), ("read", Access::Read)];
    let server = Server::with_tokens(dir.path(), &tokens).await;
    let mut writer = Follower::open(&server.url("/yjs/agora?token=write"), Style::Plain).await;
    let mut reader = Follower::open(&server.url("/yjs/agora?token=read"), Style::Plain).await;
    writer.write("good").await;
    reader.shows("good").await;
    reader.write(" bad").await;
    let heard = reader.until(|heard| matches!(heard, Heard::PermissionDenied(_))).await;
    assert_eq!(heard, Heard::PermissionDenied("you may read this document, not change it".to_owned()));
    let newcomer = Follower::open(&server.url("/yjs/agora?token=write"), Style::Plain).await;
    assert_eq!(newcomer.shown(), "good");

    for (token, code, why) in [("", 4401, "a token is needed"), ("?token=wrong", 4403, "the token is not good")] {
        let mut denied = Follower::connect(&server.url(&format!("/yjs/agora{token}")), Style::Plain).await;
        assert_eq!(denied.hear().await, Heard::PermissionDenied(why.to_owned()));
        assert_eq!(denied.hear().await, Heard::End { code, reason: why.to_owned() });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_sense_is_a_permanent_end_and_an_unknown_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut follower = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    follower.send(vec![102, 1, 2, 3]).await;
    follower.write("fine").await;
    follower.send(vec![0, 2, 200]).await;
    let end = follower.until(|heard| matches!(heard, Heard::End { .. })).await;
    assert!(matches!(end, Heard::End { code: 4400, .. }), "{end:?}");
    let follower = Follower::open(&server.url("/yjs/agora"), Style::Plain).await;
    assert_eq!(follower.shown(), "fine");
    // Nobody reads this to its end; browsers listen while they send.
    let (mut sink, mut stream) = follower.socket.split();
    let sending = tokio::spawn(async move { sink.send(Message::binary(vec![0; 16 << 20])).await });
    let close = loop {
        if let Message::Close(frame) = stream.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(close.code), 4400);
    sending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_documents_travel_whole() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut one = Follower::open(&server.url("/yjs/large"), Style::Plain).await;
    let text = "☂".repeat(700_000);
    for _ in 0..4 {
        one.write(&text).await;
    }
    let mut two = Follower::open(&server.url("/yjs/large"), Style::Plain).await;
    two.shows(&text.repeat(4)).await;
    assert_eq!(one.state(), two.state());
}
