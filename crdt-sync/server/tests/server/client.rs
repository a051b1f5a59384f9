//! Followers in every dialect, with yrs behind them: code that is not ours.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, Update};

/// How a follower speaks, and the name or address it speaks of.
#[derive(Debug, Clone)]
pub(crate) enum Style {
    Plain,
    Native(String),
    Hocuspocus(String),
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Step1(Vec<u8>),
    Step2(Vec<u8>),
    Update(Vec<u8>),
    Awareness(Vec<u8>),
    PermissionDenied(String),
    Opened {
        epoch: u64,
        access: u64,
        storage: u64,
    },
    Ack(u64),
    Durable,
    Storage(u64),
    Refused {
        number: u64,
        code: u64,
    },
    Closed(u64),
    Access(u64),
    Authenticated(String),
    TokenWanted,
    Stateless(String),
    SyncStatus(u64),
    Farewell(String),
    Pong,
    /// The socket was closed.
    End {
        code: u16,
        reason: String,
    },
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct Follower {
    style: Style,
    pub(crate) socket: Socket,
    pub(crate) doc: Doc,
    pub(crate) text: TextRef,
    /// Parts of a frame of the native dialect.
    parts: Vec<u8>,
}

pub(crate) fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.0[0];
            self.0 = &self.0[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.number()).unwrap();
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

impl Follower {
    /// A socket, and nothing said yet.
    pub(crate) async fn connect(url: &str, style: Style) -> Self {
        let mut request = url.into_client_request().unwrap();
        if matches!(style, Style::Native(_)) {
            request.headers_mut().insert("sec-websocket-protocol", "stoa.v1.docs".parse().unwrap());
        }
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let (socket, response) = connect_async_with_config(request, Some(config), true).await.unwrap();
        let chosen = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(chosen.as_deref(), matches!(style, Style::Native(_)).then_some("stoa.v1.docs"));
        let doc = new_doc();
        let text = doc.get_or_insert_text("note");
        Self { style, socket, doc, text, parts: Vec::new() }
    }

    /// A follower that has everything the server has.
    pub(crate) async fn open(url: &str, style: Style) -> Self {
        let mut follower = Self::connect(url, style).await;
        follower.begin().await;
        follower.sync().await;
        follower
    }

    /// What comes before the first step 1.
    pub(crate) async fn begin(&mut self) {
        match self.style {
            Style::Plain => {}
            Style::Native(_) => {
                self.say(&[100], &[1, 0]).await;
                self.until(|heard| matches!(heard, Heard::Opened { .. })).await;
            }
            Style::Hocuspocus(_) => {
                self.say_token("").await;
                self.until(|heard| matches!(heard, Heard::Authenticated(_))).await;
            }
        }
    }

    pub(crate) async fn say_token(&mut self, token: &str) {
        let mut body = Vec::new();
        bytes(&mut body, token.as_bytes());
        bytes(&mut body, b"4.8.0");
        self.say(&[2, 0], &body).await;
    }

    pub(crate) async fn sync(&mut self) {
        let vector = self.doc.transact().state_vector().encode_v1();
        self.say_sync(0, &vector).await;
        self.until(|heard| matches!(heard, Heard::Step2(_))).await;
    }

    pub(crate) async fn say_sync(&mut self, kind: u64, content: &[u8]) {
        let mut body = Vec::new();
        bytes(&mut body, content);
        self.say(&[0, kind], &body).await;
    }

    pub(crate) async fn say_awareness(&mut self, client: u64, clock: u64, state: &str) {
        let mut update = vec![1];
        number(&mut update, client);
        number(&mut update, clock);
        bytes(&mut update, state.as_bytes());
        let mut body = Vec::new();
        bytes(&mut body, &update);
        self.say(&[1], &body).await;
    }

    pub(crate) async fn say(&mut self, kinds: &[u64], body: &[u8]) {
        let mut frame = Vec::new();
        match &self.style {
            Style::Plain => {}
            Style::Native(name) | Style::Hocuspocus(name) => bytes(&mut frame, name.as_bytes()),
        }
        for kind in kinds {
            number(&mut frame, *kind);
        }
        frame.extend_from_slice(body);
        if !matches!(self.style, Style::Native(_)) {
            return self.send(frame).await;
        }
        let chunks: Vec<_> = frame.chunks(60 * 1024 - 1).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            let mark = match index + 1 == chunks.len() {
                true if chunks.len() == 1 => 0,
                true => 2,
                false => 1,
            };
            self.send([&[mark], *chunk].concat()).await;
        }
    }

    pub(crate) async fn send(&mut self, message: Vec<u8>) {
        self.socket.send(Message::Binary(message.into())).await.unwrap();
    }

    /// Writes at the end of the text; the server gets the update.
    pub(crate) async fn write(&mut self, text: &str) {
        let update = self.write_silently(text);
        self.say_sync(2, &update).await;
    }

    pub(crate) fn write_silently(&self, text: &str) -> Vec<u8> {
        let mut transaction = self.doc.transact_mut();
        let end = self.text.len(&transaction);
        self.text.insert(&mut transaction, end, text);
        transaction.encode_update_v1()
    }

