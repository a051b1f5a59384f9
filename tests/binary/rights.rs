//! Tokens, invitations, limits per address, and what outlives a restart.

use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Heard};
use crate::server::{Server, stoa};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn token(arguments: &[&str]) -> String {
    let output = stoa().env("STOA_AUTH_KEY", KEY).arg("token").args(arguments).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn hello(server: &Server, hello: Value) -> (Client, Heard) {
    let mut client = Client::connect(server).await;
    let mut frame = json!({"type": "hello", "room": "agora", "name": "Ada"});
    frame.as_object_mut().unwrap().extend(hello.as_object().unwrap().clone());
    client.say(&frame).await;
    let heard = client.next().await;
    (client, heard)
}

#[tokio::test]
async fn minted_tokens_open_the_rooms_that_they_name() {
    let server = Server::start_with(|command| {
        command.env("STOA_AUTH_KEY", KEY);
    });
    let good = token(&["--identity", "ada", "--room", "ago*", "--name", "Ada L.", "--moderate"]);
    let (_ada, welcome) = hello(&server, json!({"token": good})).await;
    let Heard::Frame(welcome) = welcome else { panic!("{welcome:?}") };
    assert_eq!(welcome["room"]["participants"][0]["name"], "Ada L.");
    assert_eq!(welcome["grants"]["moderate"], true);
    let expired = token(&["--identity", "ada", "--room", "agora", "--expires-in", "0s"]);
    let cases = [
        (json!({}), "unauthenticated", 4200),
        (json!({"token": "junk"}), "unauthenticated", 4200),
        (json!({"token": token(&["--identity", "ada", "--room", "stoa"])}), "forbidden", 4506),
        (json!({"invite": "junk"}), "bad_invite", 4509),
    ];
    for (case, code, close) in cases {
        let (mut client, error) = hello(&server, case.clone()).await;
        let Heard::Frame(error) = error else { panic!("{error:?}") };
        assert_eq!(error["code"], code, "{case}");
        assert_eq!(client.closed().await, Some(close), "{case}");
    }
    // Accepted within the leeway for clocks, then ended.
    let (mut client, _) = hello(&server, json!({"token": expired})).await;
    assert_eq!(client.closed().await, Some(4200));
}

#[test]
fn a_token_command_without_a_key_or_with_a_weak_one_is_explained() {
    let run = |key: Option<&str>, arguments: &[&str]| {
        let mut command = stoa();
        if let Some(key) = key {
            command.env("STOA_AUTH_KEY", key);
        }
        let output = command.arg("token").args(arguments).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = run(None, &["--identity", "ada", "--room", "agora"]);
    assert!(status == Some(2) && said.contains("auth.key"), "{said}");
    let (status, said) = run(Some("short"), &["--identity", "ada", "--room", "agora"]);
    assert!(status == Some(2) && said.contains("32") && !said.contains("short\""), "{said}");
    let (status, said) = run(Some(KEY), &["--identity", "ada", "--room", "agora", "--expires-in", "soon"]);
    assert!(status == Some(2) && said.contains("15m"), "{said}");
}

#[tokio::test]
async fn a_participant_and_an_invitation_outlive_a_restart() {
    let folder = TempDir::new().unwrap();
    let start = || Server::start_in(folder.path());
    let first = start();
    let (mut ada, welcome) = Client::enter(&first, "agora", "Ada").await;
    ada.say(&json!({"type": "invite", "expires_in_ms": 60_000, "cid": 1})).await;
    let invite = ada.hear("invited").await["invite"].clone();
    first.signal("-KILL");
    drop(first);
    let second = start();
    let resume = json!({"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": 1,
        "participant_proof": welcome["participant_proof"]});
    let (mut ada, heard) = hello(&second, json!({"resume": resume})).await;
    let Heard::Frame(again) = heard else { panic!("{heard:?}") };
    assert_eq!((&again["resumed"], &again["participant"]), (&json!(false), &welcome["participant"]));
    ada.say(&json!({"type": "lock", "locked": true})).await;
    ada.hear("room_changed").await;
    let (_bob, heard) = hello(&second, json!({"name": "Bob", "invite": invite})).await;
    assert!(matches!(heard, Heard::Frame(frame) if frame["type"] == "welcome"));
}

#[tokio::test]
async fn an_address_behind_a_trusted_proxy_has_its_rate() {
    let server = Server::start_with(|command| {
        command.env("STOA_HTTP_TRUSTED_PROXIES", "127.0.0.0/8");
        command.env("STOA_LIMITS_ADDRESS_RATE", "1").env("STOA_LIMITS_ADDRESS_BURST", "3");
    });
    let from = |address: &'static str, room: usize| {
        let server = &server;
        async move {
            let mut client = Client::connect_with(server, &[("x-forwarded-for", address)]).await.unwrap();
            client.say(&json!({"type": "hello", "room": format!("room-{room}"), "name": "Ada"})).await;
            match client.next().await {
                Heard::Frame(frame) if frame["type"] == "error" => Some((frame, client.closed().await)),
                Heard::Frame(_) | Heard::Closed(_) => None,
            }
        }
    };
    let refused: Vec<_> = join_all((0..8).map(|room| from("198.51.100.1", room))).await.into_iter().flatten().collect();
    assert!(!refused.is_empty());
    for (error, close) in refused {
        assert_eq!((&error["code"], close), (&json!("rate_limited"), Some(4101)));
        assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
    }
    assert!(from("198.51.100.2", 9).await.is_none(), "nobody else notices");
}
