//! A TURN client of the simplest kind.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::Value;
use stoa_turn_relay_core::stun::attribute::{self, read_xored};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message, TransactionId};
use stoa_turn_relay_core::{Algorithm, Frame, Key, next_frame};

/// How messages travel.
enum Wire {
    Udp(UdpSocket),
    Stream { stream: Box<dyn ReadWrite>, received: Vec<u8>, bytewise: bool },
}

pub(crate) trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

pub(crate) struct Turn {
    wire: Wire,
    pub(crate) username: String,
    password: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    last: u64,
    /// Payload that came while an answer was waited for.
    heard: VecDeque<(Option<SocketAddr>, Vec<u8>)>,
}

impl Turn {
    pub(crate) fn udp(server: SocketAddr, username: &str, password: &str) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
        // The port stays taken: whoever got it next would find this client's allocation there.
        std::mem::forget(socket.try_clone().unwrap());
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Udp(socket), username, password)
    }

    pub(crate) fn tcp(server: SocketAddr, username: &str, password: &str) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::stream(Box::new(stream), username, password)
    }

    pub(crate) fn stream(stream: Box<dyn ReadWrite>, username: &str, password: &str) -> Self {
        Self::over(Wire::Stream { stream, received: vec![], bytewise: false }, username, password)
    }

    /// From the entry of a `welcome`.
    pub(crate) fn of_session(server: SocketAddr, ice_server: &Value) -> Self {
        Self::udp(server, ice_server["username"].as_str().unwrap(), ice_server["credential"].as_str().unwrap())
    }

    fn over(wire: Wire, username: &str, password: &str) -> Self {
        let (username, password) = (username.to_owned(), password.to_owned());
        Self { wire, username, password, realm: vec![], nonce: vec![], last: 0, heard: VecDeque::new() }
    }

    /// Sends every byte of a stream by itself from here on.
    pub(crate) fn split_bytes(&mut self) {
        if let Wire::Stream { bytewise, .. } = &mut self.wire {
            *bytewise = true;
        }
    }

    pub(crate) fn send(&mut self, message: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => assert_eq!(socket.send(message).unwrap(), message.len()),
            Wire::Stream { stream, bytewise: true, .. } => {
                for byte in message {
                    stream.write_all(&[*byte]).unwrap();
                    stream.flush().unwrap();
                }
            }
            Wire::Stream { stream, .. } => stream.write_all(message).unwrap(),
        }
    }

    /// The next message; `None` when the connection was closed.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        match &mut self.wire {
            Wire::Udp(socket) => {
                let length = unbroken(|| socket.recv(&mut buffer)).expect("the server says nothing");
                Some(buffer[..length].to_vec())
            }
            Wire::Stream { stream, received, .. } => loop {
                if let Frame::Complete { message, taken } = next_frame(received).unwrap() {
                    let found = received[message].to_vec();
                    received.drain(..taken);
                    return Some(found);
                }
                match unbroken(|| stream.read(&mut buffer)) {
                    Ok(0) => return None,
                    Ok(length) => received.extend_from_slice(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the server says nothing"),
                    Err(_) => return None,
                }
            },
        }
    }

    /// Asks with credentials, for a fresh nonce if need be; the error code (0 for success), and the answer.
    pub(crate) fn ask(&mut self, method: u16, build: impl Fn(Builder) -> Builder) -> (u16, Vec<u8>) {
        for _ in 0..3 {
            let (code, answer) = self.try_ask(method, &build);
            let message = Message::parse(&answer).unwrap();
            let is_first = self.nonce.is_empty();
            if let Some(nonce) = message.first(attribute::NONCE) {
                self.nonce = nonce.to_vec();
                self.realm = message.first(attribute::REALM).unwrap().to_vec();
            }
            if !(code == 401 && is_first || code == 438) {
                return (code, answer);
            }
        }
        panic!("challenged over and over");
    }

    fn try_ask(&mut self, method: u16, build: impl Fn(Builder) -> Builder) -> (u16, Vec<u8>) {
        self.last += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.last.to_be_bytes());
        let request = build(Builder::new(Class::Request, method, TransactionId(id)));
        let request = if self.nonce.is_empty() {
            request
        } else {
            let (username, password) = (self.username.as_bytes(), self.password.as_bytes());
            let key = Key::long_term(Algorithm::Md5, username, &self.realm, password);
            request
                .attribute(attribute::USERNAME, username)
                .attribute(attribute::REALM, &self.realm)
                .attribute(attribute::NONCE, &self.nonce)
                .integrity(Integrity::Sha1, key.as_bytes())
        };
        self.send(&request.finish());
        loop {
            let answer = self.receive().expect("closed instead of an answer");
            match Message::parse(&answer) {
                Ok(message) if message.transaction == TransactionId(id) => {
                    let code = message.first(attribute::ERROR_CODE);
                    let code = code.map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]));
                    return (code, answer);
                }
                _ => self.heard.push_back(payload_of(&answer)),
            }
        }
    }

    /// The relayed address, or the error code.
    pub(crate) fn try_allocate(&mut self) -> Result<SocketAddr, u16> {
        let (code, answer) =
            self.ask(stun::ALLOCATE, |request| request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]));
        if code == 0 { Ok(relayed_in(&answer)) } else { Err(code) }
    }

    pub(crate) fn allocate(&mut self) -> SocketAddr {
        self.try_allocate().unwrap()
    }

    pub(crate) fn refresh(&mut self, seconds: u32) -> u16 {
        self.ask(stun::REFRESH, |request| request.number(attribute::LIFETIME, seconds)).0
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> u16 {
        self.ask(stun::CREATE_PERMISSION, |request| request.xored(attribute::XOR_PEER_ADDRESS, peer)).0
    }

    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr) -> u16 {
        let build = |request: Builder| {
            let request = request.number(attribute::CHANNEL_NUMBER, u32::from(number) << 16);
            request.xored(attribute::XOR_PEER_ADDRESS, peer)
        };
        self.ask(stun::CHANNEL_BIND, build).0
    }

    /// A Send indication.
    pub(crate) fn say_to(&mut self, peer: SocketAddr, payload: &[u8]) {
        let indication = Builder::new(Class::Indication, stun::SEND, TransactionId([9; 12]))
            .xored(attribute::XOR_PEER_ADDRESS, peer)
            .attribute(attribute::DATA, payload)
            .finish();
        self.send(&indication);
    }

    /// ChannelData.
    pub(crate) fn say(&mut self, number: u16, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut message = [&number.to_be_bytes()[..], &length.to_be_bytes(), payload].concat();
        if matches!(self.wire, Wire::Stream { .. }) {
            message.resize(message.len().next_multiple_of(4), 0);
        }
        self.send(&message);
    }

    /// The next payload, with its peer unless it came by a channel.
    pub(crate) fn hear(&mut self) -> (Option<SocketAddr>, Vec<u8>) {
        self.heard.pop_front().unwrap_or_else(|| payload_of(&self.receive().expect("closed instead of payload")))
    }
}

fn relayed_in(answer: &[u8]) -> SocketAddr {
    let message = Message::parse(answer).unwrap();
    read_xored(message.first(attribute::XOR_RELAYED_ADDRESS).unwrap(), message.transaction).unwrap()
}

fn payload_of(message: &[u8]) -> (Option<SocketAddr>, Vec<u8>) {
    let Ok(indication) = Message::parse(message) else {
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        return (None, message[4..4 + length].to_vec());
    };
    assert_eq!((indication.class, indication.method), (Class::Indication, stun::DATA));
    let peer = read_xored(indication.first(attribute::XOR_PEER_ADDRESS).unwrap(), indication.transaction);
    (peer, indication.first(attribute::DATA).unwrap().to_vec())
}

/// Tries again where the call ended because the whole process was stopped for a while: with a time limit on the socket the kernel does not
/// do so by itself.
fn unbroken(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A bound on a broken test, not a measurement.
const PATIENCE: Duration = Duration::from_secs(30);
