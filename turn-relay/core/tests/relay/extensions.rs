//! TCP allocations, mobility, behaviour discovery, ICMP, streams and virtual relayed addresses.

use std::time::Duration;

use stoa_base_types::ConnectionId;
use stoa_turn_relay_core::stun::attribute::{self, Family, read_plain};
use stoa_turn_relay_core::stun::{self, Builder, Class, Message, TransactionId};
use stoa_turn_relay_core::*;

use crate::support::*;

const PEER: &str = "8.8.4.4:5000";

fn over_tcp(client: &Client, connection: u64) -> Client {
    let mut client = client.clone();
    client.tuple.transport = Transport::Tcp(ConnectionId(connection));
    client
}

fn tcp(request: Builder) -> Builder {
    request.attribute(attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0])
}

fn connect(world: &mut World, client: &mut Client, peer: &str) -> Response {
    client.ask(world, stun::CONNECT, |request| request.xored(attribute::XOR_PEER_ADDRESS, peer.parse().unwrap()))
}

fn bring(world: &mut World, client: &mut Client, id: u32) -> u16 {
    client.ask(world, stun::CONNECTION_BIND, |request| request.number(attribute::CONNECTION_ID, id)).code
}

#[test]
fn a_peer_is_connected_to_and_joined_with_a_second_connection() {
    let mut world = World::new();
    let mut ada = over_tcp(&Client::ada(), 1);
    assert_eq!(ada.ask(&mut world, stun::ALLOCATE, tcp).code, 0);
    assert_eq!(connect(&mut world, &mut ada, "127.0.0.1:80").code, 403);
    assert_eq!(connect(&mut world, &mut ada, "192.0.2.10:3478").code, 403);
    assert_eq!(connect(&mut world, &mut ada, PEER).code, 1, "the answer waits for the connection");
    assert_eq!(connect(&mut world, &mut ada, PEER).code, 446);
    let Some(Event::Connect { connection, .. }) = world.events.pop() else { panic!() };
    world.relay.handle_connected(connection, true, world.now);
    let answer = Response::of(Got::Answer(world.drain().unwrap()));
    assert_eq!(answer.number(attribute::CONNECTION_ID), connection);
    let mut foreign = over_tcp(&Client::new("198.18.0.1:4000", "bob", "word"), 2);
    assert_eq!(bring(&mut world, &mut foreign, connection), 400, "somebody else's connection");
    assert_eq!(bring(&mut world, &mut Client::new("198.18.0.1:9", "ada", "pass"), connection), 400, "on UDP");
    let mut data = over_tcp(&Client::ada(), 3);
    assert_eq!(bring(&mut world, &mut data, connection ^ 1), 400, "unknown");
    assert_eq!(bring(&mut world, &mut data, connection), 0);
    assert!(matches!(world.events.last(), Some(Event::Splice { .. })));
    assert_eq!(bring(&mut world, &mut over_tcp(&Client::ada(), 4), connection), 400, "bound already");
    assert_eq!(ada.bind(&mut world, 0x4000, PEER), 400);
    ada.refresh(&mut world, 0);
    assert!(world.events.iter().any(|event| matches!(event, Event::Disconnect { .. })));
}

#[test]
fn connections_that_nobody_takes_are_closed_after_30_seconds() {
    let mut world = World::new();
    let mut ada = over_tcp(&Client::ada(), 1);
    let relayed = ada.ask(&mut world, stun::ALLOCATE, tcp).relayed(Family::V4);
    let relay = world.sockets.values().find(|(_, address)| *address == relayed).unwrap().0;
    let peer = PEER.parse().unwrap();
    assert_eq!(world.relay.handle_accepted(relay, peer, world.now), None, "no permission");
    ada.permit(&mut world, &[PEER]);
    let connection = world.relay.handle_accepted(relay, peer, world.now).unwrap();
    let bytes = world.drain().unwrap();
    let attempt = Message::parse(&bytes).unwrap();
    assert_eq!((attempt.class, attempt.method), (Class::Indication, stun::CONNECTION_ATTEMPT));
    world.pass(Duration::from_secs(29));
    assert!(world.events.is_empty());
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.events.pop(), Some(Event::Disconnect { connection: closed }) if closed == connection));
    assert_eq!(bring(&mut world, &mut over_tcp(&Client::ada(), 2), connection), 400);
    connect(&mut world, &mut ada, PEER);
    world.pass(Duration::from_secs(30));
    assert_eq!(
        world.relay.stats().refusals().find(|(_, refusal, _)| *refusal == Refusal::ConnectionFailed).unwrap().2,
        1
    );
}

