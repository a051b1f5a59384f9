//! Bad inputs, each with the answer that is expected.

use std::time::Duration;

use stoa_turn_relay_core::stun::attribute::{self, Family};
use stoa_turn_relay_core::stun::{self, Builder, Class, Integrity, TransactionId};
use stoa_turn_relay_core::*;

use crate::support::*;

/// Peer addresses that no client may reach, whichever way it tries.
const DENIED: &[&str] = &[
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:127.0.0.2",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd00::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
];

/// What it is, the attributes, and the code that is expected.
type Case<'a> = (&'a str, &'a [(u16, &'a [u8])], u16);

/// Neighbours of the above that must get in.
const ALLOWED: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2606:4700::1",
    "2a00::1",
    "2003::1",
    "fbff::1",
];

fn with_port(ip: &str, port: u16) -> String {
    std::net::SocketAddr::new(ip.parse().unwrap(), port).to_string()
}

fn dual(world: &mut World) -> Client {
    let mut ada = Client::ada();
    let both = [2, 0, 0, 0];
    let response = ada.ask(world, stun::ALLOCATE, |it| udp(it).attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &both));
    assert_eq!(response.code, 0);
    ada
}

#[test]
fn special_purpose_peers_are_refused_every_way() {
    let mut world = World::new();
    let mut ada = dual(&mut world);
    for ip in DENIED {
        let peer = with_port(ip, 5000);
        assert_eq!(ada.permit(&mut world, &[&peer]), 403, "permission for {ip}");
        assert_eq!(ada.permit(&mut world, &["8.8.8.8:1", &peer]), 403, "permission for {ip} behind a good one");
        assert_eq!(ada.bind(&mut world, 0x4000, &peer), 403, "channel for {ip}");
        assert_eq!(ada.indicate(&mut world, &peer, b"x"), Got::Nothing, "Send to {ip}");
    }
    assert_eq!(ada.indicate(&mut world, "8.8.8.8:1", b"x"), Got::Nothing, "a list with a bad address lets nobody in");
    for ip in ALLOWED {
        let peer = with_port(ip, 5000);
        assert_eq!(ada.permit(&mut world, &[&peer]), 0, "permission for {ip}");
        assert!(matches!(ada.indicate(&mut world, &peer, b"x"), Got::ToPeer { .. }), "Send to {ip}");
    }
}

#[test]
fn allow_beats_deny_and_nothing_beats_our_own_services() {
    let cidrs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let policy = PeerPolicy {
        allow: cidrs(&["10.1.0.0/16", "192.0.2.10", "fd00:1::/32"]),
        deny: cidrs(&["8.8.0.0/16", "10.1.1.0/24", "2606:4700:8000::/35"]),
        own_services: vec!["192.0.2.10:3478".parse().unwrap()],
        media: vec![],
    };
    let mut world = World::with(Config { policy, ..config() });
    let mut ada = dual(&mut world);
    for (peer, expected) in [
        ("10.1.2.3:1", 0),
        ("10.1.1.1:1", 0),
        ("10.2.0.1:1", 403),
        ("[::ffff:10.1.2.3]:1", 0),
        ("[64:ff9b::a01:203]:1", 0),
        ("[64:ff9b::a02:1]:1", 403),
        ("8.8.8.8:1", 403),
        ("[64:ff9b::808:808]:1", 403),
        ("8.9.0.0:1", 0),
        ("[2606:4700:9fff::1]:1", 403),
        ("[2606:4700:a000::1]:1", 0),
        ("[2606:4700:7fff::1]:1", 0),
        ("[fd00:1::1]:1", 0),
        ("[fd00:2::1]:1", 403),
        ("192.0.2.10:3478", 403),
        ("192.0.2.10:9999", 0),
        ("8.9.0.0:0", 403),
    ] {
        assert_eq!(ada.bind(&mut world, 0x4000, peer), expected, "{peer}");
        world.pass(Duration::from_secs(601));
        ada.allocate(&mut world);
        ada.refresh(&mut world, 0);
        ada = dual(&mut world);
    }
    ada.permit(&mut world, &["192.0.2.10:1"]);
    assert_eq!(ada.indicate(&mut world, "192.0.2.10:3478", b"x"), Got::Nothing);
    assert!(matches!(ada.indicate(&mut world, "192.0.2.10:3479", b"x"), Got::ToPeer { .. }));
    assert_eq!(ada.indicate(&mut world, "192.0.2.10:0", b"x"), Got::Nothing);
}

