//! In steady state no relayed datagram costs a heap allocation.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(unsafe_code, reason = "an allocator is unsafe by nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stoa_base_net::{Context, Datagram, Features, Group, Handler, IcmpError, Passed};
use stoa_turn_relay_core::stun::attribute::{self, read_xored};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message, TransactionId};
use stoa_turn_relay_core::{Algorithm, Key, Limits, PeerPolicy, Ports, Quota, RelayAddress};
use stoa_turn_relay_server::{Config, Relay};

/// Counts what the workers' threads allocate.
struct Counting;

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_WORKER.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Makes its thread known to the counter.
struct Marked(Box<dyn Handler>);

impl Handler for Marked {
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool {
        IS_WORKER.set(true);
        self.0.claims(datagram, from)
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        self.0.handle_datagram(context, datagram);
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        self.0.handle_passed(context, passed);
    }

    fn handle_icmp(&mut self, context: &mut Context<'_>, error: IcmpError) {
        self.0.handle_icmp(context, error);
    }

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn Any + Send>) {
        self.0.handle_mail(context, mail);
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>) {
        self.0.handle_timeout(context);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}

/// A client with an allocation.
struct Client {
    socket: UdpSocket,
    relayed: SocketAddr,
    nonce: Vec<u8>,
    last: u8,
}

impl Client {
    fn new(server: SocketAddr) -> Self {
        let relayed = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut client = Self { socket: socket(), relayed, nonce: vec![], last: 0 };
        client.socket.connect(server).unwrap();
        let udp = |request: Builder| request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let challenge = client.ask(stun::ALLOCATE, udp);
        client.nonce = Message::parse(&challenge).unwrap().first(attribute::NONCE).unwrap().to_vec();
        let answer = client.ask(stun::ALLOCATE, udp);
        let message = Message::parse(&answer).unwrap();
        let relayed = message.first(attribute::XOR_RELAYED_ADDRESS).unwrap();
        client.relayed = read_xored(relayed, message.transaction).unwrap();
        client
    }

    fn ask(&mut self, method: u16, build: impl Fn(Builder) -> Builder) -> Vec<u8> {
        self.last += 1;
        let mut request = build(Builder::new(Class::Request, method, TransactionId([self.last; 12])));
        if !self.nonce.is_empty() {
            let key = Key::long_term(Algorithm::Md5, b"ada", b"stoa", b"pass");
            request = request
                .attribute(attribute::USERNAME, b"ada")
                .attribute(attribute::REALM, b"stoa")
                .attribute(attribute::NONCE, &self.nonce)
                .integrity(Integrity::Sha1, key.as_bytes());
        }
        self.socket.send(&request.finish()).unwrap();
        let mut buffer = [0; 1500];
        let length = self.socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    fn bind(&mut self, peer: SocketAddr) {
        let answer = self.ask(stun::CHANNEL_BIND, |request| {
            request.number(attribute::CHANNEL_NUMBER, 0x4000 << 16).xored(attribute::XOR_PEER_ADDRESS, peer)
        });
        assert_eq!(Message::parse(&answer).unwrap().class, Class::Success);
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

fn group(workers: usize) -> Group {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let relay = Relay::new(Config {
        workers,
        realm: "stoa".into(),
        users: BTreeMap::from([("ada".into(), "pass".into())]),
        secret: b"north".to_vec(),
        addresses: vec![RelayAddress { bind: loopback, external: loopback }],
        ports: Ports::Range(26_000, 26_999),
        policy: PeerPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..PeerPolicy::default() },
        limits: Limits { allocation: Quota::default(), ..Limits::default() },
        discovery: None,
    });
    let handler = relay.handlers();
    let make = move |worker| -> Vec<Box<dyn Handler>> { vec![Box::new(Marked(handler(worker)))] };
    Group::start_with(&["127.0.0.1:0".parse().unwrap()], workers, Features::ALL, make).unwrap()
}

/// From the first to the second and back, both ways by channels.
fn round(clients: &[(Client, Client)], outside: &UdpSocket, to_outside: &Client) {
    let mut buffer = [0; 1500];
    let message = [&[0x40, 0, 0, 200][..], &[7; 200]].concat();
    for (ada, bob) in clients {
        ada.socket.send(&message).unwrap();
        assert_eq!(bob.socket.recv(&mut buffer).unwrap(), 204);
        bob.socket.send(&message).unwrap();
        assert_eq!(ada.socket.recv(&mut buffer).unwrap(), 204);
    }
    to_outside.socket.send(&message).unwrap();
    let (length, from) = outside.recv_from(&mut buffer).unwrap();
    assert_eq!((length, from), (200, to_outside.relayed));
    outside.send_to(&buffer[..length], from).unwrap();
    assert_eq!(to_outside.socket.recv(&mut buffer).unwrap(), 204);
}

#[test]
fn relaying_allocates_nothing() {
    for workers in [1, 2] {
        let group = group(workers);
        let server = group.addresses()[0];
        let pair = |_| {
            let (mut ada, mut bob) = (Client::new(server), Client::new(server));
            ada.bind(bob.relayed);
            bob.bind(ada.relayed);
            (ada, bob)
        };
        let pairs: Vec<_> = (0..6).map(pair).collect();
        let (outside, mut client) = (socket(), Client::new(server));
        client.bind(outside.local_addr().unwrap());
        for _ in 0..100 {
            round(&pairs, &outside, &client);
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        assert!(before > 0, "the counter counts");
        for _ in 0..1000 {
            round(&pairs, &outside, &client);
        }
        let after = ALLOCATIONS.load(Ordering::Relaxed);
        // The counters are shown once a second, and a buffer may find its size late; 14,000 datagrams must not show.
        assert!(after - before < 300, "{} allocations, {workers} workers", after - before);
        group.stop();
    }
}