fn with_ticket(request: Builder) -> Builder {
    udp(request).attribute(attribute::MOBILITY_TICKET, b"")
}

#[test]
fn an_allocation_moves_with_its_ticket_once() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let response = ada.ask(&mut world, stun::ALLOCATE, with_ticket);
    let (relayed, ticket) = (response.relayed(Family::V4), response.attributes[&attribute::MOBILITY_TICKET].clone());
    ada.bind(&mut world, 0x4000, PEER);
    let show = |world: &mut World, client: &mut Client, ticket: &[u8]| {
        client.ask(world, stun::REFRESH, |request| request.attribute(attribute::MOBILITY_TICKET, ticket))
    };
    let moved = |port: u16, user: &str, password: &str| Client::new(&format!("198.18.7.7:{port}"), user, password);
    assert_eq!(show(&mut world, &mut moved(1, "bob", "word"), &ticket).code, 441);
    let mut forged = ticket.clone();
    forged[20] ^= 1;
    assert_eq!(show(&mut world, &mut moved(1, "ada", "pass"), &forged).code, 400);
    let mut there = moved(2, "ada", "pass");
    let newer = show(&mut world, &mut there, &ticket).attributes[&attribute::MOBILITY_TICKET].clone();
    assert_eq!(show(&mut world, &mut moved(3, "ada", "pass"), &ticket).code, 400, "replayed");
    assert_eq!(ada.refresh(&mut world, 600).code, 437, "the old 5-tuple is free");
    assert!(matches!(there.speak(&mut world, 0x4000, b"x"), Got::ToPeer { from, .. } if from == relayed));
    assert_eq!(world.relay.len(), 1);
    assert_eq!(show(&mut world, &mut moved(4, "ada", "pass"), &newer).code, 0);
    assert_eq!(show(&mut world, &mut moved(5, "ada", "pass"), &[0; 32]).code, 400);
    let mut world = World::with(Config { mobility: false, ..config() });
    assert_eq!(Client::ada().ask(&mut world, stun::ALLOCATE, with_ticket).code, 405);
}

#[test]
fn moving_does_not_get_around_a_quota() {
    let source = Quota { allocations: Some(1), ..Quota::default() };
    let mut world = World::with(Config { limits: Limits { source, ..Limits::default() }, ..config() });
    let mut ada = Client::ada();
    let ticket = ada.ask(&mut world, stun::ALLOCATE, with_ticket).attributes[&attribute::MOBILITY_TICKET].clone();
    let mut other = Client::new("198.18.7.7:1", "ada", "pass");
    assert_eq!(other.allocate(&mut world).code, 0);
    let mut moved = Client::new("198.18.7.7:2", "ada", "pass");
    let show = |request: Builder| request.attribute(attribute::MOBILITY_TICKET, &ticket);
    assert_eq!(moved.ask(&mut world, stun::REFRESH, show).code, 486);
    assert_eq!(ada.refresh(&mut world, 600).code, 0, "it stays where it was");
}

#[test]
fn tokens_and_tickets_lead_to_their_worker() {
    let shared = config();
    let of = |worker| World::with(Config { worker, workers: 2, ..shared.clone() });
    let (mut first, mut second) = (of(0), of(1));
    let mut ada = Client::ada();
    let ticket = ada.ask(&mut first, stun::ALLOCATE, with_ticket).attributes[&attribute::MOBILITY_TICKET].clone();
    let mut moved = Client::new("198.18.7.7:2", "ada", "pass");
    moved.greet(&mut second);
    let request = Builder::new(Class::Request, stun::REFRESH, TransactionId([4; 12]));
    let bytes = moved.sign(request.attribute(attribute::MOBILITY_TICKET, &ticket)).finish();
    assert_eq!(second.send(moved.tuple, &bytes), Got::Elsewhere(0));
    assert_eq!(Response::of(first.send(moved.tuple, &bytes)).code, 0);
    assert_eq!(moved.speak(&mut second, 0x4000, b"x"), Got::Elsewhere(0), "and so does what follows");
    second.pass(Duration::from_secs(8001));
    assert_eq!(moved.speak(&mut second, 0x4000, b"x"), Got::Nothing, "until it is silent for long");
    assert_eq!(second.relay.poll_timeout(), None);
}

