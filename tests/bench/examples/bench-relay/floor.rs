//! A bare forwarder: recvmmsg and sendmmsg, bursts as the kernel hands them over, one table, and nothing of TURN.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::event::epoll;

use crate::Outcome;
use crate::crowd::{PAIR, REGISTER, RELAY};
use crate::datagrams::{Arrival, Endpoint, Outbox};

/// Serves on a free port until it is killed.
pub(crate) fn serve() -> Outcome<()> {
    let mut floor = Floor::open()?;
    println!("address 127.0.0.1:{}", floor.main.port());
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        epoll::wait(&floor.poller, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match usize::try_from(event.data.u64()).ok().and_then(|number| number.checked_sub(1)) {
                None => floor.serve_main()?,
                Some(relay) => floor.serve_relay(relay)?,
            }
        }
    }
}

struct Floor {
    poller: rustix::fd::OwnedFd,
    main: Endpoint,
    relays: Vec<Relay>,
    routes: HashMap<SocketAddrV4, Route>,
    /// Who waits for the other one of a pair.
    halves: BTreeMap<[u8; 6], SocketAddrV4>,
}

/// A socket towards one peer.
struct Relay {
    endpoint: Endpoint,
    client: SocketAddrV4,
    peer: SocketAddrV4,
    outbox: Outbox,
}

#[derive(Clone, Copy)]
enum Route {
    Client(SocketAddrV4),
    Relay(usize),
}

impl Floor {
    fn open() -> Outcome<Self> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let main = Endpoint::open(0)?;
        epoll::add(&poller, main.socket(), epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(Self { poller, main, relays: Vec::new(), routes: HashMap::new(), halves: BTreeMap::new() })
    }

    /// From clients.
    fn serve_main(&mut self) -> Outcome<()> {
        let (mut outbox, mut registrations, mut touched) = (Outbox::default(), Vec::new(), Vec::new());
        let Self { main, relays, routes, .. } = self;
        main.receive(|arrival| match routes.get(&arrival.from) {
            _ if arrival.bytes.first() == Some(&REGISTER) => {
                registrations.push((arrival.from, arrival.bytes.to_vec()));
            }
            Some(Route::Client(to)) => forward(&mut outbox, *to, arrival),
            Some(Route::Relay(number)) => {
                if let Some(relay) = relays.get_mut(*number) {
                    if relay.outbox.len() == 0 {
                        touched.push(*number);
                    }
                    forward(&mut relay.outbox, relay.peer, arrival);
                }
            }
            None => {}
        })?;
        if outbox.len() > 0 {
            main.send(&outbox)?;
        }
        for number in touched {
            if let Some(relay) = relays.get_mut(number) {
                relay.endpoint.send(&relay.outbox)?;
                relay.outbox.clear();
            }
        }
        registrations.into_iter().try_for_each(|(from, bytes)| self.register(from, &bytes))
    }

    /// From peers.
    fn serve_relay(&mut self, number: usize) -> Outcome<()> {
        let Some(relay) = self.relays.get_mut(number) else { return Ok(()) };
        let client = relay.client;
        let outbox = &mut relay.outbox;
        relay.endpoint.receive(|arrival| forward(outbox, client, arrival))?;
        if outbox.len() > 0 {
            self.main.send(outbox)?;
            outbox.clear();
        }
        Ok(())
    }

    /// Answers with the bytes that came, and the port of the client's own socket if it has one.
    fn register(&mut self, from: SocketAddrV4, bytes: &[u8]) -> Outcome<()> {
        let (Some(kind), Some(words)) = (bytes.get(1), bytes.get(10..).and_then(|rest| rest.first_chunk::<6>())) else {
            return Ok(());
        };
        let mut port = 0;
        match (*kind, *words) {
            (PAIR, pair) => match self.halves.get(&pair) {
                Some(other) if *other != from => {
                    self.routes.insert(from, Route::Client(*other));
                    self.routes.insert(*other, Route::Client(from));
                }
                _ => drop(self.halves.insert(pair, from)),
            },
            (RELAY, [a, b, c, d, high, low]) => {
                let peer = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
                port = self.open_relay(from, peer)?;
            }
            _ => {}
        }
        let mut outbox = Outbox::default();
        let answer = [bytes.get(..10).unwrap_or_default(), &port.to_be_bytes()].concat();
        outbox.add(Ipv4Addr::LOCALHOST, from, answer.len(), |text| text.extend(answer));
        self.main.send(&outbox)?;
        Ok(())
    }

    fn open_relay(&mut self, client: SocketAddrV4, peer: SocketAddrV4) -> Outcome<u16> {
        let endpoint = Endpoint::open(0)?;
        let port = endpoint.port();
        let number = self.relays.len();
        let data = epoll::EventData::new_u64(u64::try_from(number + 1)?);
        epoll::add(&self.poller, endpoint.socket(), data, epoll::EventFlags::IN)?;
        self.relays.push(Relay { endpoint, client, peer, outbox: Outbox::default() });
        self.routes.insert(client, Route::Relay(number));
        Ok(port)
    }
}

fn forward(outbox: &mut Outbox, to: SocketAddrV4, arrival: Arrival<'_>) {
    outbox.add(Ipv4Addr::LOCALHOST, to, arrival.segment, |text| text.extend(arrival.bytes));
}

const EVENTS: usize = 64;
