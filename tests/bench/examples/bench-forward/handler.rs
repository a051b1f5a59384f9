//! The SFU's shard on a media worker, as the binary has it, with a meter.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use stoa_base_net::{Context, Datagram, Handler, SocketId};
use stoa_sfu_core::{Command, Shard, ShardEvent};

use crate::allocations;

/// What the main thread may ask for.
pub(crate) enum Order {
    Command(Command),
    /// Read the meter.
    Read(SyncSender<Meter>),
    /// Look at so many allocations.
    Watch(u32),
}

/// What the worker has used and done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    /// CPU time of the thread.
    pub(crate) cpu: Duration,
    pub(crate) allocations: u64,
    /// Packets written for subscribers.
    pub(crate) forwarded: u64,
    /// Datagrams from participants.
    pub(crate) datagrams: u64,
    /// Of the allocations that were looked at, those of our own code, and the others.
    pub(crate) watched: (usize, usize),
    /// Media datagrams, and the runs that they left in.
    pub(crate) sent: u64,
    pub(crate) runs: u64,
}

pub(crate) struct Metered {
    shard: Shard,
    address: SocketAddr,
    events: SyncSender<ShardEvent>,
    sent: u64,
    runs: u64,
}

impl Metered {
    pub(crate) const fn new(shard: Shard, address: SocketAddr, events: SyncSender<ShardEvent>) -> Self {
        Self { shard, address, events, sent: 0, runs: 0 }
    }

    fn flush(&mut self, context: &mut Context<'_>) {
        let mut last = None;
        while let Some(transmit) = self.shard.poll_transmit(context.clock()) {
            context.send(SOCKET, transmit.to, None, &[&transmit.payload]);
            if transmit.payload.len() > FULL {
                self.sent += 1;
                self.runs += u64::from(last != Some(transmit.to));
            }
            last = Some(transmit.to);
        }
        while let Some(event) = self.shard.poll_event() {
            // Whoever does not listen does not need it.
            let _ = self.events.try_send(event);
        }
    }

    fn read(&self) -> Meter {
        Meter {
            cpu: thread_time(),
            allocations: allocations::count(),
            forwarded: self.shard.stats().forwarded,
            datagrams: self.shard.stats().datagrams,
            watched: allocations::seen(),
            sent: self.sent,
            runs: self.runs,
        }
    }
}

impl Handler for Metered {
    fn claims(&self, datagram: &[u8], from: SocketAddr) -> bool {
        self.shard.claims(datagram, from)
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        self.shard.handle_datagram(self.address, datagram.from, datagram.bytes, context.now());
        self.flush(context);
    }

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn Any + Send>) {
        let Ok(order) = mail.downcast::<Order>() else { return };
        match *order {
            // What is refused is missing in the figures.
            Order::Command(command) => _ = self.shard.handle_command(command, context.now()),
            Order::Read(answer) => _ = answer.send(self.read()),
            Order::Watch(allocations) => allocations::watch(allocations),
        }
        self.flush(context);
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>) {
        self.shard.handle_timeout(context.now());
        self.flush(context);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.shard.poll_timeout()
    }
}

/// CPU time of the thread that asks.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The worker's share of the only listening address.
pub(crate) const SOCKET: SocketId = SocketId(0);

/// What is longer is media, not feedback.
const FULL: usize = 1_000;
