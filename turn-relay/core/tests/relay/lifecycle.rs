use std::net::SocketAddr;
use std::time::Duration;

use stoa_turn_relay_core::stun::attribute::{self, Family};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, Message};
use stoa_turn_relay_core::*;

use crate::support::*;

const PEER: &str = "8.8.4.4:5000";

#[test]
fn payload_goes_both_ways_by_indication_and_by_channel() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let relayed = ada.allocate(&mut world).relayed(Family::V4);
    assert_eq!(ada.permit(&mut world, &[PEER]), 0);
    let peer = PEER.parse().unwrap();
    let expected = Got::ToPeer { from: relayed, peer, payload: b"hello".to_vec(), dont_fragment: false };
    assert_eq!(ada.indicate(&mut world, PEER, b"hello"), expected);
    let data = world.arrive(relayed, peer, b"hi").unwrap();
    let message = Message::parse(&data).unwrap();
    assert_eq!((message.class, message.method), (Class::Indication, stun::DATA));
    assert_eq!(message.first(attribute::DATA), Some(&b"hi"[..]));
    let from = message.first(attribute::XOR_PEER_ADDRESS).unwrap();
    assert_eq!(attribute::read_xored(from, message.transaction), Some(peer));
    assert_eq!(ada.bind(&mut world, 0x4000, PEER), 0);
    assert_eq!(ada.speak(&mut world, 0x4000, b"hello"), expected);
    assert_eq!(world.arrive(relayed, peer, b"hi").unwrap(), channel_data(0x4000, b"hi"));
    assert_eq!(world.arrive(relayed, "8.8.4.4:5001".parse().unwrap(), b"hi").unwrap().len(), 40);
    assert_eq!(world.arrive(relayed, "8.8.4.5:5000".parse().unwrap(), b"hi"), None);
}

#[test]
fn two_relayed_clients_reach_each_other_without_the_kernel() {
    let mut world = World::new();
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let from = ada.allocate(&mut world).relayed(Family::V4).to_string();
    let to = bob.allocate(&mut world).relayed(Family::V4).to_string();
    // 192.0.2.10 is special-purpose: it gets in because relayed addresses live there.
    assert_eq!(ada.bind(&mut world, 0x4001, &to), 0);
    assert_eq!(ada.speak(&mut world, 0x4001, b"hello"), Got::Nothing, "bob has not let ada in");
    assert_eq!(bob.bind(&mut world, 0x4002, &from), 0);
    let expected = Got::Hairpin { client: bob.tuple, bytes: channel_data(0x4002, b"hello") };
    assert_eq!(ada.speak(&mut world, 0x4001, b"hello"), expected);
    assert_eq!(world.relay.stats().hairpins, 1);
    // Nothing else at that address can be reached.
    assert_eq!(ada.indicate(&mut world, "192.0.2.10:22", b"x"), Got::Nothing);
    assert_eq!(ada.indicate(&mut world, "192.0.2.10:3478", b"x"), Got::Nothing);
    assert_eq!(world.relay.stats().drops(Dropped::PeerDenied), 2);
}

#[test]
fn the_relayed_address_of_another_worker_is_told_from_strangers() {
    let shared = config();
    let of = |worker| World::with(Config { worker, workers: 2, ..shared.clone() });
    let (mut first, mut second) = (of(0), of(1));
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let from = ada.allocate(&mut first).relayed(Family::V4);
    let to = bob.allocate(&mut second).relayed(Family::V4);
    assert_eq!(ada.bind(&mut first, 0x4000, &to.to_string()), 0);
    assert_eq!(bob.bind(&mut second, 0x4000, &from.to_string()), 0);
    let expected = Got::ToWorker { worker: 1, to, from, payload: b"hello".to_vec() };
    assert_eq!(ada.speak(&mut first, 0x4000, b"hello"), expected);
    let delivered = second.relay.handle_passed(to, from, b"hello", second.now).unwrap();
    assert_eq!((delivered.client, delivered.head.as_bytes()), (bob.tuple, &[0x40, 0, 0, 5][..]));
}

