//! What strangers get, and how large it is.

use std::time::Duration;

use stoa_base_types::ConnectionId;
use stoa_turn_relay_core::stun::{self, Builder, Class, Message, TransactionId, attribute};
use stoa_turn_relay_core::*;

use crate::support::*;

#[test]
fn strangers_get_short_answers_and_not_many() {
    let mut world = World::new();
    let ada = Client::ada();
    let bare = Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12])).finish();
    let plain = udp(Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12]))).finish();
    // What RFC 8489 demands of a challenge with this realm: a header, ERROR-CODE, REALM, NONCE. With a realm of four letters,
    // as is the default, 8 bytes less.
    for (request, length) in [(&bare, 56), (&plain, 56)] {
        let Got::Answer(answer) = world.send(ada.tuple, request) else { panic!("no answer") };
        let message = Message::parse(&answer).unwrap();
        let kinds: Vec<_> = message.attributes().map(|(kind, value)| (kind, value.len())).collect();
        assert_eq!(kinds, [(attribute::ERROR_CODE, 4), (attribute::REALM, 9), (attribute::NONCE, 8)]);
        assert_eq!(answer.len(), length);
    }
    let answers = (0..1000).filter(|_| world.send(ada.tuple, &bare) != Got::Nothing).count();
    assert_eq!(answers, 198);
    assert_eq!(world.relay.stats().drops(Dropped::TooManyChallenges), 802);
    assert!(matches!(world.send(Client::bob().tuple, &bare), Got::Answer(_)));
}

#[test]
fn a_challenge_offers_what_has_room_in_the_length_of_the_request() {
    let mut world = World::new();
    let ada = Client::ada();
    let over_tcp = FiveTuple { transport: Transport::Tcp(ConnectionId(1)), ..ada.tuple };
    for padding in 0..200 {
        for has_fingerprint in [false, true] {
            let request = Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12]));
            let request = request.attribute(attribute::SOFTWARE, &vec![b'x'; padding]);
            let request = if has_fingerprint { request.finish_with_fingerprint() } else { request.finish() };
            let mut challenge = |tuple| {
                world.pass(Duration::from_secs(1));
                let Got::Answer(answer) = world.send(tuple, &request) else { panic!("no answer") };
                let message = Message::parse(&answer).unwrap();
                assert_eq!(message.has_fingerprint, has_fingerprint);
                let offers = message.first(attribute::PASSWORD_ALGORITHMS).is_some();
                assert_eq!(offers, message.first(attribute::NONCE).unwrap().starts_with(b"obMatJos2"));
                (offers, answer.len())
            };
            let (offers, length) = challenge(ada.tuple);
            let most = request.len().max(if has_fingerprint { 64 } else { 56 });
            assert!(length <= most, "{length} for {}", request.len());
            assert_eq!(offers, request.len() >= if has_fingerprint { 100 } else { 92 }, "{}", request.len());
            assert!(challenge(over_tcp).0, "a connection is no forgery");
        }
    }
}

#[test]
fn a_short_challenge_is_enough_for_a_client() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let request = udp(Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12]))).finish();
    let Got::Answer(answer) = world.send(ada.tuple, &request) else { panic!("no answer") };
    ada.nonce = Message::parse(&answer).unwrap().first(attribute::NONCE).unwrap().to_vec();
    assert_eq!(ada.allocate(&mut world).code, 0);
    world.pass(Duration::from_mins(61));
    assert_eq!(ada.refresh(&mut world, 600).code, 438);
}

#[test]
fn answers_go_to_any_port_but_0() {
    let mut world = World::new();
    let binding = Builder::new(Class::Request, stun::BINDING, TransactionId([1; 12])).finish();
    for (port, is_answered) in [(19, true), (53, true), (123, true), (3478, true), (0, false)] {
        let client = Client::new(&format!("198.18.0.1:{port}"), "ada", "pass");
        assert_eq!(world.send(client.tuple, &binding) != Got::Nothing, is_answered, "{port}");
    }
    // What comes from our own address would be answered to ourselves.
    let itself = Client::new("192.0.2.10:3478", "ada", "pass");
    assert_eq!(world.send(itself.tuple, &binding), Got::Nothing);
}

#[test]
fn clients_on_this_host_may_have_any_port_that_is_no_socket_of_ours() {
    let own = ["192.0.2.10:3479", "192.0.2.10:80"].map(|own| own.parse().unwrap());
    let policy = PeerPolicy { own_services: own.into(), media: vec![own[0]], ..PeerPolicy::default() };
    let mut world = World::with(Config { policy, ports: Ports::Virtual, ..config() });
    let relayed = Client::ada().allocate(&mut world).relayed(attribute::Family::V4).to_string();
    let mut code = |address: &str| Client::new(address, "ada", "pass").allocate(&mut world).code;
    assert_eq!(code("192.0.2.10:80"), 0, "that is a TCP port");
    assert_eq!(code(&relayed), 0, "without sockets there is no way for a loop");
    let mut stranger = Client::new("192.0.2.10:3479", "ada", "pass");
    stranger.nonce = b"AAAAAAAA".to_vec();
    assert_eq!(stranger.allocate(&mut world).code, 1, "that is another door of ours");
}

#[test]
fn two_relayed_addresses_make_no_loop() {
    // The two clients are each other's relayed addresses: every payload would come back as a message, larger each time.
    let mut world = World::new();
    let (mut ada, mut bob) = (Client::ada(), Client::bob());
    let relayed = [&mut ada, &mut bob].map(|client| client.allocate(&mut world).relayed(attribute::Family::V4));
    for own in relayed {
        let mut caller = Client::new(&own.to_string(), "ada", "pass");
        caller.nonce = b"AAAAAAAA".to_vec();
        assert_eq!(caller.allocate(&mut world).code, 1, "a relayed address is no client");
    }
}
