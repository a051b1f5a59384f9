//! Whatever clients do, in whichever order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use stoa_turn_relay_core::stun::attribute::{self, Family};
use stoa_turn_relay_core::*;

use crate::support::*;

/// One step of one client.
#[derive(Debug, Clone)]
enum Step {
    Allocate { is_dual: bool, is_even: bool },
    Refresh(u32),
    Permit(Vec<usize>),
    Bind(u16, usize),
    Send(usize),
    Speak(u16),
    Arrive(usize),
    Wait(u64),
    Revoke,
}

const PEERS: [&str; 6] = ["8.8.8.8:1", "8.8.8.8:2", "9.9.9.9:1", "[2606:4700::1]:1", "10.0.0.1:1", "192.0.2.10:3478"];
const QUOTA: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(is_dual, is_even)| Step::Allocate { is_dual, is_even }),
        2 => prop::sample::select(vec![0, 600, 5000]).prop_map(Step::Refresh),
        4 => prop::collection::vec(0..PEERS.len(), 1..3).prop_map(Step::Permit),
        4 => (0x3FFFu16..0x4004, 0..PEERS.len()).prop_map(|(number, peer)| Step::Bind(number, peer)),
        4 => (0..PEERS.len()).prop_map(Step::Send),
        4 => (0x3FFFu16..0x4004).prop_map(Step::Speak),
        4 => (0..PEERS.len()).prop_map(Step::Arrive),
        2 => prop::sample::select(vec![1, 30, 299, 300, 301, 599, 600, 3600]).prop_map(Step::Wait),
        1 => Just(Step::Revoke),
    ]
}

/// What a client was promised.
#[derive(Default)]
struct Promise {
    relayed: Vec<std::net::SocketAddr>,
    expires: Option<Instant>,
    permissions: BTreeMap<std::net::IpAddr, Instant>,
    channels: BTreeMap<u16, (usize, Instant)>,
}

impl Promise {
    fn is_permitted(&self, peer: usize, now: Instant) -> bool {
        let ip = PEERS[peer].parse::<std::net::SocketAddr>().unwrap().ip();
        self.is_alive(now) && self.permissions.get(&ip).is_some_and(|until| *until > now)
    }

    fn is_alive(&self, now: Instant) -> bool {
        self.expires.is_some_and(|until| until > now)
    }

    fn permit(&mut self, peer: usize, now: Instant) {
        let ip = PEERS[peer].parse::<std::net::SocketAddr>().unwrap().ip();
        self.permissions.insert(ip, now + Duration::from_secs(300));
    }
}

fn run(world: &mut World, client: &mut Client, promise: &mut Promise, step: &Step) {
    let now = world.now;
    match step {
        Step::Allocate { is_dual, is_even } => {
            let response = client.ask(world, stun::ALLOCATE, |request| {
                let request = if *is_dual {
                    udp(request).attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
                } else {
                    udp(request)
                };
                if *is_even && !is_dual { request.attribute(attribute::EVEN_PORT, &[0x80]) } else { request }
            });
            assert!(response.code != 0 || !promise.is_alive(now), "two allocations on one 5-tuple");
            if response.code == 0 {
                let expires = now + Duration::from_secs(response.number(attribute::LIFETIME).into());
                *promise = Promise { relayed: response.relayed, expires: Some(expires), ..Promise::default() };
            }
        }
        Step::Refresh(seconds) => {
            let response = client.refresh(world, *seconds);
            assert_eq!(response.code == 0, promise.is_alive(now));
            if response.code == 0 {
                let granted = Duration::from_secs(response.number(attribute::LIFETIME).into());
                promise.expires = Some(now + granted);
            }
        }
        Step::Permit(peers) => {
            let names: Vec<_> = peers.iter().map(|peer| PEERS[*peer]).collect();
            if client.permit(world, &names) == 0 {
                peers.iter().for_each(|peer| promise.permit(*peer, now));
            }
        }
        Step::Bind(number, peer) => {
            if client.bind(world, *number, PEERS[*peer]) == 0 {
                promise.permit(*peer, now);
                promise.channels.insert(*number, (*peer, now + Duration::from_secs(600)));
            }
        }
        Step::Send(peer) => {
            let got = client.indicate(world, PEERS[*peer], b"x");
            let may = promise.is_permitted(*peer, now) && *peer < 4;
            assert_eq!(matches!(got, Got::ToPeer { .. }), may, "{got:?} to {}", PEERS[*peer]);
        }
        Step::Speak(number) => {
            let got = client.speak(world, *number, b"x");
            let bound = promise.channels.get(number).filter(|(_, until)| *until > now && promise.is_alive(now));
            match (got, bound) {
                (Got::ToPeer { peer, .. }, Some((bound, _))) => assert_eq!(peer, PEERS[*bound].parse().unwrap()),
                (got, bound) => assert_eq!((got, bound.is_some()), (Got::Nothing, false)),
            }
        }
        Step::Arrive(peer) => {
            let from: std::net::SocketAddr = PEERS[*peer].parse().unwrap();
            let relayed = promise.relayed.iter().find(|relayed| Family::of(relayed.ip()) == Family::of(from.ip()));
            // After the end of an allocation its address may be another's.
            let got = relayed.and_then(|relayed| world.receiver(*relayed, from));
            assert_eq!(got == Some(client.tuple), relayed.is_some() && promise.is_permitted(*peer, now) && *peer < 4);
        }
        Step::Wait(_) | Step::Revoke => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn only_what_was_promised_is_relayed_and_everything_is_given_back(
        steps in prop::collection::vec((0usize..6, step()), 1..60),
    ) {
        let quota = Quota { allocations: u32::try_from(QUOTA).ok(), ..Quota::default() };
        let mut world = World::with(Config { limits: Limits { user: quota, ..Limits::default() }, ..config() });
        let all = world.relay.free_ports();
        let client = |port: u16| {
            let (name, password) = if port <= 4 { ("ada", "pass") } else { ("bob", "word") };
            Client::new(&format!("198.18.0.1:{port}"), name, password)
        };
        let mut clients: Vec<_> = (1..=6).map(|port| (client(port), Promise::default())).collect();
        for (who, step) in &steps {
            if let Step::Wait(seconds) = step {
                world.pass(Duration::from_secs(*seconds));
                clients.iter_mut().for_each(|(client, _)| client.nonce.clear());
            }
            if let Step::Revoke = step {
                let name = clients[*who].0.username.clone();
                world.relay.revoke_user(&name, 0, world.now);
                world.drain();
                let of_it = clients.iter_mut().filter(|(client, _)| client.username == name);
                of_it.for_each(|(_, promise)| *promise = Promise::default());
            }
            let (client, promise) = &mut clients[*who];
            run(&mut world, client, promise, step);
            let is_alive = |(client, promise): &&(Client, Promise)| client.username == "ada" && promise.is_alive(world.now);
            prop_assert!(clients.iter().filter(is_alive).count() <= QUOTA);
            let ports: BTreeSet<_> = world.sockets.values().map(|(_, address)| *address).collect();
            prop_assert_eq!(ports.len(), world.sockets.len());
            prop_assert!(world.relay.poll_timeout().is_some() || world.relay.is_empty());
        }
        world.pass(Duration::from_secs(3601));
        prop_assert!(world.relay.is_empty() && world.sockets.is_empty());
        prop_assert_eq!((world.relay.free_ports(), world.relay.poll_timeout()), (all, None));
    }
}