#[test]
fn everything_ends_when_its_time_is_over() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let relayed = ada.allocate(&mut world).relayed(Family::V4);
    let peer = PEER.parse().unwrap();
    ada.bind(&mut world, 0x4000, PEER);
    world.pass(Duration::from_secs(299));
    assert!(world.arrive(relayed, peer, b"x").is_some());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.arrive(relayed, peer, b"x"), None, "a permission lives 300 s");
    assert_eq!(ada.indicate(&mut world, PEER, b"x"), Got::Nothing);
    assert!(matches!(ada.speak(&mut world, 0x4000, b"x"), Got::ToPeer { .. }), "a channel lives 600 s");
    assert_eq!(ada.refresh(&mut world, 3600).number(attribute::LIFETIME), 3600);
    world.pass(Duration::from_secs(300));
    assert_eq!(ada.speak(&mut world, 0x4000, b"x"), Got::Nothing);
    world.pass(Duration::from_secs(3299));
    assert_eq!(world.relay.len(), 1);
    world.pass(Duration::from_secs(1));
    assert!(world.relay.is_empty() && world.sockets.is_empty());
    assert_eq!((world.relay.free_ports(), world.relay.poll_timeout()), (200, None));
    assert!(matches!(world.events.last(), Some(Event::Ended { end: End::Expired, .. })));
}

#[test]
fn sha256_userhash_and_fingerprint_are_understood_and_answered_in_kind() {
    let mut world = World::new();
    let mut ada = Client::ada();
    (ada.algorithm, ada.integrity, ada.has_userhash) = (Algorithm::Sha256, Integrity::Sha256, true);
    ada.greet(&mut world);
    let request = udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction()));
    let Got::Answer(answer) = world.send(ada.tuple, &ada.sign(request).finish_with_fingerprint()) else { panic!() };
    let message = Message::parse(&answer).unwrap();
    assert_eq!((message.class, message.integrity()), (Class::Success, Some(Integrity::Sha256)));
    assert!(message.has_fingerprint && message.verify(ada.key().as_bytes()));
}

#[test]
fn a_retransmitted_allocate_gets_the_same_answer() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.greet(&mut world);
    let request = ada.sign(udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction()))).finish();
    let first = world.send(ada.tuple, &request);
    assert_eq!(Response::of(world.send(ada.tuple, &request)), Response::of(first));
    assert_eq!(ada.allocate(&mut world).code, 437);
    assert_eq!(world.relay.len(), 1);
}

#[test]
fn time_limited_credentials_end_with_their_time_and_are_renewed_in_band() {
    let mut world = World::new();
    let at = |seconds: u64, user: &str| format!("{}:{user}", EPOCH + seconds);
    let named = |name: String| Client::new("198.18.0.1:4000", &name, &rest_password(SECRET, name.as_bytes()));
    let mut eve = named(at(100, "eve"));
    assert_eq!(eve.allocate(&mut world).number(attribute::LIFETIME), 100);
    world.pass(Duration::from_secs(50));
    let mut renewed = named(at(5000, "eve"));
    assert_eq!(renewed.refresh(&mut world, 600).number(attribute::LIFETIME), 600);
    assert_eq!(named(at(5000, "mallory")).refresh(&mut world, 600).code, 441);
    world.pass(Duration::from_secs(50));
    assert_eq!(eve.refresh(&mut world, 600).code, 401, "expired");
    assert_eq!(eve.refresh(&mut world, 0).code, 0, "who leaves need not be up to date");
    let name = at(100_000, "south");
    assert_eq!(
        Client::new("198.18.0.3:1", &name, &rest_password(b"south", name.as_bytes())).allocate(&mut world).code,
        0
    );
    assert_eq!(
        Client::new("198.18.0.4:1", &name, &rest_password(b"west", name.as_bytes())).allocate(&mut world).code,
        401
    );
}

