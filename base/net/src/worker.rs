#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::{Timespec, epoll};

use crate::context::Desk;
use crate::counts::{Dropped, Metrics};
use crate::crew::Crew;
use crate::handler::{Datagram, SocketId};
use crate::inbox::Inbox;
use crate::inside::{Entry, Inside};
use crate::ring::Parcel;

/// One thread's loop. Sleeps in the kernel while nothing arrives and nothing is due.
///
/// A turn takes a bounded share from everything that is ready: each socket, each ring, the mail and the timers. What is left over is
/// still ready in the next turn, and the kernel hands out sockets in turn.
pub(crate) struct Worker {
    pub(crate) desk: Desk,
    pub(crate) crew: Crew,
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Metrics,
    pub(crate) parcel: Parcel,
    /// What handlers sent to each other, while it is handed out.
    pub(crate) inside: Inside,
    /// The ring that the next turn looks at first.
    pub(crate) next_ring: usize,
}

impl Worker {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.turns() {
            tracing::error!(%error, "cannot wait for datagrams; the worker ends");
        }
        if let Some(own) = self.desk.neighbours.workers.get(self.desk.worker) {
            own.post.close();
        }
    }

    fn turns(&mut self) -> io::Result<()> {
        let mut room = [MaybeUninit::uninit(); SOCKETS_PER_TURN];
        while !self.desk.neighbours.stop.load(Ordering::Acquire) {
            let until = self.crew.next_timeout(&mut self.desk);
            let ready = self.wait(&mut room, until)?;
            self.desk.now = Instant::now();
            for event in ready {
                self.handle_ready(*event);
            }
            if self.take_pending() {
                self.handle_rings();
                self.handle_mail();
            }
            self.crew.timeouts(&mut self.desk);
            self.handle_inside();
            self.desk.finish_turn();
            self.desk.counts.publish(&self.metrics);
        }
        Ok(())
    }

    fn wait<'a>(
        &self,
        room: &'a mut [MaybeUninit<epoll::Event>],
        until: Option<Instant>,
    ) -> io::Result<&'a [epoll::Event]> {
        let own = self.desk.neighbours.workers.get(self.desk.worker);
        let until = if own.is_none_or(|own| own.waker.may_sleep()) { until } else { Some(self.desk.now) };
        let timeout = until.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
        });
        match epoll::wait(self.desk.sockets.epoll(), room, timeout.as_ref()) {
            Ok((ready, _)) => Ok(ready),
            Err(rustix::io::Errno::INTR) => Ok(&[]),
            Err(error) => Err(error.into()),
        }
    }

    fn take_pending(&self) -> bool {
        self.desk.neighbours.workers.get(self.desk.worker).is_some_and(|own| own.waker.take_pending())
    }

    fn handle_ready(&mut self, event: epoll::Event) {
        // The eventfd of the waker is none: its only use was to end the sleep.
        let data = event.data;
        let Ok(id) = u32::try_from(data.u64()).map(SocketId) else { return };
        let flags = event.flags;
        if flags.contains(epoll::EventFlags::ERR) {
            self.handle_errors(id);
        }
        let batches = if self.desk.sockets.get(id).is_some_and(|socket| socket.owner().is_none()) {
            LISTENING_BATCHES
        } else {
            BOUND_BATCHES
        };
        for _ in 0..batches {
            if !self.handle_batch(id) {
                break;
            }
        }
    }

    /// Takes one batch from a socket; whether there may be more.
    fn handle_batch(&mut self, id: SocketId) -> bool {
        let Some(socket) = self.desk.sockets.get(id) else { return false };
        let (owner, serial) = (socket.owner(), socket.serial());
        let batch = match self.inbox.receive(socket) {
            Ok(batch) => batch,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // An error of an earlier send surfaces here; it concerns one address, not the socket.
            Err(error) => {
                tracing::debug!(%error, "receive failed");
                return true;
            }
        };
        if let Some(overflow) = batch.overflow {
            let socket = self.desk.sockets.get_mut(id);
            self.desk.counts.overflowed += u64::from(socket.map_or(0, |socket| socket.overflow_since(overflow)));
        }
        for slot in 0..batch.filled {
            let Some((from, local, datagrams)) = self.inbox.datagrams(slot) else { continue };
            for bytes in datagrams {
                // A handler may close the socket, or panic and lose it, while there are datagrams of it left.
                if self.desk.sockets.get(id).is_none_or(|socket| socket.serial() != serial) {
                    return false;
                }
                self.desk.counts.received += 1;
                self.crew.datagram(&mut self.desk, owner, Datagram { bytes, socket: id, from, local });
            }
        }
        batch.has_more
    }

    fn handle_errors(&mut self, id: SocketId) {
        for _ in 0..ERRORS_PER_TURN {
            let Some(socket) = self.desk.sockets.get(id) else { return };
            let owner = socket.owner();
            let Some(report) = self.inbox.receive_error(id, socket) else { return };
            if let Some((owner, error)) = owner.zip(report) {
                self.crew.icmp(&mut self.desk, owner, error);
            }
        }
    }

    fn handle_rings(&mut self) {
        let count = self.desk.neighbours.workers.len();
        let mut left = PASSED_PER_TURN;
        for offset in 0..count {
            let sender = (self.next_ring + offset) % count;
            let own = self.desk.neighbours.workers.get(self.desk.worker);
            let Some((own, ring)) = own.and_then(|own| Some((own, own.rings.get(sender)?))) else { return };
            if !ring.is_ready() {
                continue;
            }
            if left == 0 {
                self.next_ring = sender;
                return own.waker.wake();
            }
            ring.take(&mut self.parcel);
            left = left.saturating_sub(self.parcel.len());
            for (handler, passed) in self.parcel.iter() {
                self.crew.passed(&mut self.desk, handler, passed);
            }
            self.parcel.clear();
        }
    }

    /// Hands out what handlers sent to each other. What comes of that waits no longer than what it answers did.
    fn handle_inside(&mut self) {
        for _ in 0..INSIDE_ROUNDS {
            if self.desk.inside.is_empty() {
                return;
            }
            std::mem::swap(&mut self.desk.inside, &mut self.inside);
            for (Entry { by, socket, from, local, .. }, bytes) in self.inside.iter() {
                self.crew.inside(&mut self.desk, by, Datagram { bytes, socket, from, local });
            }
            self.inside.clear();
        }
        let left = self.desk.inside.iter().count();
        self.desk.counts.drop_many(Dropped::RingFull, left);
        self.desk.inside.clear();
    }

    fn handle_mail(&mut self) {
        for _ in 0..MAIL_PER_TURN {
            let own = self.desk.neighbours.workers.get(self.desk.worker);
            let Some((handler, mail)) = own.and_then(|own| own.post.pop()) else { return };
            self.crew.mail(&mut self.desk, handler, mail);
        }
        // There may be more: look again in the next turn.
        if let Some(own) = self.desk.neighbours.workers.get(self.desk.worker) {
            own.waker.wake();
        }
    }
}

/// Makes a worker's waker end its sleep. Its events are edges, so that the counter of the eventfd needs not be read.
pub(crate) fn watch_waker(epoll: impl AsFd, waker: impl AsFd) -> io::Result<()> {
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    Ok(epoll::add(epoll, waker, epoll::EventData::new_u64(u64::MAX), flags)?)
}

/// Ready sockets that one turn serves.
const SOCKETS_PER_TURN: usize = 64;

/// Batches that one turn takes from a listening socket, which carries the traffic of many.
const LISTENING_BATCHES: usize = 4;

/// Batches that one turn takes from a socket that a handler bound.
const BOUND_BATCHES: usize = 1;

/// Reports that one turn takes from a socket's error queue.
const ERRORS_PER_TURN: usize = 16;

/// Datagrams of other workers after which a turn begins no further ring.
const PASSED_PER_TURN: usize = 1024;

/// Answers of handlers to each other's answers within one turn: more of them are an endless talk.
const INSIDE_ROUNDS: usize = 4;

/// Mail that one turn reads.
const MAIL_PER_TURN: usize = 64;
