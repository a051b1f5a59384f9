//! Clients and peers that send at a given rate, and count what arrives and how late.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::crowd::{Crowd, PAIR, RELAY, address_of, channel_of};
use crate::datagrams::{Endpoint, Outbox};

/// Who speaks to whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Clients to clients, both relayed.
    Hairpin,
    /// The same; both allocations of a pair belong to the same one of so many workers, or to different ones.
    Workers { count: u16, same: bool },
    /// Clients to peers.
    Up,
    /// Peers to clients.
    Down,
}

impl FromStr for Flow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "hairpin" => Ok(Self::Hairpin),
            "same-worker" => Ok(Self::Workers { count: 2, same: true }),
            "two-workers" => Ok(Self::Workers { count: 2, same: false }),
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            other => Err(format!("there is no flow {other:?}")),
        }
    }
}

/// Who is there.
pub(crate) struct Setting {
    /// Or the bare forwarder.
    pub(crate) is_turn: bool,
    pub(crate) server: SocketAddrV4,
    /// At least two; even for clients that are each other's peers.
    pub(crate) clients: u32,
    pub(crate) flow: Flow,
}

/// A line of input.
#[derive(Deserialize)]
pub(crate) struct Order {
    /// Messages per second.
    rate: f64,
    milliseconds: u64,
    /// Messages of one client that leave together.
    burst: usize,
    /// Bytes of a message, the channel's header not counted.
    size: usize,
}

/// A line of output.
#[derive(Serialize)]
pub(crate) struct Figures {
    sent: u64,
    received: u64,
    p50_us: f64,
    p99_us: f64,
}

/// Everybody is ready to send.
pub(crate) struct Load {
    crowd: Crowd,
    peers: Endpoint,
    lanes: Vec<Lane>,
    /// Counts runs, so that what comes late is not counted in the next one.
    run: u32,
    is_down: bool,
    hears_at_peers: bool,
}

/// One sender.
struct Lane {
    source: Ipv4Addr,
    to: SocketAddrV4,
    channel: Option<u16>,
}

impl Load {
    pub(crate) fn open(setting: &Setting) -> Outcome<Self> {
        let mut crowd = Crowd::open(setting.server)?;
        let peers = Endpoint::open(0)?;
        let port = peers.port();
        let peer = |index| SocketAddrV4::new(peer_address(index), port);
        let everybody = 0..setting.clients;
        let mut relayed = Vec::new();
        match (setting.flow, setting.is_turn) {
            (Flow::Hairpin | Flow::Workers { .. }, true) => pair_up(&mut crowd, setting)?,
            (Flow::Hairpin | Flow::Workers { .. }, false) => {
                let pair = |index: u32| {
                    let [a, b, c, d] = (index / 2).to_be_bytes();
                    [PAIR, a, b, c, d, 0, 0]
                };
                crowd.register(everybody, pair)?;
            }
            (Flow::Up | Flow::Down, true) => {
                crowd.allocate(everybody.clone())?;
                crowd.bind(everybody, peer)?;
                relayed = crowd.members.values().filter_map(|member| member.relayed).collect();
            }
            (Flow::Up | Flow::Down, false) => {
                let words = |index| {
                    let [a, b, c, d] = peer_address(index).octets();
                    let [high, low] = port.to_be_bytes();
                    [RELAY, a, b, c, d, high, low]
                };
                let mut answers = crowd.register(everybody, words)?;
                answers.sort_by_key(|answer| answer.index);
                let ports = answers.iter().filter_map(|answer| answer.bytes.get(10..)?.first_chunk());
                let ports = ports.map(|port| u16::from_be_bytes(*port));
                relayed = ports.map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).collect();
            }
        }
        let is_down = setting.flow == Flow::Down;
        let lanes = if is_down {
            let numbered = (0..).zip(relayed);
            numbered.map(|(index, to)| Lane { source: peer_address(index), to, channel: None }).collect()
        } else {
            let speakers = if setting.is_turn {
                crowd.members.keys().copied().collect()
            } else {
                (0..setting.clients).collect::<Vec<_>>()
            };
            let lane = |index| Lane { source: address_of(index), to: setting.server, channel: Some(channel_of(index)) };
            speakers.into_iter().map(lane).collect()
        };
        Ok(Self { crowd, peers, lanes, run: 0, is_down, hears_at_peers: setting.flow == Flow::Up })
    }

    /// Sends as ordered, isolated messages or bursts in turn from all senders, evenly over time.
    pub(crate) fn run(&mut self, order: &Order) -> Outcome<Figures> {
        self.run += 1;
        let (mut sent, mut delays) = (0, Vec::new());
        let (mut start, duration) = (Instant::now(), Duration::from_millis(order.milliseconds));
        let epoch = start;
        let bursts_per_second = order.rate / f64::from(u32::try_from(order.burst)?);
        let at_once = if order.burst == 1 { MESSAGES_AT_ONCE } else { BURSTS_AT_ONCE };
        let (mut bursts, mut next) = (0_u32, 0);
        let mut outbox = Outbox::default();
        while epoch.elapsed() < duration {
            let due = start.elapsed().as_secs_f64() * bursts_per_second;
            let late = due - f64::from(bursts);
            if late > f64::from(TOO_LATE) {
                // The generator was not given the core: what it missed is not made up for.
                start += Duration::from_secs_f64(late / bursts_per_second);
            } else if late >= 1.0 {
                outbox.clear();
                while outbox.len() < at_once && f64::from(bursts) + 1.0 <= due {
                    self.write(&mut outbox, next, order, epoch);
                    next = (next + 1) % self.lanes.len();
                    bursts += 1;
                }
                let speakers = if self.is_down { &self.peers } else { &self.crowd.endpoint };
                sent += u64::try_from(speakers.send(&outbox)? * order.burst)?;
            }
            self.listen(epoch, &mut delays)?;
        }
        self.listen_to_the_end(epoch, sent, &mut delays)?;
        let received = u64::try_from(delays.len())?;
        delays.sort_by(f64::total_cmp);
        let quantile = |share: usize| delays.get(delays.len() * share / 100).copied().unwrap_or(0.0);
        Ok(Figures { sent, received, p50_us: quantile(50), p99_us: quantile(99) })
    }

    /// One burst of one sender. Each message ends in the time at which it was written and the number of the run.
    fn write(&self, outbox: &mut Outbox, lane: usize, order: &Order, epoch: Instant) {
        let Some(lane) = self.lanes.get(lane) else { return };
        let header = lane.channel.map(|channel| {
            let length = u16::try_from(order.size).unwrap_or_default();
            [channel.to_be_bytes(), length.to_be_bytes()].concat()
        });
        let header = header.unwrap_or_default();
        let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or_default();
        outbox.add(lane.source, lane.to, header.len() + order.size, |bytes| {
            for _ in 0..order.burst {
                bytes.extend(&header);
                bytes.resize(bytes.len() + order.size - STAMP, 0);
                bytes.extend(now.to_be_bytes());
                bytes.extend(self.run.to_be_bytes());
            }
        });
    }

    /// Takes what has arrived, in microseconds of delay; whether there was something.
    fn listen(&mut self, epoch: Instant, delays: &mut Vec<f64>) -> Outcome<bool> {
        let run = self.run;
        let listeners = if self.hears_at_peers { &mut self.peers } else { &mut self.crowd.endpoint };
        let now = epoch.elapsed();
        let count = listeners.receive(|arrival| {
            for message in arrival.bytes.chunks(arrival.segment) {
                let Some((_, stamp)) = message.split_last_chunk::<STAMP>() else { continue };
                let [a, b, c, d, e, f, g, h, of_run @ ..] = *stamp;
                if u32::from_be_bytes(of_run) == run {
                    let written = Duration::from_nanos(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
                    delays.push(now.saturating_sub(written).as_secs_f64() * 1e6);
                }
            }
        })?;
        Ok(count > 0)
    }

    /// Waits for what is under way.
    fn listen_to_the_end(&mut self, epoch: Instant, sent: u64, delays: &mut Vec<f64>) -> Outcome<()> {
        let mut last = Instant::now();
        while u64::try_from(delays.len())? < sent && last.elapsed() < SILENCE {
            if self.listen(epoch, delays)? {
                last = Instant::now();
            }
        }
        Ok(())
    }
}