#[test]
fn a_revoked_user_is_out_at_once() {
    let mut world = World::new();
    let name = format!("{}:eve", EPOCH + 1000);
    let mut eve = Client::new("198.18.0.1:4000", &name, &rest_password(SECRET, name.as_bytes()));
    let mut ada = Client::new("198.18.0.2:4000", "ada", "pass");
    assert_eq!((eve.allocate(&mut world).code, ada.allocate(&mut world).code), (0, 0));
    world.relay.revoke_user("eve", EPOCH + 2000, world.now);
    world.drain();
    assert_eq!((world.relay.len(), world.sockets.len()), (1, 1));
    assert_eq!(eve.allocate(&mut world).code, 401);
    let newer = format!("{}:eve", EPOCH + 2001);
    let mut eve = Client::new("198.18.0.1:4000", &newer, &rest_password(SECRET, newer.as_bytes()));
    assert_eq!(eve.allocate(&mut world).code, 0, "credentials minted after the revocation");
}

#[test]
fn a_port_that_others_hold_is_replaced_by_another_one() {
    let mut world = World::new();
    world.unbindable = (50_000..50_090).collect();
    let mut codes = vec![];
    for port in 1..20 {
        let mut client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        codes.push(client.allocate(&mut world).code);
    }
    assert!(codes.contains(&0) && codes.contains(&508), "{codes:?}");
    assert_eq!(world.relay.free_ports() + world.sockets.len(), 200);
}

#[test]
fn neighbouring_ports_that_others_hold_are_not_tried_over_and_over() {
    let mut world = World::with(Config { ports: Ports::Range(50_000, 50_019), ..config() });
    // Five of ten pairs, both ports of each.
    world.unbindable = (50_000..50_010).collect();
    for port in 1..=10 {
        let mut client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        assert_eq!(client.allocate(&mut world).code, 0);
    }
    assert_eq!(world.sockets.len(), 10, "all that can be had");
}

#[test]
fn an_address_of_our_own_is_nobodys_relayed_address() {
    let own_services = (50_000..50_006).map(|port| ([192, 0, 2, 10], port).into()).collect();
    let policy = PeerPolicy { own_services, ..PeerPolicy::default() };
    let mut world = World::with(Config { ports: Ports::Range(50_000, 50_008), policy, ..config() });
    let free = world.relay.free_ports();
    let mut allocate = |port: u16, even: Option<u8>| {
        let mut client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        let response = client.ask(&mut world, stun::ALLOCATE, |request| {
            even.into_iter().fold(udp(request), |request, even| request.attribute(attribute::EVEN_PORT, &[even]))
        });
        (response.code, response.relayed.first().map(SocketAddr::port))
    };
    assert_eq!(allocate(1, Some(0x80)), (0, Some(50_006)));
    assert_eq!(allocate(2, Some(0)), (0, Some(50_008)));
    assert_eq!([allocate(3, None), allocate(4, Some(0)), allocate(5, Some(0x80))], [(508, None); 3]);
    assert_eq!(world.relay.free_ports(), free - 3, "what was refused is given back");
}

#[test]
fn a_pair_of_ports_that_others_hold_is_replaced_by_another_pair() {
    let mut world = World::with(Config { ports: Ports::Range(50_000, 50_019), ..config() });
    // Of ten pairs seven cannot be had: their even ports are somebody else's.
    world.unbindable = (50_000..50_014).step_by(2).collect();
    for address in ["198.18.0.1:1", "198.18.0.1:2", "198.18.0.1:3"] {
        let mut client = Client::new(address, "ada", "pass");
        let even = |request| udp(request).attribute(attribute::EVEN_PORT, &[0x80]);
        let response = client.ask(&mut world, stun::ALLOCATE, even);
        assert_eq!(response.code, 0);
        assert_eq!(response.relayed(Family::V4).port() % 2, 0);
        let token = response.attributes[&attribute::RESERVATION_TOKEN].clone();
        let mut sibling = Client::new(&address.replace(".1:", ".2:"), "ada", "pass");
        let claim = |request| udp(request).attribute(attribute::RESERVATION_TOKEN, &token);
        let claimed = sibling.ask(&mut world, stun::ALLOCATE, claim).relayed(Family::V4);
        assert_eq!(claimed.port(), response.relayed(Family::V4).port() + 1);
    }
    assert_eq!(world.relay.free_ports(), 40 - 6, "what was tried in vain is given back");
}