#[test]
fn malformed_messages_are_dropped() {
    let good = udp(Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12]))).finish();
    let edit = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut cases: Vec<(String, Vec<u8>)> =
        (0..20).map(|length| (format!("{length} bytes"), good[..length].to_vec())).collect();
    cases.extend([
        ("a length that is no multiple of 4".into(), edit(3, 7)),
        ("a length beyond the datagram".into(), edit(3, 12)),
        ("a length of 0xFFFC".into(), {
            let mut it = edit(2, 0xFF);
            it[3] = 0xFC;
            it
        }),
        ("a length of 0xFFFF".into(), {
            let mut it = edit(2, 0xFF);
            it[3] = 0xFF;
            it
        }),
        ("junk at the end".into(), [&good[..], b"junk"].concat()),
        ("an attribute past the end".into(), edit(23, 5)),
        ("an attribute of 65535 bytes".into(), {
            let mut it = edit(22, 0xFF);
            it[23] = 0xFF;
            it
        }),
        ("no magic cookie, as in RFC 3489".into(), edit(4, 0)),
        ("an unknown method".into(), Builder::new(Class::Request, 0x0FF, TransactionId([1; 12])).finish()),
        (
            "a success from a client".into(),
            Builder::new(Class::Success, stun::ALLOCATE, TransactionId([1; 12])).finish(),
        ),
        ("an error from a client".into(), Builder::new(Class::Error, stun::ALLOCATE, TransactionId([1; 12])).finish()),
        (
            "an Allocate indication".into(),
            Builder::new(Class::Indication, stun::ALLOCATE, TransactionId([1; 12])).finish(),
        ),
        ("a Data indication".into(), Builder::new(Class::Indication, stun::DATA, TransactionId([1; 12])).finish()),
        ("a wrong fingerprint".into(), {
            let mut it =
                udp(Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12]))).finish_with_fingerprint();
            it[30] ^= 1;
            it
        }),
        ("an attribute behind the fingerprint".into(), {
            let it = Builder::new(Class::Request, stun::ALLOCATE, TransactionId([1; 12])).finish_with_fingerprint();
            let mut it = [&it[..], &[0x80, 0x22, 0, 0]].concat();
            it[3] += 4;
            it
        }),
        ("ChannelData on nothing".into(), channel_data(0x4000, b"x")),
        ("DTLS".into(), vec![22; 60]),
        ("RTP".into(), vec![0x80; 60]),
    ]);
    let mut world = World::new();
    let ada = Client::ada();
    for (name, bytes) in cases {
        assert_eq!(world.send(ada.tuple, &bytes), Got::Nothing, "{name}");
    }
    assert!(matches!(world.send(ada.tuple, &good), Got::Answer(_)));
}

