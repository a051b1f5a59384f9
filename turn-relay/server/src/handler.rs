use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stoa_base_net::{BindOptions, Context, Datagram, Handler, IcmpError, Insiders, Passed, SocketId};
use stoa_base_types::ConnectionId;
use stoa_turn_relay_core::{
    Event, FiveTuple, Frame, FromClient, Protocol, Relay, RelayId, SocketTag, ToClient, Transport, next_frame, stun,
};
use tokio::net::TcpStream;

use crate::counters::Counters;
use crate::mail::{Mail, Order};
use crate::outgoing::{Stream, Verdict};
use crate::shared::{Shared, lock, tag_of, wall_clock};
use crate::story::Report;
use crate::tcp_relay::TcpRelays;

/// The relay of one worker.
pub(crate) struct RelayHandler {
    relay: Relay,
    worker: usize,
    shared: Arc<Shared>,
    /// By socket id: the sockets of relayed addresses.
    bound: Vec<Option<Bound>>,
    streams: HashMap<ConnectionId, Arc<Stream>>,
    counters: Counters,
    /// When the counters are shown next; `None` while nothing happens.
    show_at: Option<Instant>,
    clock_told_at: Instant,
    /// Which keys of nonces the relay has.
    nonce_generation: u64,
    tcp: TcpRelays,
    /// A passed message is put together here.
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    relay: RelayId,
    dont_fragment: bool,
}

/// A client's message on its way to the relay.
#[derive(Clone, Copy)]
struct Incoming<'a> {
    tuple: FiveTuple,
    bytes: &'a [u8],
    /// Another worker handed it over; that happens once.
    was_passed: bool,
}

impl RelayHandler {
    pub(crate) fn new(shared: Arc<Shared>, worker: usize) -> Self {
        Self {
            relay: shared.relay(worker),
            worker,
            tcp: TcpRelays::new(worker, Arc::clone(&shared)),
            shared,
            bound: Vec::new(),
            streams: HashMap::new(),
            counters: Counters::default(),
            show_at: None,
            clock_told_at: Instant::now(),
            // Asked for again at once: there may have been newer ones in the meantime.
            nonce_generation: u64::MAX,
            scratch: Vec::new(),
        }
    }

    /// Brings the relay's clock and keys up to date.
    fn keep_up(&mut self, now: Instant) {
        if now.saturating_duration_since(self.clock_told_at) >= CLOCK_INTERVAL {
            self.clock_told_at = now;
            self.relay.set_clock(wall_clock(now));
            self.shared.rotate_nonce_key(now);
        }
        self.shared.tell_nonce_keys(&mut self.relay, &mut self.nonce_generation);
    }

    fn handle_message(&mut self, context: &mut Context<'_>, incoming: Incoming<'_>) {
        let Incoming { tuple, bytes, was_passed } = incoming;
        let now = context.now();
        if stun::is_stun(bytes) {
            self.keep_up(now);
        }
        let mut is_bind = tuple.transport.is_stream() && stun::is_connection_bind(bytes);
        let from_client = if was_passed {
            self.relay.handle_handed_over(tuple, bytes, now)
        } else {
            self.relay.handle_client(tuple, bytes, now)
        };
        match from_client {
            FromClient::Nothing => {}
            FromClient::Answer(answer) if tuple.transport.is_stream() => {
                if let Some(stream) = stream_of(&self.streams, &tuple) {
                    stream.push_answer(answer.bytes);
                }
            }
            FromClient::Answer(answer) => send_datagram(context, answer.from, answer.to, &[answer.bytes]),
            FromClient::ToPeer(to) => {
                let socket = SocketId(to.socket.0);
                if let Some(bound) =
                    bound_mut(&mut self.bound, socket).filter(|it| it.dont_fragment != to.dont_fragment)
                {
                    bound.dont_fragment = to.dont_fragment;
                    context.set_dont_fragment(socket, to.dont_fragment);
                }
                let payload = bytes.get(to.payload).unwrap_or_default();
                context.send(socket, to.peer, None, &[payload]);
            }
            FromClient::Hairpin { to, payload } => {
                let payload = bytes.get(payload).unwrap_or_default();
                self.send_wrapped(context, &to, payload);
            }
            FromClient::ToWorker { worker, to, from, payload } => {
                let payload = bytes.get(payload).unwrap_or_default();
                if let Some(tag) = self.tag_of(to) {
                    context.pass(worker, Passed { tag, from, bytes: payload });
                }
            }
            FromClient::ToMedia { to, from, payload } => {
                let local = self.shared.inner_address(to);
                if let Some((socket, _)) = door_of(context, local) {
                    context.send_to_self(socket, from, Some(local.ip()), bytes.get(payload).unwrap_or_default());
                }
            }
            FromClient::Elsewhere { worker } if !was_passed => {
                // Whoever handles it says what comes of it.
                is_bind &= !self.pass_message(context, worker, tuple, bytes);
            }
            FromClient::Elsewhere { .. } => self.counters.lost_messages += 1,
        }
        self.settle(context);
        if let Some(stream) = stream_of(&self.streams, &tuple).filter(|_| is_bind) {
            stream.decide(Verdict::Apart);
        }
    }