#[test]
fn who_finds_no_port_here_is_sent_to_a_worker_that_has_some() {
    let shared = Config { ports: Ports::Range(50_000, 50_003), workers: 2, ..config() };
    let of = |worker| World::with(Config { worker, ..shared.clone() });
    let (mut first, mut second) = (of(0), of(1));
    let mut clients: Vec<_> = (1..=6).map(|port| Client::new(&format!("198.18.0.1:{port}"), "ada", "pass")).collect();
    let allocate = |client: &mut Client, world: &mut World| {
        client.greet(world);
        client.sign(udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction()))).finish()
    };
    for client in &mut clients[..2] {
        assert_eq!(client.allocate(&mut first).code, 0);
    }
    for client in &mut clients[2..4] {
        let request = allocate(client, &mut first);
        assert_eq!(first.send(client.tuple, &request), Got::Elsewhere(1));
        assert_eq!(Response::of(second.take_over(client.tuple, &request)).code, 0);
        assert_eq!(client.speak(&mut first, 0x4000, b"x"), Got::Elsewhere(1), "and so does what follows");
    }
    let [.., fifth, sixth] = clients.as_mut_slice() else { panic!() };
    assert_eq!(fifth.allocate(&mut first).code, 508, "nobody has any");
    assert_eq!(fifth.allocate(&mut second).code, 508);
    let request = allocate(sixth, &mut second);
    assert_eq!(clients[0].refresh(&mut first, 0).code, 0);
    let tuple = clients[5].tuple;
    assert_eq!(Response::of(second.take_over(tuple, &request)).code, 508, "what was handed over goes no further");
    assert_eq!(second.send(tuple, &request), Got::Elsewhere(0));
    assert_eq!(Response::of(first.take_over(tuple, &request)).code, 0);
    assert_eq!((first.relay.len(), second.relay.len()), (2, 2));
}

#[test]
fn behaviour_discovery_answers_from_where_it_is_asked() {
    let [primary, alternate] = ["192.0.2.10:3478", "192.0.2.11:3479"].map(|text| text.parse().unwrap());
    let mut world = World::with(Config { discovery: Some(Discovery { primary, alternate }), ..config() });
    let ada = Client::ada();
    let ask = |world: &mut World, kind: u16, value: &[u8]| {
        let request =
            Builder::new(Class::Request, stun::BINDING, TransactionId([1; 12])).attribute(kind, value).finish();
        let FromClient::Answer(answer) = world.relay.handle_client(ada.tuple, &request, world.now) else { panic!() };
        (answer.bytes.to_vec(), answer.from, answer.to, request.len())
    };
    for (flags, from) in
        [(0, "192.0.2.10:3478"), (2, "192.0.2.10:3479"), (4, "192.0.2.11:3478"), (6, "192.0.2.11:3479")]
    {
        let (bytes, left, to, _) = ask(&mut world, attribute::CHANGE_REQUEST, &[0, 0, 0, flags]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((left, to), (from.parse().unwrap(), ada.tuple.client));
        assert_eq!(message.first(attribute::RESPONSE_ORIGIN).and_then(read_plain), Some(left));
        assert_eq!(message.first(attribute::OTHER_ADDRESS).and_then(read_plain), Some(alternate));
    }
    let (_, _, to, _) = ask(&mut world, attribute::RESPONSE_PORT, &[0, 99, 0, 0]);
    assert_eq!(to, "198.18.0.1:99".parse().unwrap());
    let (bytes, .., asked) = ask(&mut world, attribute::PADDING, &[0; 1000]);
    assert!(bytes.len() <= asked && bytes.len() > 1000, "{}", bytes.len());
    let mut plain = World::new();
    for kind in [attribute::CHANGE_REQUEST, attribute::RESPONSE_PORT, attribute::PADDING] {
        let (bytes, ..) = ask(&mut plain, kind, &[0; 4]);
        assert_eq!(Response::of(Got::Answer(bytes)).code, 420, "{kind:#x}");
    }
}

#[test]
fn a_clients_stream_gets_padding() {
    let mut world = World::new();
    let mut ada = over_tcp(&Client::ada(), 1);
    let relayed = ada.allocate(&mut world).relayed(Family::V4);
    ada.bind(&mut world, 0x4000, PEER);
    let got = world.arrive(relayed, PEER.parse().unwrap(), b"hello").unwrap();
    assert_eq!(got, [&channel_data(0x4000, b"hello")[..], &[0; 3]].concat());
    let padded = [&channel_data(0x4000, b"hello")[..], &[0; 3]].concat();
    assert!(matches!(world.send(ada.tuple, &padded), Got::ToPeer { payload, .. } if payload == b"hello"));
    world.relay.handle_closed(&ada.tuple);
    world.drain();
    assert!(world.relay.is_empty() && world.sockets.is_empty());
}

#[test]
fn an_icmp_error_is_told_to_the_client() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let relayed = ada.allocate(&mut world).relayed(Family::V4);
    let relay = world.sockets.values().find(|(_, address)| *address == relayed).unwrap().0;
    let peer = PEER.parse().unwrap();
    assert_eq!(world.relay.handle_icmp(relay, peer, (3, 4, 1280), world.now), None, "no permission");
    ada.permit(&mut world, &[PEER]);
    let told = world.relay.handle_icmp(relay, peer, (3, 4, 1280), world.now).unwrap();
    let message = Message::parse(told.head.as_bytes()).unwrap();
    assert_eq!(message.first(attribute::ICMP), Some(&[0, 0, 6, 4, 0, 0, 5, 0][..]));
    assert_eq!(world.relay.handle_icmp(relay, peer, (8, 0, 0), world.now), None, "an echo is no error");
}

