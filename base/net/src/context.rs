use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crate::counts::{Counts, Dropped};
use crate::features::Features;
use crate::handler::{Passed, SocketId};
use crate::inside::{Inside, Insiders};
use crate::neighbours::Neighbours;
use crate::outbox::Outbox;
use crate::sender::{LONGEST, Sender};
use crate::sockets::{BindOptions, BoundSocket, Sockets};

/// What a handler may do while it is called.
///
/// Datagrams are gathered and leave together at the end of the worker's turn: grouped by socket and flow, runs of one flow with one call,
/// in the order of each flow.
pub struct Context<'a> {
    pub(crate) desk: &'a mut Desk,
    pub(crate) handler: usize,
}

/// What a worker acts with, apart from its handlers.
pub(crate) struct Desk {
    pub(crate) now: Instant,
    pub(crate) worker: usize,
    pub(crate) sockets: Sockets,
    pub(crate) counts: Counts,
    pub(crate) neighbours: Arc<Neighbours>,
    outbox: Outbox,
    sender: Sender,
    listening: Arc<[SocketAddr]>,
    /// Workers to which something was passed in this turn.
    passed_to: Vec<bool>,
    /// What handlers of this worker sent to each other's addresses.
    pub(crate) inside: Inside,
    /// Addresses within the process, with the handlers that have them.
    pub(crate) insiders: Vec<(usize, Insiders)>,
    /// Where what goes to such an address is put together.
    scratch: Vec<u8>,
}

impl Context<'_> {
    /// The time of this turn.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.desk.now
    }

    /// The time of this moment, later than [`Self::now`] in a long turn.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
    pub fn clock(&self) -> Instant {
        Instant::now()
    }

    /// The number of this worker.
    #[must_use]
    pub const fn worker(&self) -> usize {
        self.desk.worker
    }

    /// How many workers the group has; they are numbered from 0.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.desk.neighbours.workers.len()
    }

    /// Sends a datagram made of the parts, from the given address of ours or from the one that the kernel chooses. What the kernel does not
    /// take is dropped and counted. What is for an address that another handler has within the process goes there
    /// ([`Handler::insiders`](crate::Handler::insiders)).
    pub fn send(&mut self, socket: SocketId, to: SocketAddr, local: Option<IpAddr>, parts: &[&[u8]]) {
        if !self.desk.send_inside(self.handler, socket, to, local, parts) {
            self.desk.send(socket, to, local, parts);
        }
    }

    /// Hands a datagram to the other handlers of this worker, before this turn ends, as if it had arrived on a listening socket: the
    /// first of them that claims it gets it. What nobody claims, and what is too much, is dropped and counted.
    pub fn send_to_self(&mut self, socket: SocketId, from: SocketAddr, local: Option<IpAddr>, bytes: &[u8]) {
        if !self.desk.inside.push(self.handler, socket, from, local, bytes) {
            self.desk.counts.drop_one(Dropped::RingFull);
        }
    }

    /// A listening address of the group, with its real port.
    ///
    /// # Panics
    /// If the group has no such address; `SocketId(index)` is this worker's share of it.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a wrong index is a bug of the handler, not input")]
    pub fn listening(&self, index: usize) -> SocketAddr {
        self.desk.listening[index]
    }

    /// How many listening addresses the group has.
    #[must_use]
    pub fn listening_count(&self) -> usize {
        self.desk.listening.len()
    }

    /// Opens one more UDP socket on this worker, which belongs to this handler. Port 0 takes a free port.
    ///
    /// # Errors
    /// The kernel's: the port is taken, the address is not ours, no more files may be open; `QuotaExceeded` when the worker has too many.
    pub fn bind(&mut self, address: SocketAddr, options: BindOptions) -> io::Result<SocketId> {
        self.desk.sockets.bind(address, options, self.handler)
    }

    /// The address of a socket, with its real port; `None` if it is closed.
    #[must_use]
    pub fn local_addr(&self, socket: SocketId) -> Option<SocketAddr> {
        self.desk.sockets.get(socket).map(BoundSocket::address)
    }

    /// Closes a socket that this handler bound, after sending what is gathered for it. Nothing arrives on it any more.
    pub fn close(&mut self, socket: SocketId) {
        self.desk.flush_before_change_of(socket);
        self.desk.sockets.close(socket, self.handler);
    }

    /// Sets whether datagrams that are sent from now on by a socket of this handler carry DF.
    pub fn set_dont_fragment(&mut self, socket: SocketId, on: bool) {
        self.desk.flush_before_change_of(socket);
        if let Err(error) = self.desk.sockets.set_dont_fragment(socket, self.handler, on) {
            tracing::debug!(%error, "cannot change fragmentation");
        }
    }

    /// Passes a datagram to the same handler on another worker (or on this one), which sees it in its next turn. False, and counted, when the
    /// ring between the two is full or there is no such worker.
    pub fn pass(&mut self, worker: usize, passed: Passed<'_>) -> bool {
        self.desk.pass(self.handler, worker, passed)
    }
}

