//! Lost sockets by the hundred, floods, readers that do not read, and rooms that must not hear of each other.

use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Heard};
use crate::server::Server;

/// One participant who keeps their session over many sockets and checks what arrives.
struct Survivor {
    client: Option<Client>,
    room: String,
    welcome: Value,
    seen: u64,
    arrived: Vec<u64>,
}

impl Survivor {
    async fn resume(&mut self, server: &Server) {
        let mut client = Client::connect(server).await;
        let resume =
            json!({"session": self.welcome["session"], "secret": self.welcome["resume_secret"], "last_seq": self.seen});
        client.say(&json!({"type": "hello", "room": self.room, "name": "Ada", "resume": resume})).await;
        self.welcome = client.hear("welcome").await;
        assert_eq!(self.welcome["resumed"], true, "{}", self.welcome);
        client.say(&json!({"type": "ack", "ack": self.seen})).await;
        self.client = Some(client);
    }

    /// Reads up to and including the candidate with this number.
    async fn read_to(&mut self, number: u64) {
        let client = self.client.as_mut().unwrap();
        while self.arrived.last().is_none_or(|last| *last < number) {
            let Heard::Frame(frame) = client.next().await else { panic!("closed while reading") };
            let seq = frame["seq"].as_u64().unwrap();
            if seq == 0 {
                continue;
            }
            assert_eq!(seq, self.seen + 1, "a gap or a repetition: {frame}");
            self.seen = seq;
            if frame["type"] == "candidate" {
                self.arrived.push(frame["candidate"]["candidate"].as_str().unwrap().parse().unwrap());
            }
        }
    }
}

/// 20 pairs with 25 broken sockets each: 500 resumes, some of them before anything was read, some after all.
#[tokio::test]
async fn five_hundred_broken_sockets_lose_double_or_reorder_nothing() {
    let server = Server::start();
    let mut runner = TestRunner::deterministic();
    let plans = prop::collection::vec(prop::collection::vec((1u64..8, 0u64..8), 25), 20);
    let plans = plans.new_tree(&mut runner).unwrap().current();
    join_all(plans.into_iter().enumerate().map(|(index, plan)| {
        let server = &server;
        async move {
            let room = format!("room-{index}");
            let (client, welcome) = Client::enter(server, &room, "Ada").await;
            let (mut bob, _) = Client::enter(server, &room, "Bob").await;
            let ada_id = welcome["participant"].clone();
            let mut ada = Survivor { client: Some(client), room, welcome, seen: 0, arrived: Vec::new() };
            let mut sent = 0;
            for (count, read) in plan {
                for _ in 0..count {
                    sent += 1;
                    let candidate = json!({"candidate": sent.to_string()});
                    bob.say(
                        &json!({"type": "candidate", "to": ada_id, "link": 1, "candidate": candidate, "cid": sent}),
                    )
                    .await;
                    bob.hear("ok").await;
                }
                let known = ada.arrived.last().copied().unwrap_or_default();
                ada.read_to((known + read).min(sent)).await;
                ada.client.take().unwrap().break_off();
                ada.resume(server).await;
            }
            ada.read_to(sent).await;
            assert_eq!(ada.arrived, (1..=sent).collect::<Vec<_>>());
        }
    }))
    .await;
    assert!(server.get("/metrics", "").1.contains("stoa_signaling_sessions 40"), "no ghost");
}

/// Ten thousand sockets that never become sessions: silent ones, half a request, and WebSockets without `hello`.
#[tokio::test]
async fn half_made_sockets_go_and_nobody_else_notices() {
    let server = Server::start();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let (mut ada, _) = Client::enter(&server, "agora", "Ada").await;
    // Somebody who reads all the time, and so answers the server's pings however long the rest takes.
    let adas_news = tokio::spawn(async move {
        let mut joined = Vec::new();
        while joined.last().is_none_or(|name| name != "Cyd") {
            joined.push(ada.hear("participant_joined").await["participant"]["name"].clone());
        }
        (ada, joined)
    });
    let upgrade = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.http
    );
    let mut half_made = Vec::new();
    for index in 0..HALF_MADE {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        let sent: &[u8] = match index % 3 {
            0 => b"",
            1 => b"GET /v1/ws HTTP/1.1\r\nhost: x\r\nx-half: ",
            _ => upgrade.as_bytes(),
        };
        stream.write_all(sent).await.unwrap();
        half_made.push(stream);
    }
    let (mut bob, _) = Client::enter(&server, "agora", "Bob").await;
    bob.say(&json!({"type": "leave"})).await;
    assert_eq!(bob.closed().await, Some(1000));
    let ended = join_all(half_made.iter_mut().map(|stream| async move {
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer).await;
    }));
    timeout(Duration::from_secs(60), ended).await.expect("some half-made sockets stay for ever");
    let (_cyd, _) = Client::enter(&server, "agora", "Cyd").await;
    let (_ada, joined) = adas_news.await.unwrap();
    assert_eq!(joined, ["Bob", "Cyd"]);
    assert!(server.get("/metrics", "").1.contains("stoa_signaling_connections 2"));
}

