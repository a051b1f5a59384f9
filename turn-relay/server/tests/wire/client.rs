//! A relay on loopback, and a client of the simplest kind.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use stoa_base_net::{Features, Group, Handler};
use stoa_turn_relay_core::stun::attribute::{self, read_xored};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message, TransactionId};
use stoa_turn_relay_core::{Algorithm, Frame, Key, Limits, PeerPolicy, Ports, RelayAddress, next_frame};
use stoa_turn_relay_server::{Config, Door, Relay, RelayControl};
use tokio::runtime::Runtime;

/// A relay with one UDP address and one TCP door.
pub(crate) struct World {
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) control: RelayControl,
    group: Option<Group>,
    _runtime: Runtime,
}

/// How to start one.
pub(crate) struct Options {
    pub(crate) workers: usize,
    pub(crate) ports: Ports,
    pub(crate) limits: Limits,
    /// Makes the handlers beside the relay's.
    pub(crate) others: fn() -> Vec<Box<dyn Handler>>,
}

impl Options {
    /// One worker, and ports that no other test of this file has.
    pub(crate) fn with_ports(first: u16) -> Self {
        Self::with(Ports::Range(first, first + 99))
    }

    pub(crate) fn with(ports: Ports) -> Self {
        Self { workers: 1, ports, limits: Limits::default(), others: Vec::new }
    }
}

impl World {
    pub(crate) fn start(options: Options) -> Self {
        let Options { workers, ports, limits, others } = options;
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let relay = Relay::new(Config {
            workers,
            realm: "stoa".into(),
            users: BTreeMap::from([("ada".into(), "pass".into()), ("bob".into(), "word".into())]),
            secret: b"north".to_vec(),
            addresses: vec![RelayAddress { bind: loopback, external: loopback }],
            ports,
            policy: PeerPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..PeerPolicy::default() },
            limits,
            discovery: None,
        });
        let handler = relay.handlers();
        let make =
            move |worker| -> Vec<Box<dyn Handler>> { std::iter::once(handler(worker)).chain(others()).collect() };
        let group = Group::start_with(&[SocketAddr::new(loopback, 0)], workers, Features::ALL, make).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let entered = runtime.enter();
        let door = Door::bind(SocketAddr::new(loopback, 0), None).unwrap();
        let (udp, tcp) = (group.addresses()[0], door.listener.local_addr().unwrap());
        let control = relay.start(group.mailbox(0), vec![door]);
        control.add_own_services(&[udp, tcp]).unwrap();
        control.add_media(&[udp]).unwrap();
        drop(entered);
        // Until then a worker may not know yet what is ours and what is behind it.
        runtime.block_on(control.settled()).unwrap();
        Self { udp, tcp, control, group: Some(group), _runtime: runtime }
    }

    pub(crate) fn report(&self) -> Vec<stoa_turn_relay_server::Report> {
        self._runtime.block_on(self.control.report()).unwrap()
    }

    /// Client and relayed address of an allocation over TCP for TCP.
    pub(crate) fn tcp_allocation(&self, user: &str) -> (Client, SocketAddr) {
        let mut client = Client::tcp(self.tcp, user);
        let relayed = client.allocate(6).unwrap();
        (client, relayed)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            group.stop();
        }
    }
}

enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, received: Vec<u8> },
}

pub(crate) struct Client {
    wire: Wire,
    user: &'static str,
    password: &'static str,
    nonce: Vec<u8>,
    last: u64,
    /// Messages that came while an answer was waited for.
    heard: Vec<Vec<u8>>,
}

