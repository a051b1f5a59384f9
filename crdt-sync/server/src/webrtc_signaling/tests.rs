//! The endpoint as its clients see it, over real sockets.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use stoa_base_types::Access;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::access::{Denied, DeniedKind};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(address: &str) -> Self {
        Self(connect_async(format!("ws://{address}")).await.unwrap().0)
    }

    /// Connects, subscribes, and announces itself.
    async fn in_topic(address: &str, topic: &str, id: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.send(&json!({"type": "subscribe", "topics": [topic]})).await;
        client.publish(topic, json!({"type": "announce", "from": id})).await;
        client.ping().await;
        client
    }

    async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn publish(&mut self, topic: &str, data: Value) {
        self.send(&json!({"type": "publish", "topic": topic, "data": data})).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Whatever was sent before is now done. Nothing else must have come meanwhile.
    async fn ping(&mut self) {
        self.send(&json!({"type": "ping"})).await;
        assert_eq!(self.next().await, json!({"type": "pong"}));
    }

    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// Starts the endpoint; returns host, port and path.
async fn serve(settings: Settings, authorize: Authorize) -> String {
    serve_until(settings, authorize, watch::Sender::new(false).subscribe()).await
}

async fn serve_until(settings: Settings, authorize: Authorize, draining: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router_with(settings, authorize, draining)).into_future());
    format!("{address}/y-webrtc")
}

fn open_to_all() -> Authorize {
    Arc::new(|_, _| Ok(Access::Write))
}

/// Waits for no longer than a test needs to.
fn hasty() -> Settings {
    Settings { penalty: Duration::ZERO, ..Settings::default() }
}

