//! One publisher and many subscribers, and the worker between them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stoa_base_net::{Features, Group, Handler, Mailbox};
use stoa_sfu_core::{
    Announced, Certificate, Command, Kind, RoomKey, SessionKey, Shard, ShardConfig, ShardEvent, ShortId, TrackId, Wish,
};
use str0m::media::Direction;

use crate::client::Client;
use crate::handler::{Meter, Metered, Order};
use crate::{Outcome, PACE};

/// Prints a figure a line.
pub(crate) fn measure(is_paced: bool, subscribers: usize, burst: usize) -> Outcome<()> {
    let mut crowd = Crowd::start(is_paced)?;
    crowd.fill(subscribers)?;
    for session in 1..=subscribers {
        let session = SessionKey(u64::try_from(session)?);
        crowd.order(Command::Wish { session, track: TRACK, wish: Some(Wish::default()) })?;
        // One after the other: each path is probed at first, and hundreds of probes at once would measure this machine.
        crowd.publish(burst_pause(burst)?, burst)?;
    }
    crowd.publish(WARM_UP, burst)?;
    let before = (crowd.read()?, crowd.received());
    crowd.publish(MEASURED, burst)?;
    let after = (crowd.read()?, crowd.received());
    report(&before.0, &after.0, (after.1 - before.1, MEASURED, u64::try_from(subscribers)?));
    crowd.mailbox_send(Order::Watch(WATCHED))?;
    crowd.publish(WATCHING, burst)?;
    let (ours, others) = crowd.read()?.watched;
    println!("watched-ours {ours}\nwatched-others {others}");
    crowd.group.stop();
    Ok(())
}

/// Prints what a session costs until it is connected.
pub(crate) fn measure_set_up(subscribers: usize) -> Outcome<()> {
    let mut crowd = Crowd::start(true)?;
    let before = crowd.read()?;
    crowd.fill(subscribers)?;
    let spent = crowd.read()?.cpu - before.cpu;
    println!("set-up-us {:.1}", spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(subscribers + 1)?));
    crowd.group.stop();
    Ok(())
}

fn report(before: &Meter, after: &Meter, (received, time, subscribers): (u64, Duration, u64)) {
    let forwarded = (after.forwarded - before.forwarded) as f64;
    let published = f64::from(PACE) * time.as_secs_f64() * subscribers as f64;
    println!("forward-ns {:.0}", (after.cpu - before.cpu).as_nanos() as f64 / forwarded);
    println!("allocations {:.3}", (after.allocations - before.allocations) as f64 / forwarded);
    println!("run-length {:.2}", (after.sent - before.sent) as f64 / (after.runs - before.runs).max(1) as f64);
    println!("sent-share {:.3}", (after.sent - before.sent) as f64 / forwarded);
    println!("forwarded-share {:.3}", forwarded / published);
    println!("feedback-share {:.3}", (after.datagrams - before.datagrams) as f64 / forwarded);
    println!("received-share {:.3}", received as f64 / forwarded);
    println!("share-of-core {:.3}", (after.cpu - before.cpu).as_secs_f64() / time.as_secs_f64());
}

struct Crowd {
    group: Group,
    mailbox: Mailbox,
    server: SocketAddr,
    events: Receiver<ShardEvent>,
    clients: Vec<Client>,
}

impl Crowd {
    fn start(is_paced: bool) -> Outcome<Self> {
        // The address is needed before the group has it: a candidate names the port.
        let server = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let certificate = Certificate::generate().ok_or("no randomness")?;
        let (sender, events) = sync_channel(EVENTS);
        let config = ShardConfig { certificate, addresses: vec![server], worker: 0 };
        let make = move |_| -> Vec<Box<dyn Handler>> {
            let new = if is_paced { Shard::new } else { Shard::without_congestion_control };
            vec![Box::new(Metered::new(new(config.clone()), server, sender.clone()))]
        };
        let group = Group::start_with(&[server], 1, Features::ALL, make)?;
        let mailbox = group.mailbox(0);
        Ok(Self { group, mailbox, server, events, clients: Vec::new() })
    }

