use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Outcome;
use crate::client::{Client, Heard, Manner, Writer};

/// A client that is in a room, and counts its numbered frames.
pub(crate) struct Member {
    client: Client,
    /// Of the last `welcome`.
    pub(crate) welcome: Value,
    /// The last `seq`.
    pub(crate) seen: u64,
    /// Frames whose number was not the next one.
    pub(crate) gaps: u64,
}

impl Member {
    /// Connects, says this `hello` and waits for the welcome.
    pub(crate) async fn enter(server: SocketAddr, index: usize, manner: Manner, hello: &Value) -> Outcome<Self> {
        let attempt = async {
            let mut client = Client::connect(server, index, manner).await?;
            client.upgrade(server).await?;
            client.say(&hello.to_string()).await?;
            let mut member = Self { client, welcome: Value::Null, seen: 0, gaps: 0 };
            member.welcome = member.hear().await?;
            if is(&member.welcome, "welcome") { Ok(member) } else { Err(member.welcome.to_string().into()) }
        };
        timeout(PATIENCE, attempt).await.map_err(|_| "no welcome in time")?
    }

    /// The next frame, whose number is checked.
    pub(crate) async fn hear(&mut self) -> Outcome<Value> {
        match self.client.next().await? {
            Heard::Text(text) => {
                let frame: Value = serde_json::from_slice(&text)?;
                if let Some(seq) = frame.get("seq").and_then(Value::as_u64).filter(|seq| *seq > 0) {
                    self.gaps += u64::from(seq != self.seen + 1);
                    self.seen = seq;
                }
                Ok(frame)
            }
            Heard::Binary(_) => Err("a binary message where none was asked for".into()),
            Heard::Closed(code) => Err(format!("closed with {code:?}").into()),
        }
    }

    /// Reads up to and including a frame of this type.
    pub(crate) async fn hear_of(&mut self, kind: &str) -> Outcome<Value> {
        let search = async {
            loop {
                let frame = self.hear().await?;
                if is(&frame, kind) {
                    return Ok(frame);
                }
            }
        };
        timeout(PATIENCE, search).await.map_err(|_| format!("no {kind} in time"))?
    }

    pub(crate) async fn say(&self, frame: &Value) -> Outcome<()> {
        self.client.say(&frame.to_string()).await
    }

    pub(crate) async fn acknowledge(&self) -> Outcome<()> {
        self.say(&json!({"type": "ack", "ack": self.seen})).await
    }

    /// Does what a quiet client does: reads, answers pings, acknowledges. Ends with the socket.
    pub(crate) async fn idle(mut self) -> Outcome<()> {
        loop {
            let before = self.seen;
            self.hear().await?;
            if self.seen > before {
                self.acknowledge().await?;
            }
        }
    }

    pub(crate) fn participant(&self) -> &Value {
        self.welcome.get("participant").unwrap_or(&Value::Null)
    }

    pub(crate) fn writer(&self) -> Writer {
        self.client.writer()
    }

    pub(crate) fn local_address(&self) -> Outcome<SocketAddr> {
        self.client.local_address()
    }

    /// Hands out the socket.
    pub(crate) fn into_client(self) -> Client {
        self.client
    }
}

/// What somebody without a token says first.
pub(crate) fn hello(room: &str) -> Value {
    json!({"type": "hello", "room": room, "name": "Ada"})
}

pub(crate) fn is(frame: &Value, kind: &str) -> bool {
    frame.get("type").and_then(Value::as_str) == Some(kind)
}

/// A bound on a broken run, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
