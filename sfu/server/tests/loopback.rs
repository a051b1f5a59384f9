//! Two participants call over real sockets, through two workers. Sessions live on worker 0 whatever socket the kernel chooses.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "it is a driver: it owns the clock")]
#![forbid(unsafe_code)]

use std::any::Any;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use stoa_base_net::{Context, Datagram, Features, Group, Handler, Passed, SocketId};
use stoa_sfu_core::{
    Announced, Certificate, Command, Kind, RoomKey, SessionKey, ShardError, ShardEvent, ShortId, TrackId, Wish,
};
use stoa_sfu_server::{Control, Endpoint, Endpoints, News, SfuHandler, SfuOptions};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

const ROOM: RoomKey = RoomKey(1);
const TRACK: TrackId = TrackId(1);

struct Server {
    group: Group,
    control: Control,
    news: Receiver<News>,
}

impl Server {
    fn start() -> Self {
        // The address is needed before the group has it: a candidate names the port.
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (sender, news) = sync_channel(1_024);
        let endpoint = Endpoint { public: address, socket: SocketId(0), local: None };
        let certificate = Certificate::generate().unwrap();
        let options = SfuOptions { certificate, endpoints: Endpoints::new(vec![endpoint]), news: sender };
        let make =
            move |worker| -> Vec<Box<dyn Handler>> { vec![Box::new(Fragile(SfuHandler::new(worker, &options)))] };
        let group = Group::start_with(&[address], 2, Features::ALL, make).unwrap();
        let control = Control::new(group.mailbox(0));
        let server = Self { group, control, news };
        for _ in 0..2 {
            assert!(matches!(server.hear(), News::Began { .. }));
        }
        server
    }

    fn order(&self, command: Command) {
        self.order_on(0, command);
    }

    fn order_on(&self, worker: usize, command: Command) {
        self.control.order(worker, 9, command).unwrap();
    }

    /// The next thing told; a test that waits in vain fails.
    fn hear(&self) -> News {
        self.news.recv_timeout(PATIENCE).unwrap()
    }

    /// Lets a participant join with an offer, and hands it the answer.
    fn join(&self, client: &mut Client, session: u64, tracks: Vec<Announced>) {
        self.join_on(0, client, session, tracks);
    }

    fn join_on(&self, on: usize, client: &mut Client, session: u64, tracks: Vec<Announced>) {
        let session = SessionKey(session);
        self.order_on(on, Command::Join { session, room: ROOM });
        let (sdp, pending) = client.offer.take().unwrap();
        self.order_on(on, Command::Offer { session, offer: 1, sdp, tracks });
        loop {
            if let News::Event { worker, event: ShardEvent::Answer { sdp, .. } } = self.hear() {
                assert_eq!(worker, on);
                let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
                client.rtc.sdp_api().accept_answer(pending, answer).unwrap();
                return;
            }
        }
    }
}

/// A handler with a mistake that can be triggered: by a datagram of the right bytes, on the worker that the kernel gives it to.
struct Fragile(SfuHandler);

const BREAKS: &[u8] = b"\x7fbreak";

impl Handler for Fragile {
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

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    offer: Option<(String, SdpPendingOffer)>,
    mid: Mid,
    is_connected: bool,
    received: Vec<Vec<u8>>,
    due: Instant,
}

impl Client {
    fn new(direction: Direction) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let address = socket.local_addr().unwrap();
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Audio, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let offer = Some((offer.to_sdp_string(), pending));
        Self { rtc, socket, address, offer, mid, is_connected: false, received: Vec::new(), due: Instant::now() }
    }

    fn publish(&mut self, number: u64) {
        let pt = self.rtc.codec_config().params()[0].pt();
        let time = u32::try_from(number * 960).unwrap();
        let packet = RtpWrite::new(pt, number.into(), time, Instant::now(), vec![7; 60]);
        self.rtc.direct_api().stream_tx_by_mid(self.mid, None).unwrap().write_rtp(packet);
        self.due = Instant::now();
    }

    /// One turn: what has come, what is due, what is to be sent.
    fn turn(&mut self) {
        self.drain();
        let mut room = [0; 2_000];
        if let Ok((length, from)) = self.socket.recv_from(&mut room)
            && let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, &room[..length])
        {
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
        } else if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination).unwrap();
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.received.push(packet.payload.to_vec()),
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }
}