    fn mailbox_send(&self, order: Order) -> Outcome<()> {
        self.mailbox.send(0, Box::new(order)).map_err(|_| "the worker has too much mail".into())
    }

    fn order(&self, command: Command) -> Outcome<()> {
        self.mailbox_send(Order::Command(command))
    }

    fn read(&self) -> Outcome<Meter> {
        let (sender, answer) = sync_channel(1);
        self.mailbox_send(Order::Read(sender))?;
        Ok(answer.recv_timeout(PATIENCE)?)
    }

    /// A publisher and so many subscribers come and connect.
    fn fill(&mut self, subscribers: usize) -> Outcome<()> {
        for index in 0..=subscribers {
            self.join(if index == 0 { Direction::SendOnly } else { Direction::RecvOnly })?;
        }
        self.until(|clients| clients.iter().all(|client| client.is_connected))
    }

    fn join(&mut self, direction: Direction) -> Outcome<()> {
        let mut client = Client::new(self.server, direction)?;
        let session = SessionKey(u64::try_from(self.clients.len())?);
        let mid = ShortId::new(&client.mid).ok_or("a mid too long")?;
        let tracks = vec![Announced { mid, track: TRACK, kind: Kind::Video }];
        let tracks = if direction == Direction::SendOnly { tracks } else { Vec::new() };
        self.order(Command::Join { session, room: RoomKey(1) })?;
        self.order(Command::Offer { session, offer: 1, sdp: client.offer.clone(), tracks })?;
        loop {
            if let ShardEvent::Answer { session: whose, sdp, .. } = self.events.recv_timeout(PATIENCE)?
                && whose == session
            {
                client.accept(&sdp)?;
                break;
            }
        }
        self.clients.push(client);
        // Few at a time, as they come in life.
        self.turn(Instant::now())
    }

    fn until(&mut self, is_done: impl Fn(&[Client]) -> bool) -> Outcome<()> {
        let end = Instant::now() + PATIENCE;
        while !is_done(&self.clients) {
            if Instant::now() > end {
                return Err("participants do not connect".into());
            }
            self.turn(Instant::now() + Duration::from_millis(1))?;
        }
        Ok(())
    }

    /// The first participant publishes for so long.
    fn publish(&mut self, time: Duration, burst: usize) -> Outcome<()> {
        let pause = burst_pause(burst)?;
        let start = Instant::now();
        let mut next = start;
        while next < start + time {
            if Instant::now() >= next {
                self.clients.first_mut().ok_or("nobody publishes")?.publish(burst)?;
                next += pause;
            }
            self.turn(next)?;
        }
        while self.events.try_recv().is_ok() {}
        Ok(())
    }

    /// Waits until something arrives or is due, but not longer than this, and looks after it.
    fn turn(&mut self, until: Instant) -> Outcome<()> {
        let now = Instant::now();
        let due = self.clients.iter().map(|client| client.due).min().unwrap_or(until).min(until);
        let left = due.saturating_duration_since(now);
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs())?, tv_nsec: left.subsec_nanos().into() };
        let mut sockets: Vec<_> =
            self.clients.iter().map(|client| PollFd::new(&client.socket, PollFlags::IN)).collect();
        poll(&mut sockets, Some(&timeout))?;
        let ready: Vec<bool> = sockets.iter().map(|socket| !socket.revents().is_empty()).collect();
        for (client, is_ready) in self.clients.iter_mut().zip(ready) {
            if is_ready {
                client.receive()?;
            }
            if client.due <= now {
                client.tick(now)?;
            }
        }
        Ok(())
    }

    fn received(&self) -> u64 {
        self.clients.iter().map(|client| client.received).sum()
    }
}

/// From one burst to the next.
fn burst_pause(burst: usize) -> Outcome<Duration> {
    Ok(Duration::from_secs(1) * u32::try_from(burst)? / PACE)
}

const TRACK: TrackId = TrackId(1);

/// Until the paths have been measured.
const WARM_UP: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(4);
const WATCHING: Duration = Duration::from_secs(2);

/// Allocations that are looked at.
const WATCHED: u32 = 500;

/// Events that may wait to be read.
const EVENTS: usize = 16_384;

/// How long the benchmark waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