impl Desk {
    pub(crate) fn new(
        worker: usize,
        sockets: Sockets,
        listening: Arc<[SocketAddr]>,
        neighbours: Arc<Neighbours>,
        features: Features,
        now: Instant,
    ) -> Self {
        Self {
            now,
            worker,
            sockets,
            counts: Counts::default(),
            passed_to: vec![false; neighbours.workers.len()],
            neighbours,
            outbox: Outbox::new(),
            sender: Sender::new(features),
            listening,
            inside: Inside::default(),
            insiders: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Sends what is gathered and tells the other workers what was passed to them.
    pub(crate) fn finish_turn(&mut self) {
        self.flush();
        for (worker, passed) in self.neighbours.workers.iter().zip(&mut self.passed_to) {
            if std::mem::take(passed) {
                if let Some(ring) = worker.rings.get(self.worker) {
                    ring.publish();
                }
                worker.waker.wake();
            }
        }
    }

    /// Closes all sockets of a handler; what is gathered for them is sent before.
    pub(crate) fn close_all_of(&mut self, handler: usize) {
        self.flush();
        self.sockets.close_all_of(handler);
    }

    fn flush(&mut self) {
        if !self.outbox.is_empty() {
            self.sender.flush(&mut self.outbox, &self.sockets, &mut self.counts);
        }
    }

    fn flush_before_change_of(&mut self, socket: SocketId) {
        if self.outbox.has(socket) {
            self.flush();
        }
    }

    fn send(&mut self, socket: SocketId, to: SocketAddr, local: Option<IpAddr>, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        if length > LONGEST {
            return self.counts.drop_one(Dropped::TooLong);
        }
        if self.sockets.get(socket).is_none() {
            return self.counts.drop_one(Dropped::NoSocket);
        }
        if !self.outbox.has_room(length) {
            self.flush();
        }
        self.outbox.push(socket, to, local, parts);
    }

    /// Sends to an address within the process; false when this is none.
    fn send_inside(
        &mut self,
        by: usize,
        socket: SocketId,
        to: SocketAddr,
        local: Option<IpAddr>,
        parts: &[&[u8]],
    ) -> bool {
        let mut others = self.insiders.iter().filter(|(handler, _)| *handler != by);
        let found = others.find_map(|(handler, insiders)| insiders(to).map(|found| (*handler, found)));
        let Some((handler, (worker, tag))) = found else { return false };
        let Some(address) = self.sockets.get(socket).map(BoundSocket::address) else { return false };
        let from = SocketAddr::new(local.unwrap_or_else(|| address.ip()), address.port());
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.pass(handler, worker, Passed { tag, from, bytes: &bytes });
        self.scratch = bytes;
        true
    }

    fn pass(&mut self, handler: usize, worker: usize, passed: Passed<'_>) -> bool {
        let ring = self.neighbours.workers.get(worker).and_then(|neighbour| neighbour.rings.get(self.worker));
        let is_taken = ring.is_some_and(|ring| ring.push(handler, passed));
        if let Some(passed_to) = self.passed_to.get_mut(worker).filter(|_| is_taken) {
            *passed_to = true;
        }
        if !is_taken {
            self.counts.drop_one(Dropped::RingFull);
        }
        is_taken
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("worker", &self.desk.worker).finish_non_exhaustive()
    }
}
