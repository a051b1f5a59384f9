//! A follower of one document that speaks the native dialect of `crdt-sync/PROTOCOL.md`, written from that page alone.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use yrs::block::ClientID;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, Update};

use crate::server::Server;

/// What the server says about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Step1(Vec<u8>),
    Step2(Vec<u8>),
    Update(Vec<u8>),
    Opened {
        epoch: u64,
        access: u64,
        storage: u64,
    },
    Ack(u64),
    Storage(u64, String),
    Refused {
        number: u64,
        code: u64,
        message: String,
    },
    Closed {
        code: u64,
        message: String,
    },
    /// Awareness, notices, rights.
    Other(u64),
    /// The socket ended.
    Gone(Option<u16>),
}

pub(crate) struct Follower {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    name: String,
    parts: Vec<u8>,
    pub(crate) doc: Doc,
    text: TextRef,
    pub(crate) epoch: u64,
    pub(crate) acked: u64,
    /// What was sent, in order: the first `acked` are on disk.
    pub(crate) sent: Vec<Vec<u8>>,
}

impl Follower {
    /// Connects and gets everything; `client` is the Yjs client id.
    pub(crate) async fn open(server: &Server, name: &str, client: u64) -> Self {
        let mut follower = Self::connect(request(server, name), name, client).await;
        follower.say(OPEN, &[&[1], &[0]]).await;
        let Said::Opened { epoch, .. } = follower.hear(|said| matches!(said, Said::Opened { .. })).await else {
            unreachable!("waited for it");
        };
        follower.epoch = epoch;
        follower.synchronise().await;
        follower
    }

    /// Connects and says nothing yet.
    pub(crate) async fn connect(request: Request, name: &str, client: u64) -> Self {
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "stoa.v1.docs");
        Self::over(socket, name, client)
    }

    pub(crate) fn over(socket: WebSocketStream<MaybeTlsStream<TcpStream>>, name: &str, client: u64) -> Self {
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(client),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        });
        let text = doc.get_or_insert_text("note");
        let (parts, sent) = (Vec::new(), Vec::new());
        Self { socket, name: name.to_owned(), parts, doc, text, epoch: 0, acked: 0, sent }
    }

    /// Asks for what is missing, and waits for it.
    pub(crate) async fn synchronise(&mut self) {
        let vector = self.doc.transact().state_vector().encode_v1();
        self.say(SYNC, &[&[0], &bytes(&vector)]).await;
        self.hear(|said| matches!(said, Said::Step2(_))).await;
    }

    /// Writes at the end of the text, and tells the server.
    pub(crate) async fn write(&mut self, text: &str) {
        let update = {
            let mut transaction = self.doc.transact_mut();
            self.text.push(&mut transaction, text);
            transaction.encode_update_v1()
        };
        self.send_update(update).await;
    }

    /// Removes the first unit of the text, and tells the server.
    pub(crate) async fn remove_first(&mut self) {
        let update = {
            let mut transaction = self.doc.transact_mut();
            self.text.remove_range(&mut transaction, 0, 1);
            transaction.encode_update_v1()
        };
        self.send_update(update).await;
    }

    pub(crate) async fn send_update(&mut self, update: Vec<u8>) {
        self.say(SYNC, &[&[2], &bytes(&update)]).await;
        self.sent.push(update);
    }

    /// Waits until everything that was sent is on disk.
    pub(crate) async fn saved(&mut self) {
        while self.acked < self.sent.len() as u64 {
            self.next().await;
        }
    }

    pub(crate) fn content(&self) -> String {
        use yrs::GetString;
        self.text.get_string(&self.doc.transact())
    }

    /// The whole state, structs and deletes.
    pub(crate) fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    /// Waits until the text is this.
    pub(crate) async fn reads(&mut self, expected: &str) {
        while self.content() != expected {
            self.next().await;
        }
    }

    /// Waits for something, following the document meanwhile.
    pub(crate) async fn hear(&mut self, wanted: impl Fn(&Said) -> bool) -> Said {
        loop {
            let said = self.next().await;
            if wanted(&said) {
                return said;
            }
            assert!(!matches!(said, Said::Gone(_)), "{said:?}");
        }
    }

    /// The next thing that the server says; updates are taken in, and questions answered.
    pub(crate) async fn next(&mut self) -> Said {
        let frame = loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the server says nothing") {
                Some(Ok(Message::Binary(message))) => {
                    self.parts.extend_from_slice(&message[1..]);
                    if message[0] != 1 {
                        break std::mem::take(&mut self.parts);
                    }
                }
                Some(Ok(Message::Close(frame))) => return Said::Gone(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Said::Gone(None),
            }
        };
        let said = self.read(&frame);
        match &said {
            Said::Step2(update) | Said::Update(update) => {
                self.doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
            }
            Said::Step1(vector) => {
                let vector = StateVector::decode_v1(vector).unwrap();
                let update = self.doc.transact().encode_state_as_update_v1(&vector);
                self.say(SYNC, &[&[1], &bytes(&update)]).await;
                self.sent.push(update);
            }
            Said::Ack(count) => self.acked = *count,
            Said::Opened { .. } | Said::Storage(..) | Said::Refused { .. } | Said::Closed { .. } => {}
            Said::Other(_) | Said::Gone(_) => {}
        }
        said
    }

    fn read(&self, frame: &[u8]) -> Said {
        let mut reader = Reader(frame);
        assert_eq!(reader.text(), self.name);
        match reader.number() {
            SYNC => match reader.number() {
                0 => Said::Step1(reader.bytes()),
                1 => Said::Step2(reader.bytes()),
                2 => Said::Update(reader.bytes()),
                other => panic!("sync message {other}"),
            },
            101 => Said::Opened { epoch: reader.number(), access: reader.number(), storage: reader.number() },
            102 => Said::Ack(reader.number()),
            104 => Said::Storage(reader.number(), reader.text()),
            105 => Said::Refused { number: reader.number(), code: reader.number(), message: reader.text() },
            107 => Said::Closed { code: reader.number(), message: reader.text() },
            other => Said::Other(other),
        }
    }

    pub(crate) async fn say(&mut self, kind: u64, fields: &[&[u8]]) {
        let mut frame = bytes(self.name.as_bytes());
        frame.extend(number(kind));
        for field in fields {
            frame.extend_from_slice(field);
        }
        let parts = frame.chunks(PART_BYTES).count();
        for (index, part) in frame.chunks(PART_BYTES).enumerate() {
            let mark = if parts == 1 {
                0
            } else if index + 1 < parts {
                1
            } else {
                2
            };
            let message = [&[mark], part].concat();
            // The server may have ended while this was under way; what it said is read next.
            let _ = self.socket.send(Message::binary(message)).await;
        }
    }
}

/// `/yjs/{doc}` with the native dialect.
pub(crate) fn request(server: &Server, name: &str) -> Request {
    let mut request = format!("ws://{}/yjs/{name}", server.http).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "stoa.v1.docs".parse().unwrap());
    request
}

/// lib0's numbers.
pub(crate) fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f).to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// lib0's byte arrays.
pub(crate) fn bytes(content: &[u8]) -> Vec<u8> {
    [&number(content.len() as u64), content].concat()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.0[0];
            self.0 = &self.0[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.number()).unwrap();
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

pub(crate) const SYNC: u64 = 0;
pub(crate) const OPEN: u64 = 100;
const PART_BYTES: usize = 60 * 1024 - 1;
/// A bound on a broken test, not a measurement.
const PATIENCE: Duration = Duration::from_secs(30);