    /// Carries out what the relay wishes, and sends what had to wait.
    fn settle(&mut self, context: &mut Context<'_>) {
        while let Some(event) = self.relay.poll_event() {
            self.carry_out(context, event);
        }
        while let Some(transmit) = self.relay.poll_transmit() {
            if !transmit.to.transport.is_stream() {
                send_datagram(context, transmit.to.server, transmit.to.client, &[&transmit.bytes]);
            } else if let Some(stream) = stream_of(&self.streams, &transmit.to) {
                stream.push_answer(&transmit.bytes);
            }
        }
        if self.show_at.is_none() {
            self.show_at = Some(context.now() + SHOW_INTERVAL);
        }
    }

    fn carry_out(&mut self, context: &mut Context<'_>, event: Event) {
        match event {
            Event::Bind { relay, address, protocol } => {
                let options = BindOptions {
                    receive_buffer: Some(RELAY_BUFFER),
                    send_buffer: Some(RELAY_BUFFER),
                    dont_fragment: false,
                };
                if protocol == Protocol::Tcp {
                    let tag = self.tcp.listen(relay, address);
                    return self.relay.handle_bound(relay, tag, context.now());
                }
                let socket = context.bind(address, options).ok();
                if let Some(index) = socket.and_then(|socket| usize::try_from(socket.0).ok()) {
                    if self.bound.len() <= index {
                        self.bound.resize(index + 1, None);
                    }
                    if let Some(place) = self.bound.get_mut(index) {
                        *place = Some(Bound { relay, dont_fragment: false });
                    }
                }
                self.relay.handle_bound(relay, socket.map(|socket| SocketTag(socket.0)), context.now());
            }
            Event::Unbind { socket } if self.tcp.unlisten(socket) => {}
            Event::Unbind { socket } => {
                let socket = SocketId(socket.0);
                if let Some(place) = usize::try_from(socket.0).ok().and_then(|index| self.bound.get_mut(index)) {
                    *place = None;
                }
                context.close(socket);
            }
            Event::Connect { connection, relay, peer } => self.tcp.connect(connection, relay, peer),
            Event::Splice { connection, client } => self.splice(connection, &client, context.now()),
            Event::Disconnect { connection } => self.tcp.disconnect(connection),
            Event::Ended { tuple, end, .. } => {
                if let Some(stream) = stream_of(&self.streams, &tuple) {
                    stream.set_allocation(false);
                }
                tracing::debug!(?end, "allocation ended");
            }
        }
    }

    /// Hands a peer's connection to the client's, behind the answer that is queued there.
    fn splice(&mut self, connection: u32, client: &FiveTuple, now: Instant) {
        let junction = self.relay.meter(connection).and_then(|meter| self.tcp.take(connection, meter));
        match (stream_of(&self.streams, client), junction) {
            (Some(stream), Some(junction)) => stream.decide(Verdict::Joined(Box::new(junction))),
            (stream, _) => {
                if let Some(stream) = stream {
                    stream.close();
                }
                self.tcp.disconnect(connection);
                self.relay.handle_disconnected(connection, (0, 0), now);
            }
        }
    }

    fn handle_accepted(&mut self, relay: RelayId, peer: SocketAddr, stream: TcpStream, now: Instant) {
        // Dropping it closes it.
        if let Some(connection) = self.relay.handle_accepted(relay, peer, now) {
            let _ = stream.set_nodelay(true);
            self.tcp.keep(connection, stream);
        }
    }

    fn handle_connected(&mut self, connection: u32, stream: Option<TcpStream>, now: Instant) {
        self.tcp.disconnect(connection);
        let is_open = stream.is_some();
        if let Some(stream) = stream {
            self.tcp.keep(connection, stream);
        }
        self.relay.handle_connected(connection, is_open, now);
    }

    fn send_wrapped(&mut self, context: &mut Context<'_>, to: &ToClient, payload: &[u8]) {
        let padding = [0; 3];
        let parts = [to.head.as_bytes(), payload, padding.get(..to.padding).unwrap_or_default()];
        if !to.client.transport.is_stream() {
            return send_datagram(context, to.client.server, to.client.client, &parts);
        }
        let stream = stream_of(&self.streams, &to.client);
        if stream.is_none_or(|stream| !stream.push_data(&parts)) {
            self.counters.lost_payload += 1;
        }
    }