#[test]
fn credentials_are_checked_in_the_order_of_the_rfc() {
    type Edit = fn(&mut Client);
    let cases: &[(&str, Edit, u16)] = &[
        ("good", |_| {}, 0),
        ("wrong password", |it| it.password = "no".into(), 401),
        ("unknown user", |it| it.username = "eve".into(), 401),
        ("empty user", |it| it.username = String::new(), 401),
        ("long user", |it| it.username = "x".repeat(763), 401),
        ("format string", |it| it.username = "%s%n".into(), 401),
        ("SQL", |it| it.username = "' OR 1=1 --".into(), 401),
        ("NUL", |it| it.username = "ada\0".into(), 401),
        ("a number alone", |it| it.username = "9999999999".into(), 401),
        ("a number too large", |it| it.username = "99999999999999999999999:ada".into(), 401),
        ("empty nonce", |it| it.nonce = b"x".to_vec(), 438),
        ("stolen nonce", |it| it.tuple.client.set_port(9), 438),
        ("altered nonce", |it| it.nonce[20] ^= 1, 438),
        (
            "stripped cookie",
            |it| {
                it.nonce.drain(..13);
            },
            438,
        ),
        ("altered security bits", |it| it.nonce[9] = b'A', 438),
        ("wrong password and stale nonce", |it| (it.password, it.nonce) = ("no".into(), b"x".to_vec()), 401),
        ("SHA-256", |it| it.algorithm = Algorithm::Sha256, 0),
        ("SHA-256 with its integrity", |it| (it.algorithm, it.integrity) = (Algorithm::Sha256, Integrity::Sha256), 0),
        ("MD5 with SHA-256 integrity", |it| it.integrity = Integrity::Sha256, 0),
        ("userhash", |it| it.has_userhash = true, 0),
        ("userhash of a stranger", |it| (it.has_userhash, it.username) = (true, "eve".into()), 401),
    ];
    for (name, edit, expected) in cases {
        let mut world = World::new();
        let mut ada = Client::ada();
        ada.greet(&mut world);
        edit(&mut ada);
        let response = ada.allocate(&mut world);
        assert_eq!(response.code, *expected, "{name}");
        if [401, 438].contains(expected) {
            for kind in [attribute::REALM, attribute::NONCE] {
                assert!(response.attributes.contains_key(&kind), "{name}: {kind:#x}");
            }
            assert!(!response.attributes.contains_key(&attribute::MESSAGE_INTEGRITY), "{name}");
        }
    }
}

/// Requests whose credentials are incomplete or contradict each other.
#[test]
fn incomplete_credentials_are_bad_requests() {
    let sha256: &[u8] = &[0, 2, 0, 0];
    let offered: &[u8] = &[0, 2, 0, 0, 0, 1, 0, 0];
    let realm = (attribute::REALM, REALM.as_bytes());
    let user = (attribute::USERNAME, &b"ada"[..]);
    let cases: &[Case<'_>] = &[
        ("no realm", &[user], 400),
        ("no user", &[realm], 400),
        ("empty realm", &[user, (attribute::REALM, b"")], 401),
        ("another realm", &[user, (attribute::REALM, b"elsewhere")], 401),
        ("a user that is no UTF-8", &[(attribute::USERNAME, b"\xFF\xFE"), realm], 401),
        ("the first of two users counts", &[user, (attribute::USERNAME, b"eve"), realm], 0),
        ("the first of two users counts, if wrong", &[(attribute::USERNAME, b"eve"), user, realm], 401),
        ("an algorithm without the offer", &[user, realm, (attribute::PASSWORD_ALGORITHM, sha256)], 400),
        ("the offer without an algorithm", &[user, realm, (attribute::PASSWORD_ALGORITHMS, offered)], 400),
        (
            "a bid down: the offer lost its best",
            &[
                user,
                realm,
                (attribute::PASSWORD_ALGORITHMS, &[0, 1, 0, 0]),
                (attribute::PASSWORD_ALGORITHM, &[0, 1, 0, 0]),
            ],
            400,
        ),
        (
            "an algorithm that was not offered",
            &[user, realm, (attribute::PASSWORD_ALGORITHMS, offered), (attribute::PASSWORD_ALGORITHM, &[0, 3, 0, 0])],
            400,
        ),
        (
            "MD5 out of the offer",
            &[user, realm, (attribute::PASSWORD_ALGORITHMS, offered), (attribute::PASSWORD_ALGORITHM, &[0, 1, 0, 0])],
            0,
        ),
    ];
    for (name, attributes, expected) in cases {
        let mut world = World::new();
        let mut ada = Client::ada();
        ada.greet(&mut world);
        let begin = udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction()));
        let built = attributes.iter().fold(begin, |it, (kind, value)| it.attribute(*kind, value));
        let bytes =
            built.attribute(attribute::NONCE, &ada.nonce).integrity(Integrity::Sha1, ada.key().as_bytes()).finish();
        assert_eq!(Response::of(world.send(ada.tuple, &bytes)).code, *expected, "{name}");
    }
}