#[test]
fn an_address_without_the_wanted_ports_leaves_it_to_another() {
    let address = |ip: &str| RelayAddress { bind: ip.parse().unwrap(), external: ip.parse().unwrap() };
    let addresses = vec![address("192.0.2.10"), address("192.0.2.11")];
    let mut world = World::with(Config { addresses, ports: Ports::Range(50_000, 50_003), ..config() });
    let even = |request| udp(request).attribute(attribute::EVEN_PORT, &[0x80]);
    let pairs = (1..=5).map(|port| {
        let mut client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        client.ask(&mut world, stun::ALLOCATE, even).code
    });
    assert_eq!(pairs.collect::<Vec<_>>(), [0, 0, 0, 0, 508]);
}

#[test]
fn quotas_hold_over_all_workers() {
    let user = Quota { allocations: Some(3), permissions: Some(4), ..Quota::default() };
    let shared = config();
    let limits = Limits { user, ..Limits::default() };
    let config = |worker| Config { worker, workers: 2, limits, ..shared.clone() };
    let mut worlds = [World::with(config(0)), World::with(config(1))];
    let mut clients: Vec<_> = (1..=4).map(|port| Client::new(&format!("198.18.0.1:{port}"), "ada", "pass")).collect();
    let codes: Vec<_> =
        clients.iter_mut().enumerate().map(|(n, client)| client.allocate(&mut worlds[n % 2]).code).collect();
    assert_eq!(codes, [0, 0, 0, 486]);
    let (here, there) = clients.split_at_mut(1);
    let peers: Vec<_> = (1..=3).map(|n| format!("8.8.8.{n}:1")).collect();
    let peers: Vec<_> = peers.iter().map(String::as_str).collect();
    assert_eq!(here[0].permit(&mut worlds[0], &peers), 0);
    assert_eq!(there[0].permit(&mut worlds[1], &peers), 486);
    assert_eq!(there[0].permit(&mut worlds[1], &peers[..1]), 0);
    // A worker that is lost gives back what its clients had.
    let [first, mut second] = worlds;
    drop(first);
    assert_eq!(clients[1].permit(&mut second, &peers), 0);
    assert_eq!(clients[3].allocate(&mut second).code, 0);
}

#[test]
fn our_own_udp_addresses_are_reached_within_the_process() {
    let own: SocketAddr = "192.0.2.10:3478".parse().unwrap();
    let policy =
        PeerPolicy { own_services: vec![own, "192.0.2.10:80".parse().unwrap()], media: vec![own], ..config().policy };
    for ports in [Ports::Virtual, Ports::Range(50_000, 50_099)] {
        let mut world = World::with(Config { policy: policy.clone(), ports, ..config() });
        let mut ada = Client::ada();
        let relayed = ada.allocate(&mut world).relayed(Family::V4);
        assert_eq!(ada.bind(&mut world, 0x4000, "192.0.2.10:3478"), 0);
        assert_eq!(ada.bind(&mut world, 0x4001, "192.0.2.10:80"), 403);
        let to_media = Got::ToMedia { to: own, from: relayed, payload: b"hello".to_vec() };
        assert_eq!(ada.speak(&mut world, 0x4000, b"hello"), to_media);
        assert_eq!(ada.indicate(&mut world, "192.0.2.10:3478", b"hello"), to_media);
        assert_eq!(ada.indicate(&mut world, "192.0.2.10:80", b"hello"), Got::Nothing);
        let to = world.relay.handle_media(relayed, own, b"answer", world.now).unwrap();
        assert_eq!((to.client, to.head.as_bytes()), (ada.tuple, &[0x40, 0, 0, 6][..]));
        let other = "192.0.2.10:3479".parse().unwrap();
        let to = world.relay.handle_media(relayed, other, b"answer", world.now).unwrap();
        assert_eq!(to.head.as_bytes()[..2], [0, 0x17], "no channel, but a permission for the address");
        assert!(world.relay.handle_media(relayed, "192.0.2.11:3478".parse().unwrap(), b"x", world.now).is_none());
    }
}

