//! The relay in the real binary: credentials, both ways of payload, streams, revocation, administration, and bad input.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stoa_turn_relay_core::stun::{
    ALLOCATE, BINDING, Builder, CONNECT, CONNECTION_BIND, Class, Message, TransactionId, attribute,
};
use stoa_turn_relay_core::{rest_password, userhash};
use tempfile::TempDir;

use crate::client::{Client, Heard};
use crate::relay_client::Turn;
use crate::server::Server;

/// A relay with a user, ports, and peers on this host.
pub(crate) fn relay(adjust: impl FnOnce(&mut Command)) -> (Server, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stoa.toml");
    fs::write(&file, "[relay]\nusers = { ada = \"pass\", bob = \"word\" }\n").unwrap();
    let server = Server::start_with(|command| {
        command.arg("--config").arg(&file);
        command.env("STOA_RELAY_PORT_RANGE", "[20000, 20999]").env("STOA_RELAY_ALLOW_PEERS", "127.0.0.0/8");
        command.env("STOA_ADMIN_TOKEN", ADMIN).env("STOA_RELAY_SECRET", "north");
        adjust(command);
    });
    (server, folder)
}

const ADMIN: &str = "an administrator's token";

/// On an address where nothing of ours listens: our own ports may be no peer's.
fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.2:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    peer
}

/// Payload both ways between a client and a peer outside, in indications and on a channel.
#[track_caller]
pub(crate) fn exchange(client: &mut Turn) {
    let (peer, mut buffer) = (peer(), [0; 1500]);
    let address = peer.local_addr().unwrap();
    let relayed = client.allocate();
    assert_eq!(client.permit(address), 0);
    client.say_to(address, b"hello");
    let (length, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"hello"[..], relayed));
    peer.send_to(b"hi", relayed).unwrap();
    assert_eq!(client.hear(), (Some(address), b"hi".to_vec()));
    assert_eq!(client.bind(0x4000, address), 0);
    client.say(0x4000, b"odd");
    let (length, _) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"odd");
    peer.send_to(b"", relayed).unwrap();
    assert_eq!(client.hear(), (None, vec![]));
    peer.send_to(&[7; 1201], relayed).unwrap();
    assert_eq!(client.hear(), (None, vec![7; 1201]));
}

#[test]
fn payload_goes_both_ways_between_a_client_and_a_peer() {
    for workers in ["1", "2"] {
        let (server, _folder) = relay(|command| {
            command.env("STOA_UDP_WORKERS", workers);
        });
        for _ in 0..6 {
            exchange(&mut Turn::udp(server.udp, "ada", "pass"));
        }
    }
}

#[test]
fn the_relay_listens_everywhere_and_answers_from_where_it_was_asked() {
    let server = Server::start_on("0.0.0.0:0", |command| {
        command.env("STOA_RELAY_SECRET", "north");
    });
    let there = SocketAddr::from(([127, 0, 0, 1], server.udp.port()));
    let username = format!("{}:ada", u32::MAX);
    let mut client = Turn::udp(there, &username, &rest_password(b"north", username.as_bytes()));
    assert_eq!(client.allocate().ip(), there.ip(), "the address that the client reached");
}

#[tokio::test]
async fn two_sessions_reach_each_other_by_the_one_port() {
    for workers in ["1", "2"] {
        let server = Server::start_with(|command| {
            command.env("STOA_UDP_WORKERS", workers);
        });
        let (_ada, welcome) = Client::enter(&server, "agora", "Ada").await;
        let (_bob, bobs) = Client::enter(&server, "agora", "Bob").await;
        let turn = welcome["ice_servers"][1].clone();
        assert_eq!(turn["urls"][0], format!("turn:127.0.0.1:{}?transport=udp", server.udp.port()));
        assert!(turn["username"].as_str().unwrap().ends_with(&format!(":{}", welcome["session"].as_str().unwrap())));
        let udp = server.udp;
        let talk = move || {
            // Each pair has other ports, so that with two workers some are on the same and some are not.
            for _ in 0..8 {
                let mut ada = Turn::of_session(udp, &turn);
                let mut bob = Turn::of_session(udp, &bobs["ice_servers"][1]);
                let (hers, his) = (ada.allocate(), bob.allocate());
                assert_eq!((ada.permit(his), bob.bind(0x4001, hers)), (0, 0));
                ada.say_to(his, b"hello");
                assert_eq!(bob.hear(), (None, b"hello".to_vec()));
                bob.say(0x4001, b"hi");
                assert_eq!(ada.hear(), (Some(his), b"hi".to_vec()));
                // There are no sockets, so nobody else can be meant.
                assert_eq!(ada.permit("8.8.8.8:53".parse().unwrap()), 403);
            }
        };
        tokio::task::spawn_blocking(talk).await.unwrap();
    }
}