#[test]
fn what_follows_the_integrity_does_not_count() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.greet(&mut world);
    let request = ada.sign(udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction())));
    let bytes = request.number(attribute::LIFETIME, 3600).attribute(0x7FFF, b"?").finish();
    assert_eq!(Response::of(world.send(ada.tuple, &bytes)).number(attribute::LIFETIME), 600);
}

#[test]
fn both_integrities_may_come_and_the_stronger_one_decides() {
    for (flip, expected) in [(None, 0), (Some(1), 401)] {
        let mut world = World::new();
        let mut ada = Client::ada();
        ada.greet(&mut world);
        let request = ada.sign(udp(Builder::new(Class::Request, stun::ALLOCATE, world.transaction())));
        let mut bytes = request.integrity(Integrity::Sha256, ada.key().as_bytes()).finish();
        if let (Some(flip), Some(last)) = (flip, bytes.last_mut()) {
            *last ^= flip;
        }
        assert_eq!(Response::of(world.send(ada.tuple, &bytes)).code, expected);
    }
}

#[test]
fn allocate_requests_are_read_strictly() {
    use attribute::*;
    let udp: (u16, &[u8]) = (REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    let v4: &[u8] = &[1, 0, 0, 0];
    let v6: &[u8] = &[2, 0, 0, 0];
    let token: (u16, &[u8]) = (RESERVATION_TOKEN, &[0; 8]);
    let cases: &[Case<'_>] = &[
        ("plain", &[udp], 0),
        ("no transport", &[], 400),
        ("short transport", &[(REQUESTED_TRANSPORT, &[17])], 400),
        ("SCTP", &[(REQUESTED_TRANSPORT, &[132, 0, 0, 0])], 442),
        ("TCP over UDP", &[(REQUESTED_TRANSPORT, &[6, 0, 0, 0])], 400),
        ("unknown attribute", &[udp, (0x7FFF, b"")], 420),
        ("unknown optional attribute", &[udp, (0xFFFF, b"")], 0),
        ("IPv6", &[udp, (REQUESTED_ADDRESS_FAMILY, v6)], 0),
        ("family 9", &[udp, (REQUESTED_ADDRESS_FAMILY, &[9, 0, 0, 0])], 440),
        ("family without length", &[udp, (REQUESTED_ADDRESS_FAMILY, b"")], 400),
        ("both", &[udp, (ADDITIONAL_ADDRESS_FAMILY, v6)], 0),
        ("both, as coturn's clients say it", &[udp, (DRAFT_ADDITIONAL_ADDRESS_FAMILY, v6)], 0),
        ("IPv4 in addition", &[udp, (ADDITIONAL_ADDRESS_FAMILY, v4)], 400),
        ("requested and additional", &[udp, (REQUESTED_ADDRESS_FAMILY, v4), (ADDITIONAL_ADDRESS_FAMILY, v6)], 400),
        ("even", &[udp, (EVEN_PORT, &[0])], 0),
        ("even with the next one", &[udp, (EVEN_PORT, &[0x80])], 0),
        ("even without value", &[udp, (EVEN_PORT, b"")], 400),
        ("even pair and additional", &[udp, (EVEN_PORT, &[0x80]), (ADDITIONAL_ADDRESS_FAMILY, v6)], 400),
        ("unknown token", &[udp, token], 508),
        ("token of a worker that does not exist", &[udp, (RESERVATION_TOKEN, &[9; 8])], 508),
        ("short token", &[udp, (RESERVATION_TOKEN, &[0; 7])], 400),
        ("token and even", &[udp, token, (EVEN_PORT, &[0])], 400),
        ("token and family", &[udp, token, (REQUESTED_ADDRESS_FAMILY, v4)], 400),
        ("DF", &[udp, (DONT_FRAGMENT, b"")], 0),
        ("short lifetime", &[udp, (LIFETIME, &[0, 0])], 400),
        ("ticket asked for", &[udp, (MOBILITY_TICKET, b"")], 0),
        ("ticket brought along", &[udp, (MOBILITY_TICKET, b"x")], 400),
    ];
    for (name, attributes, expected) in cases {
        let mut world = World::new();
        let mut ada = Client::ada();
        let build = |it: Builder| attributes.iter().fold(it, |it, (kind, value)| it.attribute(*kind, value));
        let response = ada.ask(&mut world, stun::ALLOCATE, build);
        assert_eq!(response.code, *expected, "{name}");
        assert_eq!(response.relayed.len() == 2, name.starts_with("both"), "{name}");
        assert_eq!(world.relay.len(), usize::from(*expected == 0), "{name}");
        world.pass(Duration::from_secs(601));
        assert_eq!(world.relay.free_ports(), 200, "{name}");
    }
}

#[test]
fn lifetimes_stay_within_their_bounds() {
    for (asked, expected) in [(1, 600), (600, 600), (601, 601), (3600, 3600), (3601, 3600), (u32::MAX, 3600)] {
        let mut world = World::new();
        let mut ada = Client::ada();
        let response = ada.ask(&mut world, stun::ALLOCATE, |it| udp(it).number(attribute::LIFETIME, asked));
        assert_eq!(response.number(attribute::LIFETIME), expected, "Allocate with {asked}");
        assert_eq!(ada.refresh(&mut world, asked).number(attribute::LIFETIME), expected, "Refresh with {asked}");
        assert_eq!(ada.refresh(&mut world, 0).number(attribute::LIFETIME), 0);
        assert_eq!(ada.refresh(&mut world, 600).code, 437);
        assert!(world.relay.is_empty());
    }
}

#[test]
fn without_an_allocation_nothing_works() {
    let mut world = World::new();
    let mut ada = Client::ada();
    assert_eq!(ada.refresh(&mut world, 600).code, 437);
    assert_eq!(ada.refresh(&mut world, 0).code, 437);
    assert_eq!(ada.permit(&mut world, &["8.8.8.8:1"]), 437);
    assert_eq!(ada.bind(&mut world, 0x4000, "8.8.8.8:1"), 437);
    assert_eq!(ada.indicate(&mut world, "8.8.8.8:1", b"x"), Got::Nothing);
    assert_eq!(ada.speak(&mut world, 0x4000, b"x"), Got::Nothing);
    assert!(world.relay.is_empty() && world.sockets.is_empty());
}

#[test]
fn another_user_on_the_same_5_tuple_is_sent_away() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    let mut bob = Client::new("198.18.0.1:4000", "bob", "word");
    assert_eq!(bob.refresh(&mut world, 0).code, 441);
    assert_eq!(bob.permit(&mut world, &["8.8.8.8:1"]), 441);
    assert_eq!(bob.bind(&mut world, 0x4000, "8.8.8.8:1"), 441);
    assert_eq!(bob.allocate(&mut world).code, 437);
}