#[tokio::test]
async fn peers_find_each_other_and_signal_in_private() {
    let address = serve(hasty(), open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::in_topic(&address, "t", "b").await;
    assert_eq!(
        ann.next().await,
        json!({"type": "publish", "topic": "t", "data": {"type": "announce", "from": "b"}, "clients": 2})
    );
    let mut eve = Client::in_topic(&address, "t", "e").await;
    assert_eq!(ann.next().await["data"]["from"], "e");
    assert_eq!(bob.next().await["data"]["from"], "e");

    ann.publish("t", json!({"type": "signal", "from": "a", "to": "b", "signal": {"type": "offer"}})).await;
    assert_eq!(bob.next().await["data"]["signal"]["type"], "offer");
    ann.publish("t", json!("c2VhbGVk")).await;
    for peer in [&mut bob, &mut eve] {
        assert_eq!(peer.next().await["data"], "c2VhbGVk", "and eve has got nothing before it");
    }
    ann.ping().await;
}

#[tokio::test]
async fn topics_are_apart_and_a_socket_may_have_several() {
    let address = serve(hasty(), open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::in_topic(&address, "u", "b").await;
    ann.ping().await;
    ann.send(&json!({"type": "subscribe", "topics": ["u", "t"]})).await;
    ann.publish("u", json!({"type": "announce", "from": "a2"})).await;
    assert_eq!(bob.next().await["data"]["from"], "a2");
    bob.publish("t", json!({"type": "announce", "from": "b"})).await;
    assert_eq!(bob.next().await["code"], "not_subscribed");
    ann.send(&json!({"type": "unsubscribe", "topics": ["u"]})).await;
    ann.ping().await;
    bob.publish("u", json!({"type": "announce", "from": "b"})).await;
    bob.ping().await;
    ann.ping().await;
}

#[tokio::test]
async fn who_leaves_is_no_longer_counted() {
    let address = serve(hasty(), open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let bob = Client::in_topic(&address, "t", "b").await;
    let mut eve = Client::in_topic(&address, "t", "e").await;
    drop(bob);
    loop {
        ann.publish("t", json!(1)).await;
        if eve.next().await["clients"] == 2 {
            return;
        }
    }
}

#[tokio::test]
async fn a_token_decides_about_subscriptions_and_a_refusal_leaves_the_socket_open() {
    let authorize: Authorize = Arc::new(|token, topic| match token {
        Some("good") if topic.as_str() == "mine" => Ok(Access::Read),
        Some("good") => Err(Denied { kind: DeniedKind::Forbidden, why: "not yours".to_owned() }),
        _ => Err(Denied { kind: DeniedKind::NotAuthenticated, why: "who are you".to_owned() }),
    });
    let address = serve(hasty(), authorize).await;
    for (address, code) in [(format!("{address}?token=good"), "forbidden"), (address.clone(), "not_authenticated")] {
        let mut client = Client::connect(&address).await;
        client.send(&json!({"type": "subscribe", "topics": ["theirs"]})).await;
        let refusal = client.next().await;
        assert_eq!(
            (&refusal["type"], &refusal["code"], &refusal["topic"]),
            (&json!("error"), &json!(code), &json!("theirs"))
        );
        client.publish("theirs", json!(1)).await;
        assert_eq!(client.next().await["code"], "not_subscribed");
        client.ping().await;
    }
    let mut ann = Client::in_topic(&format!("{address}?token=good"), "mine", "a").await;
    let _bob = Client::in_topic(&format!("{address}?token=good"), "mine", "b").await;
    assert_eq!(ann.next().await["data"]["from"], "b");
}

#[tokio::test]
async fn rights_that_end_end_the_subscription() {
    let is_open = Arc::new(AtomicBool::new(true));
    let door = Arc::clone(&is_open);
    let authorize: Authorize = Arc::new(move |_, _| {
        let denied = Denied { kind: DeniedKind::NotAuthenticated, why: "the token has ended".to_owned() };
        if door.load(Ordering::SeqCst) { Ok(Access::Write) } else { Err(denied) }
    });
    let address = serve(Settings { recheck: Duration::from_millis(20), ..hasty() }, authorize).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    is_open.store(false, Ordering::SeqCst);
    assert_eq!(ann.next().await["code"], "not_authenticated");
    ann.publish("t", json!(1)).await;
    assert_eq!(ann.next().await["code"], "not_subscribed");
}

#[tokio::test]
async fn quotas_are_told_and_the_socket_goes_on() {
    let limits = Limits { sockets_per_topic: 1, topics_per_socket: 2, ..Limits::default() };
    let address = serve(Settings { limits, ..hasty() }, open_to_all()).await;
    let _ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::connect(&address).await;
    bob.send(&json!({"type": "subscribe", "topics": ["t", "u", "v", "w"]})).await;
    for topic in ["t", "w"] {
        let refusal = bob.next().await;
        assert_eq!((&refusal["code"], &refusal["topic"]), (&json!("too_many"), &json!(topic)));
    }
    let many: Vec<_> = (0..65).map(|number| number.to_string()).collect();
    bob.send(&json!({"type": "unsubscribe", "topics": ["u"]})).await;
    bob.send(&json!({"type": "subscribe", "topics": many})).await;
    assert_eq!(bob.next().await["code"], "bad_topics");
}

#[tokio::test]
async fn a_full_server_refuses_the_handshake_until_there_is_room() {
    let address = serve(Settings { sockets: 1, ..hasty() }, open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let refused = connect_async(format!("ws://{address}")).await.unwrap_err();
    assert!(matches!(refused, tungstenite::Error::Http(response) if response.status() == 503));
    ann.0.close(None).await.unwrap();
    while connect_async(format!("ws://{address}")).await.is_err() {}
}

#[tokio::test]
async fn nonsense_is_answered_and_endless_nonsense_closes() {
    let address = serve(hasty(), open_to_all()).await;
    let mut client = Client::connect(&address).await;
    client.send_text("{").await;
    assert_eq!(client.next().await["code"], "bad_message");
    client.0.send(Message::binary(br#"{"type":"ping"}"#.to_vec())).await.unwrap();
    assert_eq!(client.next().await["type"], "pong");
    for _ in 0..64 {
        client.send_text("[]").await;
    }
    assert_eq!(client.close_code().await, Some(1007));
}

#[tokio::test]
async fn a_message_that_is_too_large_closes() {
    let address = serve(hasty(), open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::in_topic(&address, "t", "b").await;
    ann.next().await;
    bob.publish("t", json!("x".repeat(64 * 1024 - 100))).await;
    assert_eq!(ann.next().await["clients"], 2);
    bob.publish("t", json!("x".repeat(64 * 1024))).await;
    assert_eq!(bob.close_code().await, Some(1009));
}

#[tokio::test]
async fn who_says_too_much_is_read_slowly_and_loses_nothing() {
    let address = serve(Settings { rate: 1000, burst: 10, ..hasty() }, open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::in_topic(&address, "t", "b").await;
    ann.next().await;
    for number in 0..100 {
        bob.publish("t", json!(number)).await;
    }
    for number in 0..100 {
        assert_eq!(ann.next().await["data"], number);
    }
    bob.ping().await;
}

#[tokio::test]
async fn beyond_the_burst_nothing_is_read() {
    let address = serve(Settings { rate: 1, burst: 10, ..hasty() }, open_to_all()).await;
    let mut bob = Client::connect(&address).await;
    for _ in 0..100 {
        bob.send(&json!({"type": "ping"})).await;
    }
    for _ in 0..10 {
        bob.next().await;
    }
    // The server had everything of Bob long before it answers Ann.
    Client::connect(&address).await.ping().await;
    let mut more = 0;
    while bob.0.next().now_or_never().is_some() {
        more += 1;
    }
    assert!(more < 90, "{more} more answers");
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_closed_and_others_go_on() {
    let settings = Settings { rate: 1_000_000, burst: 1_000_000, write_patience: Duration::from_secs(600), ..hasty() };
    let address = serve(settings, open_to_all()).await;
    let _deaf = Client::in_topic(&address, "t", "d").await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    let mut bob = Client::in_topic(&address, "t", "b").await;
    assert_eq!(ann.next().await["clients"], 3);
    loop {
        bob.publish("t", json!("x".repeat(60_000))).await;
        if ann.next().await["clients"] == 2 {
            return;
        }
    }
}

#[tokio::test]
async fn a_quiet_client_that_answers_pings_is_kept() {
    let address = serve(Settings { idle: Duration::from_secs(1), ..hasty() }, open_to_all()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    for _ in 0..2 {
        assert_eq!(ann.0.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
    }
    ann.ping().await;
}

#[tokio::test]
async fn a_client_that_answers_nothing_is_left() {
    let address = serve(Settings { idle: Duration::from_millis(200), ..hasty() }, open_to_all()).await;
    let mut dead = Client::in_topic(&address, "t", "d").await;
    let MaybeTlsStream::Plain(stream) = dead.0.get_mut() else { unreachable!("no TLS here") };
    // Read past the WebSocket, pings stay without an answer.
    let mut pings = Vec::new();
    let _ = stream.read_to_end(&mut pings).await;
    assert_eq!(pings, [0x89, 0]);
}

#[tokio::test]
async fn sockets_say_farewell_when_the_server_ends() {
    let drain = watch::Sender::new(false);
    // Whoever is sent away may come back at once.
    let settings = Settings { penalty: Duration::from_hours(1), ..Settings::default() };
    let address = serve_until(settings, open_to_all(), drain.subscribe()).await;
    let mut ann = Client::in_topic(&address, "t", "a").await;
    drain.send_replace(true);
    assert_eq!(ann.close_code().await, Some(1012));
    // Who comes too late hears it, too.
    assert_eq!(Client::connect(&address).await.close_code().await, Some(1012));
}
