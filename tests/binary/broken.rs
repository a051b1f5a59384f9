//! A mistake in the SFU: what becomes of a panic on one media worker. The binary has no way to cause one, so its parts are put together here,
//! with a handler that breaks when it is told to.
#[path = "../../src/media.rs"]
mod media;

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stoa_base_net::{Context, Datagram, Features, Group, Handler, Passed};
use stoa_signaling_core::Limits;
use stoa_signaling_core::token::Keys;
use stoa_signaling_server::{Config, Server as Signaling, StunAddress};

use crate::server::Server;
use crate::sfu_client::{Peer, until};

struct Fragile<H>(H);

impl<H: Handler> Handler for Fragile<H> {
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool {
        datagram == BREAKS || self.0.claims(datagram, from)
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        assert!(datagram.bytes != BREAKS, "broken on purpose");
        self.0.handle_datagram(context, datagram);
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        self.0.handle_passed(context, passed);
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

/// In the place that the relay has: answers with how often it was asked.
#[derive(Default)]
struct Beside(u8);

impl Handler for Beside {
    fn claims(&self, datagram: &[u8], _from: SocketAddr) -> bool {
        datagram == ASKS
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        self.0 += 1;
        context.send(datagram.socket, datagram.from, datagram.local, &[&[self.0]]);
    }

    fn handle_timeout(&mut self, _context: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn ask(socket: &UdpSocket, udp: SocketAddr) -> u8 {
    let mut room = [0];
    socket.send_to(ASKS, udp).unwrap();
    socket.recv_from(&mut room).unwrap();
    room[0]
}

/// Signaling and two media workers, put together as the binary does it.
async fn start() -> (Server, Group, Signaling) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let prepared = media::prepare(&[any], &[], &[IpAddr::V4(Ipv4Addr::LOCALHOST)]).unwrap();
    let handlers = prepared.handlers();
    let handlers = move |worker| -> Vec<Box<dyn Handler>> {
        vec![Box::new(Fragile(handlers(worker))), Box::new(Beside::default())]
    };
    let group = Group::start_with(&[any], 2, Features::ALL, handlers).unwrap();
    let media = prepared.start(&group, 0).unwrap();
    let signaling = Signaling::start(Config {
        listen: any,
        tls: None,
        allowed_origins: Vec::new(),
        stun: StunAddress::default(),
        limits: Limits { mesh_max: 0, ..Limits::default() },
        trusted_proxies: Vec::new(),
        keys: Keys::new(None, [7; 32]),
        seed: [8; 32],
        assets: |_| None,
        documents: None,
        chat: None,
        media: Some(media),
        routes: Default::default(),
        render_metrics: Arc::new(String::new),
    });
    let signaling = signaling.await.unwrap();
    (Server::of(signaling.address(), group.addresses()[0]), group, signaling)
}

/// Two people of a room who see and hear each other.
async fn pair(server: &Server, room: &str) -> [Peer; 2] {
    let mut peers =
        [Peer::enter_room(server, room, "Ada", None).await, Peer::enter_room(server, room, "Bob", None).await];
    meet(&mut peers).await;
    peers
}

async fn meet(peers: &mut [Peer; 2]) {
    for peer in peers.iter_mut() {
        peer.publish().await;
    }
    let mut peers: Vec<_> = peers.iter_mut().collect();
    until(&mut peers, "all tracks", |peers| peers.iter().all(|peer| peer.tracks("", None).len() == 2)).await;
    for peer in &mut peers {
        let tracks = peer.tracks("", None);
        peer.wish(&tracks, json!({})).await;
    }
    until(&mut peers, "media", |peers| peers.iter().all(|peer| heard(peer) >= 20)).await;
}

/// The packets of the track that least has come of.
fn heard(peer: &Peer) -> usize {
    peer.tracks("", None).iter().map(|track| peer.packets(*track).len()).min().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_on_one_worker_ends_its_calls_and_they_come_back() {
    let (server, group, signaling) = start().await;
    // Rooms take turns on the workers.
    let (mut first, mut second) = (pair(&server, "first").await, pair(&server, "second").await);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(ask(&socket, server.udp), 1);
    socket.send_to(BREAKS, server.udp).unwrap();
    {
        let [a, b] = &mut first;
        let [c, d] = &mut second;
        let is_closed = |peer: &&mut Peer| !peer.got("sfu_closed").is_empty();
        let peers = &mut [a, b, c, d];
        until(peers, "the end of two", |peers| peers.iter().filter(|peer| is_closed(peer)).count() == 2).await;
    }
    assert_eq!(ask(&socket, server.udp), 2, "whoever is beside it on the same worker goes on");
    let is_first = !first[0].got("sfu_closed").is_empty();
    let (broken, whole) = if is_first { (&mut first, &mut second) } else { (&mut second, &mut first) };
    let before = whole.iter().map(heard).min().unwrap_or_default();
    // They are told, and begin anew; the others go on meanwhile.
    meet(broken).await;
    let mut others: Vec<_> = whole.iter_mut().collect();
    until(&mut others, "media of the others", |peers| peers.iter().all(|peer| heard(peer) >= before + 20)).await;
    assert!(whole.iter().all(|peer| peer.got("sfu_closed").is_empty() && peer.got("track_ended").is_empty()));
    signaling.drain(Duration::from_secs(1)).await;
    group.stop();
}

const BREAKS: &[u8] = b"\x7fbreak";
const ASKS: &[u8] = b"\x7fask";
