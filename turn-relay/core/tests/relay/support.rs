//! A relay, a hand-driven clock, and clients that know how to sign.
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stoa_turn_relay_core::stun::attribute::{self, Family, read_xored};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message, TransactionId};
use stoa_turn_relay_core::*;

pub(crate) const REALM: &str = "stoa.test";
pub(crate) const SECRET: &[u8] = b"north";
/// Seconds since 1970 when a world begins.
pub(crate) const EPOCH: u64 = 1_800_000_000;

pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    /// Open sockets, by their tags.
    pub(crate) sockets: BTreeMap<SocketTag, (RelayId, SocketAddr)>,
    pub(crate) unbindable: Vec<u16>,
    next_tag: u32,
    next_transaction: u64,
}

/// What came of a client's message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Nothing,
    Answer(Vec<u8>),
    ToPeer { from: SocketAddr, peer: SocketAddr, payload: Vec<u8>, dont_fragment: bool },
    Hairpin { client: FiveTuple, bytes: Vec<u8> },
    ToMedia { to: SocketAddr, from: SocketAddr, payload: Vec<u8> },
    ToWorker { worker: usize, to: SocketAddr, from: SocketAddr, payload: Vec<u8> },
    Elsewhere(usize),
}

pub(crate) fn config() -> Config {
    let users = [("ada".to_owned(), "pass".to_owned()), ("bob".to_owned(), "word".to_owned())];
    let address = |ip: &str| RelayAddress { bind: ip.parse().unwrap(), external: ip.parse().unwrap() };
    Config {
        worker: 0,
        workers: 1,
        seed: [7; 32],
        clock: WallClock::new(Instant::now(), Duration::from_secs(EPOCH)),
        credentials: Credentials::new(REALM, users, vec![SECRET.to_vec(), b"south".to_vec()]),
        nonce_key: NonceKey { id: 1, secret: [8; 32] },
        previous_nonce_key: None,
        ticket_key: [9; 32],
        addresses: vec![address("192.0.2.10"), address("2001:db8::10")],
        ports: Ports::Range(50_000, 50_099),
        shared_ports: Arc::new(SharedPorts::new(2)),
        policy: PeerPolicy { own_services: vec!["192.0.2.10:3478".parse().unwrap()], ..PeerPolicy::default() },
        limits: Limits::default(),
        ledger: Arc::new(Ledger::new(7, Instant::now())),
        narrow_channels: false,
        tcp_allocations: true,
        mobility: true,
        discovery: None,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(mut config: Config) -> Self {
        let now = Instant::now();
        config.clock = WallClock::new(now, Duration::from_secs(EPOCH));
        Self {
            relay: Relay::new(config),
            now,
            events: vec![],
            sockets: BTreeMap::new(),
            unbindable: vec![],
            next_tag: 0,
            next_transaction: 0,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.relay.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.now);
            assert!(self.relay.poll_timeout().is_none_or(|next| next > self.now), "a timeout left its deadline behind");
            self.drain();
        }
        self.now = end;
    }

    /// Feeds a message and does as a driver would.
    pub(crate) fn send(&mut self, tuple: FiveTuple, bytes: &[u8]) -> Got {
        self.feed(tuple, bytes, Relay::handle_client)
    }

    /// The same with a message that another worker handed over.
    pub(crate) fn take_over(&mut self, tuple: FiveTuple, bytes: &[u8]) -> Got {
        self.feed(tuple, bytes, Relay::handle_handed_over)
    }

    fn feed(
        &mut self,
        tuple: FiveTuple,
        bytes: &[u8],
        handle: for<'a> fn(&'a mut Relay, FiveTuple, &[u8], Instant) -> FromClient<'a>,
    ) -> Got {
        let sockets = &self.sockets;
        let whole = |to: &ToClient, payload: &[u8]| [to.head.as_bytes(), payload, &vec![0; to.padding]].concat();
        let got = match handle(&mut self.relay, tuple, bytes, self.now) {
            FromClient::Nothing => Got::Nothing,
            FromClient::Answer(answer) => Got::Answer(answer.bytes.to_vec()),
            FromClient::ToPeer(to) => Got::ToPeer {
                from: sockets[&to.socket].1,
                peer: to.peer,
                payload: bytes[to.payload].to_vec(),
                dont_fragment: to.dont_fragment,
            },
            FromClient::Hairpin { to, payload } => {
                Got::Hairpin { client: to.client, bytes: whole(&to, &bytes[payload]) }
            }
            FromClient::ToWorker { worker, to, from, payload } => {
                Got::ToWorker { worker, to, from, payload: bytes[payload].to_vec() }
            }
            FromClient::ToMedia { to, from, payload } => Got::ToMedia { to, from, payload: bytes[payload].to_vec() },
            FromClient::Elsewhere { worker } => Got::Elsewhere(worker),
        };
        let later = self.drain();
        if got == Got::Nothing { later.map_or(Got::Nothing, Got::Answer) } else { got }
    }

    /// Fulfils all wishes; the last transmit, if any.
    pub(crate) fn drain(&mut self) -> Option<Vec<u8>> {
        while let Some(event) = self.relay.poll_event() {
            match event {
                Event::Bind { relay, address, .. } => {
                    let is_free = !self.unbindable.contains(&address.port())
                        && self.sockets.values().all(|(_, bound)| *bound != address);
                    let tag = SocketTag(self.next_tag);
                    self.next_tag += 1;
                    if is_free {
                        self.sockets.insert(tag, (relay, address));
                    }
                    self.relay.handle_bound(relay, is_free.then_some(tag), self.now);
                }
                Event::Unbind { socket } => {
                    assert!(self.sockets.remove(&socket).is_some(), "closed twice");
                }
                event @ (Event::Connect { .. }
                | Event::Splice { .. }
                | Event::Disconnect { .. }
                | Event::Ended { .. }) => self.events.push(event),
            }
        }
        std::iter::from_fn(|| self.relay.poll_transmit()).last().map(|transmit| transmit.bytes)
    }

    /// Feeds a datagram that arrives on a relayed address; what its client receives.
    pub(crate) fn arrive(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
        let relay = self.sockets.values().find(|(_, bound)| *bound == relayed)?.0;
        let to = self.relay.handle_peer_datagram(relay, peer, payload, self.now)?;
        Some([to.head.as_bytes(), payload, &vec![0; to.padding]].concat())
    }

    /// As [`Self::arrive`]; who receives it.
    pub(crate) fn receiver(&mut self, relayed: SocketAddr, peer: SocketAddr) -> Option<FiveTuple> {
        let relay = self.sockets.values().find(|(_, bound)| *bound == relayed)?.0;
        self.relay.handle_peer_datagram(relay, peer, b"x", self.now).map(|to| to.client)
    }

    pub(crate) fn transaction(&mut self) -> TransactionId {
        self.next_transaction += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next_transaction.to_be_bytes());
        TransactionId(id)
    }
}