#[test]
fn channels_are_bound_one_to_one_within_their_range() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    for (number, peer, expected) in [
        (0x3FFF, "8.8.8.8:1", 400),
        (0x4000, "8.8.8.8:1", 0),
        (0x4FFF, "8.8.8.8:2", 0),
        (0x5000, "8.8.8.8:3", 0),
        (0x7FFE, "8.8.8.8:4", 0),
        (0x7FFF, "8.8.8.8:5", 400),
        (0x8000, "8.8.8.8:5", 400),
        (0x4000, "8.8.8.8:1", 0),
        (0x4000, "8.8.8.8:9", 400),
        (0x4001, "8.8.8.8:1", 400),
        (0x4002, "[2606:4700::1]:1", 443),
    ] {
        assert_eq!(ada.bind(&mut world, number, peer), expected, "{number:#x} to {peer}");
    }
    let none = ada.ask(&mut world, stun::CHANNEL_BIND, |it| it.number(attribute::CHANNEL_NUMBER, 0x4000_0000));
    assert_eq!(none.code, 400);
    let mut world = World::with(Config { narrow_channels: true, ..config() });
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    assert_eq!(ada.bind(&mut world, 0x4FFF, "8.8.8.8:1"), 0);
    assert_eq!(ada.bind(&mut world, 0x5000, "8.8.8.8:2"), 400);
}