    /// Hands a client's message to the worker that has its allocation; false when that does not take it.
    fn pass_message(&mut self, context: &mut Context<'_>, worker: usize, tuple: FiveTuple, bytes: &[u8]) -> bool {
        if !tuple.transport.is_stream() {
            self.scratch.clear();
            let ip = match tuple.server.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            self.scratch.extend_from_slice(&ip.octets());
            self.scratch.extend_from_slice(&tuple.server.port().to_be_bytes());
            self.scratch.extend_from_slice(bytes);
            return context.pass(worker, Passed { tag: MESSAGE, from: tuple.client, bytes: &self.scratch });
        }
        let stream = stream_of(&self.streams, &tuple).map(Arc::clone);
        let sent = stream.zip(self.shared.mailbox.get()).is_some_and(|(stream, mailbox)| {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            mailbox.send(worker, Box::new(Mail::Messages { stream, bytes, permit: None })).is_ok()
        });
        if !sent {
            self.counters.lost_messages += 1;
        }
        sent
    }

    /// How a passed datagram names the relayed address that it is for.
    fn tag_of(&self, to: SocketAddr) -> Option<u64> {
        let index = self.shared.addresses.iter().position(|address| address.external == to.ip())?;
        tag_of(index, to.port())
    }

    fn relayed_of(&self, tag: u64) -> Option<SocketAddr> {
        let index = usize::try_from(tag >> 16).ok()?;
        let [.., high, low] = tag.to_be_bytes();
        Some((self.shared.addresses.get(index)?.external, u16::from_be_bytes([high, low])).into())
    }

    fn handle_messages(&mut self, context: &mut Context<'_>, stream: &Arc<Stream>, bytes: &[u8], was_passed: bool) {
        let tuple = stream.tuple;
        if let Some(connection) = connection_of(&tuple) {
            self.streams.entry(connection).or_insert_with(|| Arc::clone(stream));
        }
        let mut rest = bytes;
        while let Ok(Frame::Complete { message, taken }) = next_frame(rest) {
            let bytes = rest.get(message).unwrap_or_default();
            self.handle_message(context, Incoming { tuple, bytes, was_passed });
            rest = rest.get(taken..).unwrap_or_default();
        }
        // Another worker may have the allocation, so only one that is here says anything.
        if self.relay.is_client(&tuple) {
            stream.set_allocation(true);
        }
    }

    fn handle_order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Revoke(revocation) => revocation.carry_out(&mut self.relay, now),
            Order::Reconfigure => {
                let settings = lock(&self.shared.settings).clone();
                self.relay.reconfigure(settings.credentials, settings.policy, settings.limits);
            }
            Order::Drain => self.relay.drain(),
            // Whoever asked may have gone.
            Order::Report(answer) => drop(answer.send(Report::of(&self.relay, self.worker))),
        }
    }
}