/// Allocates, and makes those who shall be each other's peers so.
fn pair_up(crowd: &mut Crowd, setting: &Setting) -> Outcome<()> {
    // Which worker a client meets is chance: four times as many as needed are asked.
    let candidates = if setting.flow == Flow::Hairpin { setting.clients } else { setting.clients * 4 };
    crowd.allocate(0..candidates)?;
    let mut left: Vec<(u32, SocketAddrV4)> =
        crowd.members.iter().filter_map(|(index, member)| Some((*index, member.relayed?))).collect();
    let mut pairs = Vec::new();
    while let Some((first, address)) = left.pop() {
        let fits = |(_, other): &(u32, SocketAddrV4)| match setting.flow {
            Flow::Workers { count, same } => (worker_of(address, count) == worker_of(*other, count)) == same,
            Flow::Hairpin | Flow::Up | Flow::Down => true,
        };
        if let Some(place) = left.iter().position(fits) {
            let (second, other) = left.swap_remove(place);
            pairs.push([(first, other), (second, address)]);
        }
        if pairs.len() * 2 == usize::try_from(setting.clients)? {
            break;
        }
    }
    if pairs.len() * 2 < usize::try_from(setting.clients)? {
        return Err("too few clients met the workers that they should".into());
    }
    for (index, peer) in pairs.iter().flatten() {
        crowd.permit(*index..index + 1, |_| *peer)?;
        crowd.bind(*index..index + 1, |_| *peer)?;
    }
    let used: Vec<u32> = pairs.iter().flatten().map(|(index, _)| *index).collect();
    crowd.members.retain(|index, _| used.contains(index));
    Ok(())
}

/// Relayed ports are dealt out to workers in pairs.
fn worker_of(relayed: SocketAddrV4, workers: u16) -> u16 {
    relayed.port() / 2 % workers
}

fn peer_address(index: u32) -> Ipv4Addr {
    let [_, _, b, c] = index.to_be_bytes();
    Ipv4Addr::new(127, 200, b, c)
}

/// Time and run at the end of each message.
const STAMP: usize = 12;
const MESSAGES_AT_ONCE: usize = 32;
const BURSTS_AT_ONCE: usize = 8;
/// Bursts, or messages, that are due at once only when the generator was held up.
const TOO_LATE: u32 = 64;
/// What has not come after so long is lost.
const SILENCE: Duration = Duration::from_millis(150);