#[test]
fn what_is_not_public_is_denied_and_our_own_ports_always_are() {
    let denied = |server: &Server, peer: &str| {
        let mut client = Turn::udp(server.udp, "ada", "pass");
        client.allocate();
        client.bind(0x4000, peer.parse().unwrap()) == 403
    };
    let (closed, _folder) = relay(|command| {
        command.env("STOA_RELAY_ALLOW_PEERS", "10.1.0.0/16").env("STOA_RELAY_DENY_PEERS", "8.8.8.0/24");
    });
    let peers =
        ["127.0.0.2:9", "10.2.0.1:9", "169.254.169.254:80", "192.168.0.1:1", "0.0.0.0:9", "8.8.8.8:53", "9.9.9.9:0"];
    for peer in peers {
        assert!(denied(&closed, peer), "{peer}");
    }
    for peer in ["10.1.2.3:9", "9.9.9.9:9", "172.32.0.0:1"] {
        assert!(!denied(&closed, peer), "{peer}");
    }
    // The address that relayed addresses have may be a peer, but nothing else of it is reached.
    let mut client = Turn::udp(closed.udp, "ada", "pass");
    client.allocate();
    assert_eq!(client.bind(0x4000, "127.0.0.1:9".parse().unwrap()), 0);
    client.say(0x4000, b"hello");
    until(|| stories(&closed).to_string().contains("[\"peer_denied\",1]"));
    let (open, _folder) = relay(|_| {});
    assert!(!denied(&open, "127.0.0.1:9"));
    assert!(denied(&open, &open.http.to_string()));
    // Media is behind our own UDP address, and nothing else is to be reached there: least of all the relay itself.
    let (mut client, outside) = (Turn::udp(open.udp, "ada", "pass"), peer());
    client.allocate();
    assert_eq!((client.bind(0x4000, open.udp), client.bind(0x4001, outside.local_addr().unwrap())), (0, 0));
    client.say(0x4000, &Builder::new(Class::Request, BINDING, TransactionId([1; 12])).finish());
    client.say(0x4001, b"after it");
    let (_, relayed) = outside.recv_from(&mut [0; 100]).unwrap();
    outside.send_to(b"and back", relayed).unwrap();
    assert_eq!(client.hear(), (None, b"and back".to_vec()));
}

#[test]
fn connections_are_relayed_like_datagrams() {
    let (server, _folder) = relay(|command| {
        command.env("STOA_RELAY_TCP_LISTEN", "127.0.0.1:0").env("STOA_UDP_WORKERS", "2");
    });
    let door = tcp_of(&server);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let mut control = Turn::tcp(door, "ada", "pass");
    let tcp = |request: Builder| request.attribute(attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    assert_eq!(control.ask(ALLOCATE, tcp).0, 0);
    let peer = listener.local_addr().unwrap();
    let (code, answer) = control.ask(CONNECT, |request| request.xored(attribute::XOR_PEER_ADDRESS, peer));
    assert_eq!(code, 0);
    let id = Message::parse(&answer).unwrap().first(attribute::CONNECTION_ID).unwrap().to_vec();
    let mut peer = listener.accept().unwrap().0;
    let mut data = Turn::tcp(door, "ada", "pass");
    assert_eq!(data.ask(CONNECTION_BIND, |request| request.attribute(attribute::CONNECTION_ID, &id)).0, 0);
    data.send(b"plain payload");
    let mut heard = [0; 13];
    peer.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"plain payload");
    drop(data);
    assert_eq!(peer.read(&mut heard).unwrap(), 0);
}

pub(crate) fn tcp_of(server: &Server) -> SocketAddr {
    door_in(&post(server, "/v1/turn-credentials", Some(ADMIN), "").1, "turn:")
}

/// The address for connections among those that come with credentials.
fn door_in(made: &Value, scheme: &str) -> SocketAddr {
    let uris: Vec<String> = serde_json::from_value(made["uris"].clone()).unwrap();
    let address = |uri: &String| uri.strip_prefix(scheme)?.strip_suffix("?transport=tcp")?.parse().ok();
    uris.iter().find_map(address).unwrap()
}

#[test]
fn streams_are_served_however_they_are_cut() {
    let (server, _folder) = relay(|command| {
        command.env("STOA_RELAY_TCP_LISTEN", "127.0.0.1:0");
    });
    let door = tcp_of(&server);
    assert_ne!(door.port(), server.udp.port());
    exchange(&mut Turn::tcp(door, "ada", "pass"));
    let mut slow = Turn::tcp(door, "bob", "word");
    slow.split_bytes();
    exchange(&mut slow);
    // The allocation ends with its connection, and so does its port's permission to be a peer.
    let (mut ada, mut bob) = (Turn::tcp(door, "ada", "pass"), Turn::udp(server.udp, "bob", "word"));
    let (hers, his) = (ada.allocate(), bob.allocate());
    assert_eq!((ada.bind(0x4000, his), bob.bind(0x4000, hers)), (0, 0));
    for round in 0..200u8 {
        ada.say(0x4000, &[round; 777]);
        assert_eq!(bob.hear(), (None, vec![round; 777]));
        bob.say(0x4000, &[round; 33]);
        assert_eq!(ada.hear(), (None, vec![round; 33]));
    }
    drop(ada);
    until(|| story_count(&server) == 2);
}