#[test]
fn virtual_relayed_addresses_reach_each_other_only() {
    let mut world = World::with(Config { ports: Ports::Virtual, ..config() });
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let from = ada.allocate(&mut world).relayed(Family::V4).to_string();
    let to = bob.allocate(&mut world).relayed(Family::V4).to_string();
    assert!(world.sockets.is_empty());
    assert_eq!(ada.permit(&mut world, &["8.8.8.8:1"]), 403);
    assert_eq!((ada.bind(&mut world, 0x4000, &to), bob.bind(&mut world, 0x4000, &from)), (0, 0));
    assert!(matches!(ada.speak(&mut world, 0x4000, b"x"), Got::Hairpin { .. }));
    bob.refresh(&mut world, 0);
    assert_eq!(ada.speak(&mut world, 0x4000, b"x"), Got::Nothing);
}

#[test]
fn bytes_and_packets_stay_within_their_rates() {
    let user = Quota { bytes: Some(1000), ..Quota::default() };
    let mut world = World::with(Config { limits: Limits { user, ..Limits::default() }, ..config() });
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    ada.bind(&mut world, 0x4000, PEER);
    let sent = |world: &mut World| (0..100).filter(|_| ada.speak(world, 0x4000, &[0; 100]) != Got::Nothing).count();
    assert_eq!(sent(&mut world), 10);
    world.pass(Duration::from_millis(500));
    assert_eq!(sent(&mut world), 5);
    assert_eq!(world.relay.stats().drops(Dropped::OverQuota), 185);
}

#[test]
fn each_allocation_has_limits_of_its_own() {
    let allocation = Quota { packets: Some(10), new_peers: Some(2), ..Quota::default() };
    let mut world = World::with(Config { limits: Limits { allocation, ..Limits::default() }, ..config() });
    for mut client in [Client::ada(), Client::new("198.18.0.9:1", "ada", "pass")] {
        client.allocate(&mut world);
        assert_eq!(client.permit(&mut world, &["8.8.8.1:1", "8.8.8.2:1"]), 0);
        assert_eq!(client.permit(&mut world, &["8.8.8.3:1"]), 486);
        assert_eq!(client.permit(&mut world, &["8.8.8.1:1"]), 0, "known already");
        let passed = (0..20).filter(|_| client.indicate(&mut world, "8.8.8.1:1", b"x") != Got::Nothing).count();
        assert_eq!(passed, 10);
    }
    world.pass(Duration::from_millis(500));
    assert!(matches!(Client::ada().indicate(&mut world, "8.8.8.1:1", b"x"), Got::ToPeer { .. }));
}

#[test]
fn the_payload_of_connections_is_paid_for() {
    let allocation = Quota { bytes: Some(1000), ..Quota::default() };
    let mut world = World::with(Config { limits: Limits { allocation, ..Limits::default() }, ..config() });
    let mut ada = over_tcp(&Client::ada(), 1);
    assert_eq!(ada.ask(&mut world, stun::ALLOCATE, tcp).code, 0);
    assert_eq!(connect(&mut world, &mut ada, "8.8.8.8:80").code, 1);
    let Some(Event::Connect { connection, .. }) = world.events.pop() else { panic!("no wish to connect") };
    let meter = world.relay.meter(connection).unwrap();
    assert!(meter.charge(600, world.now) && !meter.charge(600, world.now));
    assert!(meter.charge(600, world.now + Duration::from_millis(200)));
    world.relay.handle_disconnected(connection, (600, 600), world.now);
    assert!(world.relay.meter(connection).is_none());
}