#[test]
fn channel_data_is_as_long_as_it_says() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    ada.bind(&mut world, 0x4000, "8.8.8.8:1");
    for (length, payload, expected) in [
        (5u16, &b"hello"[..], Some(&b"hello"[..])),
        (3, b"hello", Some(b"hel")),
        (0, b"", Some(b"")),
        (6, b"hello", None),
    ] {
        let bytes = [&[0x40, 0][..], &length.to_be_bytes(), payload].concat();
        let got = match world.send(ada.tuple, &bytes) {
            Got::ToPeer { payload, .. } => Some(payload),
            Got::Nothing
            | Got::Answer(_)
            | Got::Hairpin { .. }
            | Got::ToWorker { .. }
            | Got::ToMedia { .. }
            | Got::Elsewhere(_) => None,
        };
        assert_eq!(got.as_deref(), expected, "{length} of {}", payload.len());
    }
    assert_eq!(world.send(ada.tuple, &[0x40, 0, 0]), Got::Nothing);
}

#[test]
fn permissions_and_allocations_are_counted() {
    let quota = Quota { allocations: Some(2), ..Quota::default() };
    let mut world =
        World::with(Config { limits: Limits { user: quota, permissions: 16, ..Limits::default() }, ..config() });
    let codes: Vec<_> = (1..=3)
        .map(|port| Client::new(&format!("198.18.0.1:{port}"), "ada", "pass").allocate(&mut world).code)
        .collect();
    assert_eq!(codes, [0, 0, 486]);
    let mut bob = Client::bob();
    bob.allocate(&mut world);
    let codes: Vec<_> = (0..20).map(|peer| bob.permit(&mut world, &[&format!("8.8.8.{peer}:1")])).collect();
    assert_eq!((codes[15], codes[16]), (0, 508));
    assert_eq!(bob.permit(&mut world, &["8.8.8.0:1"]), 0, "a refresh takes no further place");
    world.pass(Duration::from_secs(300));
    assert_eq!(bob.permit(&mut world, &["8.8.8.99:1"]), 0, "expired ones keep nobody out");
}

#[test]
fn a_list_of_unknown_attributes_is_bounded() {
    let mut world = World::new();
    let mut ada = Client::ada();
    let response = ada.ask(&mut world, stun::ALLOCATE, |it| (0..10_000).fold(it, |it, _| it.attribute(0x7F00, b"")));
    assert_eq!((response.code, response.attributes[&attribute::UNKNOWN_ATTRIBUTES].len()), (420, 128));
}

#[test]
fn send_indications_need_all_they_need() {
    let mut world = World::new();
    let mut ada = Client::ada();
    ada.allocate(&mut world);
    ada.permit(&mut world, &["8.8.8.8:1"]);
    let peer = "8.8.8.8:1".parse().unwrap();
    let begin = || Builder::new(Class::Indication, stun::SEND, TransactionId([1; 12]));
    let data = |it: Builder| it.attribute(attribute::DATA, b"x");
    for (name, message, is_sent) in [
        ("good", data(begin().xored(attribute::XOR_PEER_ADDRESS, peer)), true),
        ("no peer", data(begin()), false),
        ("no data", begin().xored(attribute::XOR_PEER_ADDRESS, peer), false),
        ("a peer of 3 bytes", data(begin().attribute(attribute::XOR_PEER_ADDRESS, &[0, 1, 0])), false),
        ("unknown attribute", data(begin().xored(attribute::XOR_PEER_ADDRESS, peer)).attribute(0x7FFF, b""), false),
        ("DF", data(begin().xored(attribute::XOR_PEER_ADDRESS, peer)).attribute(attribute::DONT_FRAGMENT, b""), true),
    ] {
        let got = world.send(ada.tuple, &message.finish());
        let expected = (name == "DF", is_sent);
        let got = match got {
            Got::ToPeer { dont_fragment, .. } => (dont_fragment, true),
            Got::Nothing
            | Got::Answer(_)
            | Got::Hairpin { .. }
            | Got::ToWorker { .. }
            | Got::ToMedia { .. }
            | Got::Elsewhere(_) => (false, false),
        };
        assert_eq!(got, expected, "{name}");
    }
    assert_eq!(Family::of(peer.ip()), Family::V4);
}
