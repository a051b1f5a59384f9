//! The wire protocol over real sockets.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, Heard};
use crate::server::Server;

#[tokio::test]
async fn two_people_negotiate_and_a_third_is_told_that_the_room_is_full() {
    let server = Server::start_with(|command| {
        command.env("STOA_ROOMS_MAX_PARTICIPANTS", "2");
    });
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    let (mut bob, bobs) = Client::enter(&server, "agora", "Bob").await;
    let stun = bobs["ice_servers"][0]["urls"][0].as_str().unwrap();
    assert_eq!(stun, format!("stun:127.0.0.1:{}", server.udp.port()));
    assert_eq!(ada.hear("participant_joined").await["participant"]["name"], "Bob");
    let offer = json!({"type": "offer", "sdp": "v=0\r\n"});
    ada.say(&json!({"type": "description", "to": bobs["participant"], "link": 1, "description": offer})).await;
    assert_eq!(bob.hear("description").await["description"], offer);
    let mut third = Client::connect(&server).await;
    third.say(&json!({"type": "hello", "room": "agora", "name": "Cyd"})).await;
    let error = third.hear("error").await;
    assert_eq!(error["code"], "room_full");
    assert!(error["message"].as_str().unwrap().contains("holds 2 participants"));
    assert_eq!(third.closed().await, Some(4503));
}

#[tokio::test]
async fn hostile_frames_get_their_error_or_close_code_and_the_server_lives() {
    let server = Server::start();
    let table: Vec<Value> = serde_json::from_str(include_str!("../../signaling/testdata/hostile-frames.json")).unwrap();
    join_all(table.iter().enumerate().map(|(index, case)| {
        let server = &server;
        async move {
            let mut client = if case["after_hello"] == true {
                Client::enter(server, &format!("room-{index}"), "Ada").await.0
            } else {
                Client::connect(server).await
            };
            client.send(Message::text(case["text"].as_str().unwrap())).await;
            assert_eq!(client.hear("error").await["code"], case["error"], "{case}");
            if let Some(code) = case["close"].as_u64() {
                assert_eq!(client.closed().await.map(u64::from), Some(code), "{case}");
            } else {
                client.say(&json!({"type": "ping"})).await;
                client.hear("pong").await;
            }
        }
    }))
    .await;
    assert_eq!(server.get("/healthz", "").1, "ok");
}

#[tokio::test]
async fn huge_and_binary_messages_are_refused() {
    let server = Server::start();
    let cases = [
        (false, Message::text(" ".repeat(16 * 1024 + 1)), 4501),
        (false, Message::text(" ".repeat(8 * 1024 * 1024)), 4501),
        (true, Message::text(" ".repeat(256 * 1024 + 1)), 4501),
        (true, Message::binary(vec![9; 16]), 4500),
        (false, Message::binary(vec![0; 16]), 4500),
    ];
    for (index, (is_after_hello, message, code)) in cases.into_iter().enumerate() {
        let mut client = if is_after_hello {
            Client::enter(&server, &format!("room-{index}"), "Ada").await.0
        } else {
            Client::connect(&server).await
        };
        client.send(message).await;
        let heard = client.closed().await;
        // Whoever is still sending megabytes may see the reset before the close frame.
        assert!(heard == Some(code) || index == 1 && heard.is_none(), "case {index}: {heard:?}");
    }
    assert_eq!(server.get("/healthz", "").1, "ok");
}

#[tokio::test]
async fn a_socket_without_hello_is_closed() {
    let server = Server::start();
    let mut silent = Client::connect(&server).await;
    assert_eq!(silent.next().await, Heard::Closed(Some(4100)));
}

#[tokio::test]
async fn only_our_own_pages_may_connect() {
    let server = Server::start_with(|command| {
        command.env("STOA_HTTP_ALLOWED_ORIGINS", "https://app.example.org");
    });
    let own = format!("http://{}", server.http);
    for (origin, status) in [
        (own.as_str(), None),
        ("https://app.example.org", None),
        ("https://evil.example", Some(403)),
        ("null", Some(403)),
    ] {
        let refused = match Client::connect_with(&server, &[("origin", origin)]).await {
            Ok(_) => None,
            Err(Error::Http(response)) => Some(response.status().as_u16()),
            Err(error) => panic!("{origin}: {error}"),
        };
        assert_eq!(refused, status, "{origin}");
    }
    let other = Client::connect_with(&server, &[("sec-websocket-protocol", "chat")]).await;
    assert!(matches!(other, Err(Error::Http(response)) if response.status() == 400));
}

#[tokio::test]
async fn a_lost_socket_is_resumed_with_what_was_missed() {
    let server = Server::start();
    let (ada, adas) = Client::enter(&server, "agora", "Ada").await;
    let (mut bob, _) = Client::enter(&server, "agora", "Bob").await;
    drop(ada);
    assert_eq!(bob.hear("participant_changed").await["participant"]["connected"], false);
    let candidate = json!({"type": "candidate", "to": adas["participant"], "link": 1, "candidate": null, "cid": 1});
    bob.say(&candidate).await;
    bob.hear("ok").await;
    let mut again = Client::connect(&server).await;
    let resume = json!({"session": adas["session"], "secret": adas["resume_secret"], "last_seq": 0});
    again.say(&json!({"type": "hello", "room": "agora", "name": "Ada", "resume": resume})).await;
    let welcome = again.hear("welcome").await;
    assert_eq!((&welcome["resumed"], &welcome["participant"]), (&json!(true), &adas["participant"]));
    assert_eq!(again.hear("participant_joined").await["seq"], 1);
    assert_eq!(again.hear("candidate").await["seq"], 2);
    assert_eq!(bob.hear("participant_changed").await["participant"]["connected"], true);
}

#[tokio::test]
async fn a_closed_page_leaves() {
    let server = Server::start();
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    let (bob, bobs) = Client::enter(&server, "agora", "Bob").await;
    bob.close(1001).await;
    let left = ada.hear("participant_left").await;
    assert_eq!((&left["participant"], &left["reason"]), (&bobs["participant"], &json!("left")));
}

#[tokio::test]
async fn a_stopping_server_tells_everybody_when_to_return() {
    let mut server = Server::start();
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    let (mut bob, _) = Client::enter(&server, "elsewhere", "Bob").await;
    server.signal("-TERM");
    for client in [&mut ada, &mut bob] {
        assert!(client.hear("reconnect").await["after_ms"].as_u64().unwrap() < 5_000);
        assert_eq!(client.closed().await, Some(4001));
    }
    assert_eq!(server.wait().code(), Some(0));
}
