use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::server::Server;

/// A signaling socket as a browser would hold it.
pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What a server may do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Frame(Value),
    Closed(Option<u16>),
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_with(server, &[("sec-websocket-protocol", "stoa.v1.json")]).await.unwrap()
    }

    pub(crate) async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{}/v1/ws", server.http).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        Ok(Self(connect_async_with_config(request, Some(config), true).await?.0))
    }

    pub(crate) async fn enter(server: &Server, room: &str, name: &str) -> (Self, Value) {
        let mut client = Self::connect(server).await;
        client.say(&json!({"type": "hello", "room": room, "name": name})).await;
        let welcome = client.hear("welcome").await;
        (client, welcome)
    }

    pub(crate) async fn say(&mut self, frame: &Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // The server may have closed while this was under way; what it said is read next.
        let _ = self.0.send(message).await;
    }

    /// Waits for the next frame or the end. The patience is a bound on a broken test, not a measurement.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server says nothing") {
                Some(Ok(Message::Text(text))) => return Heard::Frame(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    /// What has come already.
    pub(crate) async fn take(&mut self) -> Option<Heard> {
        match timeout(Duration::from_millis(1), self.0.next()).await.ok()? {
            Some(Ok(Message::Text(text))) => Some(Heard::Frame(serde_json::from_str(&text).unwrap())),
            Some(Ok(Message::Close(frame))) => Some(Heard::Closed(frame.map(|frame| frame.code.into()))),
            Some(Ok(_)) => None,
            Some(Err(_)) | None => Some(Heard::Closed(None)),
        }
    }

    /// Waits for a frame of one type, skipping others.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Heard::Frame(frame) if frame["type"] == kind => return frame,
                Heard::Frame(_) => {}
                Heard::Closed(code) => panic!("closed with {code:?} instead of {kind}"),
            }
        }
    }

    /// Waits for a binary message that is wanted, skipping everything else.
    pub(crate) async fn hear_binary(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server says nothing") {
                Some(Ok(Message::Binary(message))) if wanted(&message) => return message.to_vec(),
                Some(Ok(Message::Close(frame))) => panic!("closed with {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => panic!("the socket ended"),
            }
        }
    }

    /// Lets the socket break without a close frame.
    pub(crate) fn break_off(self) {
        drop(self);
    }

    /// Waits for the close, skipping frames.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Heard::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    pub(crate) async fn close(mut self, code: u16) {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        let _ = self.0.close(Some(frame)).await;
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