/// Asks over and over for a condition that has to come true.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    assert!((0..MAX_TRIES).any(|_| condition()), "it never came true");
}

/// A bound on a broken test: each try is a round trip at least.
const MAX_TRIES: usize = 200_000;

fn story_count(server: &Server) -> u64 {
    stories(server)["count"].as_u64().unwrap()
}

fn stories(server: &Server) -> Value {
    let (_, body) = server.get("/v1/relay/allocations", &format!("authorization: Bearer {ADMIN}\r\n"));
    serde_json::from_str(&body).unwrap()
}

#[test]
fn what_is_no_turn_is_closed_at_once() {
    let (server, _folder) = relay(|command| {
        command.env("STOA_RELAY_TCP_LISTEN", "127.0.0.1:0");
    });
    let door = tcp_of(&server);
    for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", &[0, 1, 0, 0, 1, 2, 3, 4], &[0x40, 0, 0, 0]] {
        let mut stream = TcpStream::connect(door).unwrap();
        stream.write_all(junk).unwrap();
        assert!(matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_)), "{junk:?}");
    }
    exchange(&mut Turn::tcp(door, "ada", "pass"));
}

/// A relay with a door for TLS, and whom to trust there.
pub(crate) struct TlsRelay {
    pub(crate) server: Server,
    pub(crate) door: SocketAddr,
    config: rustls::ClientConfig,
    _folders: [TempDir; 2],
}