impl Handler for RelayHandler {
    fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
        // ChannelData begins with 0x40 to 0x7F.
        stun::is_stun(datagram) || datagram.first().is_some_and(|byte| matches!(byte, 0x40..=0x7F))
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        let Datagram { bytes, socket, from, local } = datagram;
        if let Some(bound) = bound_mut(&mut self.bound, socket).copied() {
            if let Some(to) = self.relay.handle_peer_datagram(bound.relay, from, bytes, context.now()) {
                self.send_wrapped(context, &to, bytes);
            }
            return self.settle(context);
        }
        let door = usize::try_from(socket.0).ok().filter(|index| *index < context.listening_count());
        let Some(door) = door.map(|index| context.listening(index)) else { return };
        let server = SocketAddr::new(local.unwrap_or_else(|| door.ip()), door.port());
        let tuple = FiveTuple::new(Transport::Udp, from, server);
        self.handle_message(context, Incoming { tuple, bytes, was_passed: false });
    }

    fn handle_passed(&mut self, context: &mut Context<'_>, passed: Passed<'_>) {
        let Passed { tag, from, bytes } = passed;
        if tag == MESSAGE {
            let Some((ip, rest)) = bytes.split_first_chunk::<16>() else { return };
            let Some((port, bytes)) = rest.split_first_chunk::<2>() else { return };
            let server = SocketAddr::new(Ipv6Addr::from(*ip).to_canonical(), u16::from_be_bytes(*port));
            let tuple = FiveTuple::new(Transport::Udp, from, server);
            return self.handle_message(context, Incoming { tuple, bytes, was_passed: true });
        }
        let Some(to) = self.relayed_of(tag & !MEDIA) else { return };
        if tag & MEDIA != 0 {
            let from = if from.ip().is_unspecified() { SocketAddr::new(to.ip(), from.port()) } else { from };
            let from = self.shared.outer_address(from);
            if let Some(to) = self.relay.handle_media(to, from, bytes, context.now()) {
                self.send_wrapped(context, &to, bytes);
            }
            return self.settle(context);
        }
        if let Some(to) = self.relay.handle_passed(to, from, bytes, context.now()) {
            self.send_wrapped(context, &to, bytes);
        }
        self.settle(context);
    }

    fn insiders(&self) -> Option<Insiders> {
        let shared = Arc::clone(&self.shared);
        Some(Arc::new(move |to| shared.find_relayed(to).map(|(worker, tag)| (worker, tag | MEDIA))))
    }

    fn handle_icmp(&mut self, context: &mut Context<'_>, error: IcmpError) {
        let Some(bound) = bound_mut(&mut self.bound, error.socket).copied() else { return };
        let what = (error.kind, error.code, error.data);
        if let Some(to) = self.relay.handle_icmp(bound.relay, error.peer, what, context.now()) {
            self.send_wrapped(context, &to, &[]);
        }
        self.settle(context);
    }

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn Any + Send>) {
        let Ok(mail) = mail.downcast::<Mail>() else { return };
        match *mail {
            Mail::Messages { stream, bytes, permit } => {
                self.handle_messages(context, &stream, &bytes, permit.is_none());
            }
            Mail::Closed(tuple) => {
                connection_of(&tuple).map(|connection| self.streams.remove(&connection));
                self.relay.handle_closed(&tuple);
            }
            Mail::Order(order) => self.handle_order(order, context.now()),
            Mail::Accepted { relay, peer, stream } => self.handle_accepted(relay, peer, stream, context.now()),
            Mail::Connected { connection, stream } => self.handle_connected(connection, stream, context.now()),
            Mail::Disconnected { connection, carried } => {
                self.tcp.disconnect(connection);
                self.relay.handle_disconnected(connection, carried, context.now());
            }
        }
        self.settle(context);
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        if self.relay.poll_timeout().is_some_and(|at| at <= now) {
            self.relay.handle_timeout(now);
            self.settle(context);
        }
        if self.show_at.is_some_and(|at| at <= now) {
            self.show_at = None;
            self.counters.show(&self.relay);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.relay.poll_timeout().into_iter().chain(self.show_at).min()
    }
}

/// Sends to a client from our address that it talks to.
fn send_datagram(context: &mut Context<'_>, from: SocketAddr, to: SocketAddr, parts: &[&[u8]]) {
    let Some((socket, door)) = door_of(context, from) else { return };
    let local = (door.ip().is_unspecified() && !from.ip().is_unspecified()).then(|| from.ip());
    context.send(socket, to, local, parts);
}

/// The listening socket that has one of our addresses.
fn door_of(context: &Context<'_>, own: SocketAddr) -> Option<(SocketId, SocketAddr)> {
    let doors = (0..context.listening_count()).map(|index| (index, context.listening(index)));
    let mut doors = doors.filter(|(_, door)| door.port() == own.port() && door.is_ipv6() == own.is_ipv6());
    let (index, door) = doors.find(|(_, door)| door.ip() == own.ip() || door.ip().is_unspecified())?;
    Some((SocketId(u32::try_from(index).ok()?), door))
}

fn bound_mut(bound: &mut [Option<Bound>], socket: SocketId) -> Option<&mut Bound> {
    bound.get_mut(usize::try_from(socket.0).ok()?)?.as_mut()
}

fn stream_of<'a>(streams: &'a HashMap<ConnectionId, Arc<Stream>>, tuple: &FiveTuple) -> Option<&'a Arc<Stream>> {
    streams.get(&connection_of(tuple)?)
}

/// The connection of a stream's client.
const fn connection_of(tuple: &FiveTuple) -> Option<ConnectionId> {
    match tuple.transport {
        Transport::Udp => None,
        Transport::Tcp(connection) | Transport::Tls(connection) => Some(connection),
    }
}

/// The tag of a client's message; other tags are relayed addresses.
const MESSAGE: u64 = u64::MAX;
/// Marks the tag of a datagram that a media handler sent to a relayed address.
const MEDIA: u64 = 1 << 48;
/// How often the time of day is asked for while there are requests.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// How old the numbers in the metrics may be.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes in each direction of a relayed address: 100 ms of 20 Mbit/s.
const RELAY_BUFFER: usize = 256 << 10;