    pub(crate) fn shown(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// Whether the text is that, which has so many units.
    pub(crate) fn is_showing(&self, text: &str, units: usize) -> bool {
        self.text.len(&self.doc.transact()) as usize == units && self.shown() == text
    }

    /// The whole state: structs and deletes.
    pub(crate) fn state(&self) -> (Vec<u8>, Vec<u8>) {
        let transaction = self.doc.transact();
        (transaction.state_vector().encode_v1(), transaction.snapshot().encode_v1())
    }

    /// Listens until the text is that.
    pub(crate) async fn shows(&mut self, text: &str) {
        // Counted once: a long text comes in many messages.
        let units = text.encode_utf16().count();
        while !self.is_showing(text, units) {
            let heard = self.next().await;
            assert!(
                !matches!(heard, Heard::End { .. }),
                "{heard:?} with {} units",
                self.text.len(&self.doc.transact())
            );
        }
    }

    /// Listens until something is heard; returns that.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Heard) -> bool) -> Heard {
        loop {
            let heard = self.next().await;
            if is_it(&heard) {
                return heard;
            }
            assert!(!matches!(heard, Heard::End { .. }), "{heard:?}");
        }
    }

    /// Listens until all of that was heard, in any order.
    pub(crate) async fn until_all(&mut self, wanted: &[Heard]) {
        let mut wanted = wanted.to_vec();
        while !wanted.is_empty() {
            let heard = self.until(|heard| wanted.contains(heard)).await;
            wanted.retain(|other| *other != heard);
        }
    }

    /// What the server says next. Updates are applied, and its questions answered.
    pub(crate) async fn next(&mut self) -> Heard {
        let heard = self.hear().await;
        match &heard {
            Heard::Step2(update) | Heard::Update(update) => self.apply(update),
            Heard::Step1(vector) => {
                let vector = StateVector::decode_v1(vector).unwrap();
                let update = self.doc.transact().encode_state_as_update_v1(&vector);
                self.say_sync(1, &update).await;
            }
            _ => {}
        }
        heard
    }

    pub(crate) fn apply(&self, update: &[u8]) {
        self.doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    /// What the server says next, and nothing else.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the server says nothing");
            match message {
                Some(Ok(Message::Binary(message))) => {
                    if let Some(heard) = self.decode(&message) {
                        return heard;
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
                    return Heard::End { code, reason };
                }
                Some(Ok(_)) => {}
                Some(Err(tungstenite::Error::ConnectionClosed)) | None => {
                    return Heard::End { code: 1006, reason: String::new() };
                }
                Some(Err(error)) => return Heard::End { code: 1006, reason: error.to_string() },
            }
        }
    }

    fn decode(&mut self, message: &[u8]) -> Option<Heard> {
        let frame = match &self.style {
            Style::Native(_) => {
                assert!(message.len() <= 60 * 1024);
                self.parts.extend_from_slice(&message[1..]);
                if message[0] == 1 {
                    return None;
                }
                std::mem::take(&mut self.parts)
            }
            Style::Plain | Style::Hocuspocus(_) => message.to_vec(),
        };
        if matches!(self.style, Style::Hocuspocus(_)) && frame == [10] {
            return Some(Heard::Pong);
        }
        let mut reader = Reader(&frame);
        match &self.style {
            Style::Plain => {}
            Style::Native(name) | Style::Hocuspocus(name) => assert_eq!(&reader.text(), name),
        }
        let heard = self.decode_body(&mut reader);
        assert!(reader.0.is_empty(), "{heard:?} and {:?}", reader.0);
        Some(heard)
    }

    fn decode_body(&self, reader: &mut Reader<'_>) -> Heard {
        let is_hocuspocus = matches!(self.style, Style::Hocuspocus(_));
        match reader.number() {
            0 => match (reader.number(), reader.bytes()) {
                (0, bytes) => Heard::Step1(bytes),
                (1, bytes) => Heard::Step2(bytes),
                (2, bytes) => Heard::Update(bytes),
                other => panic!("sync {other:?}"),
            },
            1 => Heard::Awareness(reader.bytes()),
            2 if is_hocuspocus => match reader.number() {
                0 => Heard::TokenWanted,
                1 => Heard::PermissionDenied(reader.text()),
                2 => Heard::Authenticated(reader.text()),
                other => panic!("auth {other}"),
            },
            2 => {
                assert_eq!(reader.number(), 0);
                Heard::PermissionDenied(reader.text())
            }
            5 if is_hocuspocus => Heard::Stateless(reader.text()),
            7 if is_hocuspocus => Heard::Farewell(reader.text()),
            8 if is_hocuspocus => Heard::SyncStatus(reader.number()),
            101 => Heard::Opened { epoch: reader.number(), access: reader.number(), storage: reader.number() },
            102 => Heard::Ack(reader.number()),
            103 => {
                reader.bytes();
                reader.bytes();
                Heard::Durable
            }
            104 => {
                let storage = reader.number();
                reader.text();
                Heard::Storage(storage)
            }
            105 => {
                let (number, code) = (reader.number(), reader.number());
                reader.text();
                Heard::Refused { number, code }
            }
            107 => {
                let code = reader.number();
                reader.text();
                Heard::Closed(code)
            }
            108 => Heard::Access(reader.number()),
            other => panic!("type {other}"),
        }
    }
}

pub(crate) fn new_doc() -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() })
}

/// Longer than anything takes; nothing waits for it but a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