impl TlsRelay {
    pub(crate) fn start(adjust: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [key, cert] = ["key.pem", "cert.pem"].map(|name| folder.path().join(name));
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::write(&cert, made.cert.pem()).unwrap();
        let (server, other) = relay(|command| {
            command.env("STOA_TLS_CERT", cert).env("STOA_TLS_KEY", key).env("STOA_RELAY_TLS_LISTEN", "127.0.0.1:0");
            adjust(command);
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let https = secure(config.clone(), server.http);
        let (_, made) = post_over(https, &server, "/v1/turn-credentials", Some(ADMIN), "");
        let door = door_in(&made, "turns:");
        Self { server, door, config, _folders: [folder, other] }
    }

    /// A client that offers these protocols.
    pub(crate) fn client(&self, protocols: Vec<Vec<u8>>) -> Turn {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols;
        Turn::stream(Box::new(secure(config, self.door)), "ada", "pass")
    }

    /// The counters, as the pages tell them.
    pub(crate) fn metrics(&self) -> String {
        let mut stream = secure(self.config.clone(), self.server.http);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn secure(config: rustls::ClientConfig, to: SocketAddr) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    rustls::StreamOwned::new(connection, stream)
}

#[test]
fn tls_is_served_with_the_certificate_of_the_pages() {
    let relay = TlsRelay::start(|_| {});
    for protocols in [vec![], vec![b"stun.turn".to_vec()]] {
        exchange(&mut relay.client(protocols));
    }
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_allocations_and_a_blip_does_not() {
    let server = Server::start();
    let (ada, welcome) = Client::enter(&server, "agora", "Ada").await;
    let (mut bob, bobs) = Client::enter(&server, "agora", "Bob").await;
    let mut hers = Turn::of_session(server.udp, &welcome["ice_servers"][1]);
    let mut his = Turn::of_session(server.udp, &bobs["ice_servers"][1]);
    hers.allocate();
    his.allocate();
    ada.break_off();
    let mut again = Client::connect(&server).await;
    let resume = json!({"session": welcome["session"], "secret": welcome["resume_secret"], "last_seq": 1});
    again.say(&json!({"type": "hello", "room": "agora", "name": "Ada", "resume": resume})).await;
    let renewed = again.hear("welcome").await;
    assert_eq!(renewed["resumed"], true);
    bob.say(&json!({"type": "leave"})).await;
    while !matches!(bob.next().await, Heard::Closed(_)) {}
    let newer = renewed["ice_servers"][1].clone();
    let check = move || {
        until(|| his.refresh(600) == 401);
        assert_eq!(his.try_allocate(), Err(401), "nor does a new one come of the old credentials");
        assert_eq!(hers.refresh(600), 0);
        let mut more = Turn::of_session(server.udp, &newer);
        assert!(more.try_allocate().is_ok());
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

/// One plain HTTP exchange; the status and the body.
fn post(server: &Server, path: &str, token: Option<&str>, body: &str) -> (u16, Value) {
    post_over(TcpStream::connect(server.http).unwrap(), server, path, token, body)
}

fn post_over(
    mut stream: impl Read + Write,
    server: &Server,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{token}", server.http);
    write!(stream, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn other_applications_get_credentials_and_administrators_the_stories() {
    let (server, _folder) = relay(|_| {});
    let path = "/v1/turn-credentials";
    let (status, made) = post(&server, path, Some(ADMIN), "{\"user\": \"cyd\", \"ttl\": 3600}");
    assert_eq!((status, &made["ttl"]), (200, &json!(3600)));
    let (username, password) = (made["username"].as_str().unwrap(), made["password"].as_str().unwrap());
    assert!(username.ends_with(":cyd"));
    assert_eq!(password, rest_password(b"north", username.as_bytes()));
    assert_eq!(made["uris"][0], format!("turn:127.0.0.1:{}?transport=udp", server.udp.port()));
    exchange(&mut Turn::udp(server.udp, username, password));
    let stories = stories(&server);
    let story = &stories["allocations"][0];
    assert_eq!((&stories["count"], &story["user"], &story["transport"]), (&json!(1), &json!(":cyd"), &json!("udp")));
    assert_eq!(story["bytes_to_peers"], 8);
    let steps: Vec<_> = story["steps"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(steps, ["refused", "allocated", "first_to_peer", "first_from_peer"]);
    for (token, body, status) in [
        (None, "", 401),
        (Some("somebody"), "", 403),
        (Some(ADMIN), "{\"ttl\": 1}", 400),
        (Some(ADMIN), "{\"user\": \"\"}", 400),
        (Some(ADMIN), "[", 400),
        (Some(ADMIN), "{\"who\": 1}", 400),
    ] {
        let (got, problem) = post(&server, path, token, body);
        assert_eq!((got, &problem["status"]), (status, &json!(status)), "{body}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:stoa:problem:"));
    }
    let plain = Server::start();
    assert_eq!(post(&plain, path, Some(ADMIN), "").0, 404, "there is no administration");
}

#[test]
fn wrong_and_expired_credentials_are_refused() {
    let (server, _folder) = relay(|_| {});
    let expired = "1000:ada";
    let password = rest_password(b"north", expired.as_bytes());
    for (username, password) in [("ada", "word"), ("eve", "pass"), ("", ""), (expired, password.as_str())] {
        assert_eq!(Turn::udp(server.udp, username, password).try_allocate(), Err(401), "{username}");
    }
    let mut owner = Turn::udp(server.udp, "ada", "pass");
    owner.allocate();
    assert_eq!(owner.try_allocate(), Err(437), "one allocation for each 5-tuple");
}

#[test]
fn bad_datagrams_are_survived_and_strangers_get_no_more_than_a_challenge() {
    let (server, _folder) = relay(|_| {});
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.udp).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = Builder::new(Class::Request, ALLOCATE, TransactionId([3; 12]));
    let whole = request.attribute(attribute::USERNAME, &[0x25; 600]).finish();
    for length in 0..whole.len().min(48) {
        socket.send(&whole[..length]).unwrap();
    }
    let (mut overrun, mut odd) = (whole.clone(), whole);
    overrun[22..24].copy_from_slice(&[0xFF, 0xFF]);
    odd[2..4].copy_from_slice(&[0xFF, 0xFF]);
    let channel = [0x40, 0, 0xFF, 0xFF, 1];
    let answer = Builder::new(Class::Success, BINDING, TransactionId([4; 12])).finish();
    for datagram in [&overrun[..], &odd, &channel, &[0x7F, 0xFF, 0, 0], &answer, &userhash(b"a", b"b")] {
        socket.send(datagram).unwrap();
    }
    let id = TransactionId(*b"transaction!");
    let request = Builder::new(Class::Request, ALLOCATE, id).attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    socket.send(&request.finish()).unwrap();
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    let challenge = Message::parse(&buffer[..length]).unwrap();
    assert_eq!((challenge.transaction, challenge.class), (id, Class::Error), "nothing else was answered");
    assert!(length <= 100, "{length} bytes");
    exchange(&mut Turn::udp(server.udp, "ada", "pass"));
    until(|| server.get("/metrics", "").1.contains("stoa_relay_dropped_total{why=\"malformed_stun\"}"));
    let metrics = server.get("/metrics", "").1;
    assert!(!metrics.contains("ada"), "labels are from fixed sets");
}

#[test]
fn addresses_that_cannot_be_had_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let output = crate::server::stoa()
        .args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--data"])
        .arg(folder.path())
        .env("STOA_RELAY_TCP_LISTEN", &address)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&address) && said.contains("relay.tcp_listen"), "{said}");
}