/// As many as the file limit of a small machine lets one process hold beside everything else.
const HALF_MADE: usize = 10_000;

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off_and_its_room_mate_goes_on() {
    let server = Server::start();
    let (deaf, deafs) = Client::enter(&server, "agora", "Ada").await;
    let (mut bob, _) = Client::enter(&server, "agora", "Bob").await;
    let large = json!({"candidate": "x".repeat(60_000)});
    let flood = json!({"type": "candidate", "to": deafs["participant"], "link": 1, "candidate": large});
    // The kernel's buffers take the first megabytes; then the server has to decide.
    let cut_off = async {
        let mut tick = tokio::time::interval(Duration::from_millis(25));
        loop {
            tick.tick().await;
            bob.say(&flood).await;
            bob.say(&json!({"type": "ping"})).await;
            loop {
                match bob.next().await {
                    Heard::Frame(frame) if frame["type"] == "pong" => break,
                    Heard::Frame(frame) if frame["type"] == "participant_changed" => return frame,
                    Heard::Frame(_) => {}
                    Heard::Closed(code) => panic!("Bob was closed with {code:?}"),
                }
            }
        }
    };
    let frame = timeout(Duration::from_secs(60), cut_off).await.expect("the deaf client is never cut off");
    assert_eq!(frame["participant"]["connected"], false);
    drop(deaf);
}

#[tokio::test]
async fn one_who_floods_is_closed_and_others_go_on() {
    let server = Server::start();
    let (mut flood, _) = Client::enter(&server, "agora", "Eve").await;
    let (mut other, _) = Client::enter(&server, "stoa", "Ada").await;
    for _ in 0..500 {
        flood.send(Message::text(r#"{"type":"ping"}"#)).await;
    }
    assert_eq!(flood.closed().await, Some(4101));
    other.say(&json!({"type": "ping"})).await;
    other.hear("pong").await;
}

/// Whatever two participants of different rooms say to and of each other, neither gets a byte of it.
#[tokio::test]
async fn rooms_never_hear_of_each_other() {
    let server = Server::start();
    let (mut ada, adas) = Client::enter(&server, "agora", "marker-agora").await;
    let (mut eve, eves) = Client::enter(&server, "stoa", "marker-stoa").await;
    for (speaker, target, name) in [(&mut ada, &eves, "marker-agora"), (&mut eve, &adas, "marker-stoa")] {
        let (to, text) = (&target["participant"], json!({"candidate": name}));
        for frame in [
            json!({"type": "candidate", "to": to, "link": 1, "candidate": text}),
            json!({"type": "description", "to": to, "link": 1, "description": {"type": "offer", "sdp": name}}),
            json!({"type": "mute", "participant": to, "source": "camera"}),
            json!({"type": "remove", "participant": to}),
            json!({"type": "rename", "name": name}),
            json!({"type": "media", "media": {"camera": true}}),
            json!({"type": "lock", "locked": true}),
        ] {
            speaker.say(&frame).await;
        }
    }
    let (mut bob, _) = {
        let mut bob = Client::connect(&server).await;
        bob.say(&json!({"type": "hello", "room": "forum", "name": "marker-forum"})).await;
        let welcome = bob.hear("welcome").await;
        (bob, welcome)
    };
    bob.say(&json!({"type": "leave"})).await;
    for (listener, foreign) in
        [(&mut ada, ["marker-stoa", "marker-forum"]), (&mut eve, ["marker-agora", "marker-forum"])]
    {
        listener.say(&json!({"type": "ping"})).await;
        loop {
            let Heard::Frame(frame) = listener.next().await else { panic!("closed") };
            let text = frame.to_string();
            assert!(!foreign.iter().any(|marker| text.contains(marker)), "{text}");
            if frame["type"] == "pong" {
                break;
            }
        }
    }
}