/// A client with credentials, and the nonce that it was given last.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) integrity: Integrity,
    pub(crate) has_userhash: bool,
    pub(crate) nonce: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: &str, username: &str, password: &str) -> Self {
        let tuple = FiveTuple::new(Transport::Udp, address.parse().unwrap(), "192.0.2.10:3478".parse().unwrap());
        Self {
            tuple,
            username: username.into(),
            password: password.into(),
            algorithm: Algorithm::Md5,
            integrity: Integrity::Sha1,
            has_userhash: false,
            nonce: vec![],
        }
    }

    pub(crate) fn ada() -> Self {
        Self::new("198.18.0.1:4000", "ada", "pass")
    }

    pub(crate) fn bob() -> Self {
        Self::new("198.18.0.2:4000", "bob", "word")
    }

    pub(crate) fn key(&self) -> Key {
        let [username, realm, password] = [&self.username, REALM, &self.password].map(str::as_bytes);
        Key::long_term(self.algorithm, username, realm, password)
    }

    /// Appends credentials.
    pub(crate) fn sign(&self, request: Builder) -> Builder {
        let request = if self.has_userhash {
            request.attribute(attribute::USERHASH, &userhash(self.username.as_bytes(), REALM.as_bytes()))
        } else {
            request.attribute(attribute::USERNAME, self.username.as_bytes())
        };
        let mut request =
            request.attribute(attribute::REALM, REALM.as_bytes()).attribute(attribute::NONCE, &self.nonce);
        if self.algorithm == Algorithm::Sha256 {
            request = request
                .attribute(attribute::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0])
                .attribute(attribute::PASSWORD_ALGORITHM, &[0, 2, 0, 0]);
        }
        request.integrity(self.integrity, self.key().as_bytes())
    }

    /// Gets a nonce. The request is long enough for an answer that offers algorithms.
    pub(crate) fn greet(&mut self, world: &mut World) {
        let request = Builder::new(Class::Request, stun::ALLOCATE, world.transaction());
        let request = request.attribute(attribute::SOFTWARE, &[b'x'; 100]).finish();
        let Got::Answer(answer) = world.send(self.tuple, &request) else { panic!("no challenge") };
        let message = Message::parse(&answer).unwrap();
        self.nonce = message.first(attribute::NONCE).unwrap().to_vec();
    }

    /// Sends a signed request.
    pub(crate) fn ask(&mut self, world: &mut World, method: u16, build: impl FnOnce(Builder) -> Builder) -> Response {
        if self.nonce.is_empty() {
            self.greet(world);
        }
        let request = Builder::new(Class::Request, method, world.transaction());
        let bytes = self.sign(build(request)).finish();
        Response::of(world.send(self.tuple, &bytes))
    }

    pub(crate) fn allocate(&mut self, world: &mut World) -> Response {
        self.ask(world, stun::ALLOCATE, udp)
    }

    pub(crate) fn permit(&mut self, world: &mut World, peers: &[&str]) -> u16 {
        let peers: Vec<SocketAddr> = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        self.ask(world, stun::CREATE_PERMISSION, |request| {
            peers.iter().fold(request, |request, peer| request.xored(attribute::XOR_PEER_ADDRESS, *peer))
        })
        .code
    }

    pub(crate) fn bind(&mut self, world: &mut World, number: u16, peer: &str) -> u16 {
        let peer = peer.parse().unwrap();
        self.ask(world, stun::CHANNEL_BIND, |request| {
            request.number(attribute::CHANNEL_NUMBER, u32::from(number) << 16).xored(attribute::XOR_PEER_ADDRESS, peer)
        })
        .code
    }

    pub(crate) fn refresh(&mut self, world: &mut World, seconds: u32) -> Response {
        self.ask(world, stun::REFRESH, |request| request.number(attribute::LIFETIME, seconds))
    }

    /// A Send indication.
    pub(crate) fn indicate(&self, world: &mut World, peer: &str, payload: &[u8]) -> Got {
        let bytes = Builder::new(Class::Indication, stun::SEND, world.transaction())
            .xored(attribute::XOR_PEER_ADDRESS, peer.parse().unwrap())
            .attribute(attribute::DATA, payload)
            .finish();
        world.send(self.tuple, &bytes)
    }

    /// ChannelData.
    pub(crate) fn speak(&self, world: &mut World, number: u16, payload: &[u8]) -> Got {
        world.send(self.tuple, &channel_data(number, payload))
    }
}