impl Client {
    pub(crate) fn udp(server: SocketAddr, user: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The port stays taken: whoever got it next would find this client's allocation there.
        std::mem::forget(socket.try_clone().unwrap());
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Udp(socket), user)
    }

    pub(crate) fn tcp(server: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Tcp { stream, received: vec![] }, user)
    }

    fn over(wire: Wire, user: &str) -> Self {
        let (user, password) = if user == "ada" { ("ada", "pass") } else { ("bob", "word") };
        Self { wire, user, password, nonce: vec![], last: 0, heard: vec![] }
    }

    pub(crate) fn send(&mut self, message: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => assert_eq!(socket.send(message).unwrap(), message.len()),
            Wire::Tcp { stream, .. } => stream.write_all(message).unwrap(),
        }
    }

    /// The next message; `None` when the connection was closed.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        match &mut self.wire {
            Wire::Udp(socket) => {
                let length = unbroken(|| socket.recv(&mut buffer)).expect("the relay says nothing");
                Some(buffer[..length].to_vec())
            }
            Wire::Tcp { stream, received } => loop {
                if let Frame::Complete { message, taken } = next_frame(received).unwrap() {
                    let found = received[message].to_vec();
                    received.drain(..taken);
                    return Some(found);
                }
                match unbroken(|| stream.read(&mut buffer)).expect("the relay says nothing") {
                    0 => return None,
                    length => received.extend_from_slice(&buffer[..length]),
                }
            },
        }
    }

    /// A message that was not asked for.
    pub(crate) fn hear(&mut self) -> Vec<u8> {
        if self.heard.is_empty() { self.receive().expect("closed") } else { self.heard.remove(0) }
    }

    /// Asks with credentials, for a nonce if need be; the error code (0 for success), and the answer.
    pub(crate) fn ask(&mut self, method: u16, build: impl Fn(Builder) -> Builder) -> (u16, Vec<u8>) {
        for _ in 0..2 {
            self.last += 1;
            let mut id = [0; 12];
            id[4..].copy_from_slice(&self.last.to_be_bytes());
            let mut request = build(Builder::new(Class::Request, method, TransactionId(id)));
            let key = Key::long_term(Algorithm::Md5, self.user.as_bytes(), b"stoa", self.password.as_bytes());
            if !self.nonce.is_empty() {
                request = request
                    .attribute(attribute::USERNAME, self.user.as_bytes())
                    .attribute(attribute::REALM, b"stoa")
                    .attribute(attribute::NONCE, &self.nonce)
                    .integrity(Integrity::Sha1, key.as_bytes());
            }
            self.send(&request.finish());
            let answer = loop {
                let message = self.receive().expect("closed instead of an answer");
                match Message::parse(&message) {
                    Ok(answer) if answer.transaction == TransactionId(id) => break message,
                    _ => self.heard.push(message),
                }
            };
            let message = Message::parse(&answer).unwrap();
            let code = message.first(attribute::ERROR_CODE);
            let code = code.map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]));
            if code == 401 && self.nonce.is_empty() {
                self.nonce = message.first(attribute::NONCE).unwrap().to_vec();
                continue;
            }
            return (code, answer);
        }
        panic!("challenged over and over");
    }

    /// The relayed address for UDP (17) or TCP (6), or the error code.
    pub(crate) fn allocate(&mut self, protocol: u8) -> Result<SocketAddr, u16> {
        let build = |request: Builder| request.attribute(attribute::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0]);
        let (code, answer) = self.ask(stun::ALLOCATE, build);
        if code != 0 {
            return Err(code);
        }
        Ok(relayed_in(&answer))
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

    /// ChannelData.
    pub(crate) fn say(&mut self, number: u16, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        self.send(&[&number.to_be_bytes()[..], &length.to_be_bytes(), payload].concat());
    }

    /// Asks for a connection to a peer; its id or the error code.
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> Result<u32, u16> {
        let (code, answer) = self.ask(stun::CONNECT, |request| request.xored(attribute::XOR_PEER_ADDRESS, peer));
        if code == 0 { Ok(connection_id(&answer)) } else { Err(code) }
    }

    /// Asks for this connection to become that of a peer; the error code.
    pub(crate) fn bring(&mut self, id: u32) -> u16 {
        self.ask(stun::CONNECTION_BIND, |request| request.number(attribute::CONNECTION_ID, id)).0
    }

    /// The connection itself, for plain payload, and what was read of it already.
    pub(crate) fn into_stream(self) -> (TcpStream, Vec<u8>) {
        match self.wire {
            Wire::Tcp { stream, received } => (stream, received),
            Wire::Udp(_) => panic!("no stream"),
        }
    }
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

fn relayed_in(answer: &[u8]) -> SocketAddr {
    let message = Message::parse(answer).unwrap();
    read_xored(message.first(attribute::XOR_RELAYED_ADDRESS).unwrap(), message.transaction).unwrap()
}

pub(crate) fn connection_id(message: &[u8]) -> u32 {
    let message = Message::parse(message).unwrap();
    u32::from_be_bytes(message.first(attribute::CONNECTION_ID).unwrap().try_into().unwrap())
}

/// A bound on a broken test, not a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