/// Runs participants until all is as it should be.
fn until(clients: &mut [Client], mut is_done: impl FnMut(&mut [Client]) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_done(clients) {
        assert!(Instant::now() < end, "waited in vain");
        clients.iter_mut().for_each(Client::turn);
    }
}

#[test]
fn participants_call_through_whatever_worker_the_kernel_chooses() {
    let server = Server::start();
    let mut clients: Vec<_> =
        (0..6).map(|index| Client::new(if index == 0 { Direction::SendOnly } else { Direction::RecvOnly })).collect();
    for (session, client) in (1..).zip(&mut clients) {
        let mid = ShortId::new(&client.mid).unwrap();
        let tracks = if session == 1 { vec![Announced { mid, track: TRACK, kind: Kind::Audio }] } else { Vec::new() };
        server.join(client, session, tracks);
    }
    until(&mut clients, |clients| clients.iter().all(|client| client.is_connected));
    for session in 2..=6 {
        server.order(Command::Wish { session: SessionKey(session), track: TRACK, wish: Some(Wish::default()) });
    }
    let mut number = 0;
    until(&mut clients, |clients| {
        number += 1;
        clients[0].publish(number);
        clients[1..].iter().all(|client| client.received.len() >= 20)
    });
    assert!(clients[1].received.iter().all(|payload| *payload == [7; 60]));
    server.order(Command::Leave { session: SessionKey(77) });
    loop {
        if let News::Refused { worker, ticket, why } = server.hear() {
            assert_eq!((worker, ticket, why), (0, 9, ShardError::UnknownSession(SessionKey(77))));
            break;
        }
    }
    server.group.stop();
}

#[test]
fn datagrams_of_strangers_are_left_to_others() {
    let server = Server::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    for bytes in [&[0_u8; 20][..], &[22; 60], &[128; 60]] {
        socket.send_to(bytes, server.group.addresses()[0]).unwrap();
    }
    assert!(socket.recv_from(&mut [0; 100]).is_err(), "nobody answers");
    server.group.stop();
}

/// A publisher and a subscriber on one worker.
fn pair(server: &Server, worker: usize, first: u64, track: u64) -> [Client; 2] {
    let mut clients = [Client::new(Direction::SendOnly), Client::new(Direction::RecvOnly)];
    let mid = ShortId::new(&clients[0].mid).unwrap();
    let track = TrackId(track);
    server.join_on(worker, &mut clients[0], first, vec![Announced { mid, track, kind: Kind::Audio }]);
    server.join_on(worker, &mut clients[1], first + 1, Vec::new());
    until(&mut clients, |clients| clients.iter().all(|client| client.is_connected));
    server.order_on(worker, Command::Wish { session: SessionKey(first + 1), track, wish: Some(Wish::default()) });
    clients
}

/// The publisher is heard, from whatever number on.
fn is_heard(clients: &mut [Client], number: &mut u64) {
    let before = clients[1].received.len();
    until(clients, |clients| {
        *number += 1;
        clients[0].publish(*number);
        clients[1].received.len() >= before + 10
    });
}

#[test]
fn a_panic_on_one_worker_is_told_and_felt_nowhere_else() {
    let server = Server::start();
    let (mut numbers, mut calls) = ([0, 0], [pair(&server, 0, 1, 1), pair(&server, 1, 11, 11)]);
    for (clients, number) in calls.iter_mut().zip(&mut numbers) {
        is_heard(clients, number);
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(BREAKS, server.group.addresses()[0]).unwrap();
    let broken = loop {
        if let News::Began { worker } = server.hear() {
            break worker;
        }
    };
    let other = 1 - broken;
    is_heard(&mut calls[other], &mut numbers[other]);
    // The sessions of the broken one are gone, and newcomers find room.
    server.order_on(broken, Command::Leave { session: SessionKey(1 + 10 * broken as u64) });
    loop {
        if let News::Refused { worker, why: ShardError::UnknownSession(_), .. } = server.hear() {
            assert_eq!(worker, broken);
            break;
        }
    }
    let mut again = pair(&server, broken, 101, 101);
    is_heard(&mut again, &mut 0);
    server.group.stop();
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