#[test]
fn a_reserved_port_goes_to_who_brings_the_token() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let response = ada.ask(&mut world, stun::ALLOCATE, |request| udp(request).attribute(attribute::EVEN_PORT, &[0x80]));
    let even = response.relayed(Family::V4);
    assert!(even.port().is_multiple_of(2));
    let token = response.attributes[&attribute::RESERVATION_TOKEN].clone();
    let bring = |world: &mut World, port: u16| {
        let mut client = Client::new(&format!("198.18.0.9:{port}"), "ada", "pass");
        client.ask(world, stun::ALLOCATE, |request| udp(request).attribute(attribute::RESERVATION_TOKEN, &token))
    };
    let odd = bring(&mut world, 1);
    assert_eq!(odd.relayed(Family::V4).port(), even.port() + 1);
    assert_eq!(bring(&mut world, 2).code, 508, "a token is good once");
    assert_eq!(world.relay.free_ports(), 198);
}

#[test]
fn a_reservation_that_nobody_claims_is_given_back() {
    let mut world = World::new();
    for port in 1..200u16 {
        let mut client = Client::new(&format!("198.18.0.9:{port}"), "ada", "pass");
        client.ask(&mut world, stun::ALLOCATE, |request| udp(request).attribute(attribute::EVEN_PORT, &[0x80]));
        client.refresh(&mut world, 0);
        world.pass(Duration::from_secs(if port % 20 == 0 { 31 } else { 0 }));
    }
    world.pass(Duration::from_secs(31));
    assert_eq!((world.relay.free_ports(), world.relay.poll_timeout()), (200, None));
}

#[test]
fn an_allocation_may_have_both_families_and_lose_one() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let response = ada.ask(&mut world, stun::ALLOCATE, |request| {
        udp(request).attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
    });
    assert_eq!(response.relayed.len(), 2);
    assert_eq!(ada.permit(&mut world, &["8.8.8.8:1", "[2606:4700::1]:1"]), 0);
    let six = |request: Builder| request.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    let refreshed = ada.ask(&mut world, stun::REFRESH, |request| six(request.number(attribute::LIFETIME, 0)));
    assert_eq!(refreshed.code, 0);
    assert_eq!((world.relay.len(), world.sockets.len()), (1, 1));
    assert_eq!(ada.permit(&mut world, &["[2606:4700::1]:1"]), 443);
    assert_eq!(ada.ask(&mut world, stun::REFRESH, six).code, 443);
    assert!(matches!(ada.indicate(&mut world, "8.8.8.8:1", b"x"), Got::ToPeer { .. }));
}

#[test]
fn the_story_begins_before_the_allocation() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.refresh(&mut world, 600);
    ada.allocate(&mut world);
    ada.permit(&mut world, &["10.0.0.1:1"]);
    ada.indicate(&mut world, PEER, b"x");
    let (_, user, timeline) = world.relay.timelines().next().unwrap();
    let refused = |method, refusal| Moment::Refused { method, refusal };
    let story: Vec<_> = timeline.moments().map(|(_, moment)| moment).collect();
    assert_eq!(user, "ada");
    let expected = [
        refused(stun::ALLOCATE, Refusal::Unauthenticated(Unproved::NoIntegrity)),
        refused(stun::REFRESH, Refusal::AllocationMismatch),
        Moment::Allocated,
        refused(stun::CREATE_PERMISSION, Refusal::Forbidden(Denial::SpecialPurpose)),
        Moment::Dropped(Dropped::NoPermission),
    ];
    assert_eq!(story, expected);
}