pub(crate) fn udp(request: Builder) -> Builder {
    request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
}

pub(crate) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&number.to_be_bytes()[..], &length.to_be_bytes(), payload].concat()
}

/// An answer, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// 0 for success, else the error code; 1 when there was no answer, 2 when another worker shall answer.
    pub(crate) code: u16,
    pub(crate) attributes: BTreeMap<u16, Vec<u8>>,
    pub(crate) transaction: TransactionId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) relayed: Vec<SocketAddr>,
}

impl Response {
    pub(crate) fn of(got: Got) -> Self {
        let bytes = match got {
            Got::Answer(bytes) => bytes,
            Got::Nothing
            | Got::ToPeer { .. }
            | Got::Hairpin { .. }
            | Got::ToWorker { .. }
            | Got::ToMedia { .. }
            | Got::Elsewhere(_) => {
                let code = if matches!(got, Got::Elsewhere(_)) { 2 } else { 1 };
                let none = TransactionId([0; 12]);
                return Self { code, attributes: BTreeMap::new(), transaction: none, bytes: vec![], relayed: vec![] };
            }
        };
        let message = Message::parse(&bytes).unwrap();
        let code =
            message.first(attribute::ERROR_CODE).map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]));
        assert_eq!(message.class == Class::Error, code != 0);
        let transaction = message.transaction;
        let relayed = message
            .attributes()
            .filter(|(kind, _)| *kind == attribute::XOR_RELAYED_ADDRESS)
            .map(|(_, value)| read_xored(value, transaction).unwrap())
            .collect();
        let mut attributes = BTreeMap::new();
        for (kind, value) in message.attributes() {
            attributes.entry(kind).or_insert_with(|| value.to_vec());
        }
        Self { code, attributes, transaction, relayed, bytes: bytes.clone() }
    }

    pub(crate) fn relayed(&self, family: Family) -> SocketAddr {
        let is_meant = |address: &&SocketAddr| Family::of(address.ip()) == family;
        *self.relayed.iter().find(is_meant).unwrap()
    }

    pub(crate) fn number(&self, kind: u16) -> u32 {
        u32::from_be_bytes(self.attributes[&kind][..].try_into().unwrap())
    }
}
