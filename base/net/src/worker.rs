#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stoa_base_types::Arrival;

use crate::handler::Handler;
use crate::socket::{BatchSocket, Buffers};

/// Builds the handlers of one worker, at the start and again after a panic.
pub(crate) type MakeHandlers = Arc<dyn Fn() -> Vec<Box<dyn Handler>> + Send + Sync>;

/// One thread's loop: sockets, handlers and the way to stop it.
pub(crate) struct Worker {
    pub(crate) sockets: Vec<BatchSocket>,
    pub(crate) make: MakeHandlers,
    pub(crate) wake: Arc<OwnedFd>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Worker {
    /// Runs until told to stop. Sleeps in the kernel while nothing arrives and nothing is due.
    pub(crate) fn run(self) {
        let mut buffers = Buffers::new();
        let mut handlers = (self.make)();
        while !self.stop.load(Ordering::Acquire) {
            if let Err(error) = self.wait(next_timeout(&handlers)) {
                tracing::error!(%error, "cannot wait for datagrams; the worker ends");
                return;
            }
            self.turn(&mut handlers, &mut buffers);
        }
    }

    fn wait(&self, until: Option<Instant>) -> io::Result<()> {
        let timeout = until.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
        });
        let mut fds: Vec<PollFd<'_>> =
            self.sockets.iter().map(|socket| PollFd::new(socket.as_inner(), PollFlags::IN)).collect();
        fds.push(PollFd::new(&*self.wake, PollFlags::IN));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn turn(&self, handlers: &mut Vec<Box<dyn Handler>>, buffers: &mut Buffers) {
        let now = Instant::now();
        for socket in &self.sockets {
            for _ in 0..MAX_BATCHES_PER_TURN {
                let received = socket.receive(buffers, |datagram, arrival| {
                    self.guarded(handlers, |handlers| dispatch(handlers, datagram, arrival, now));
                });
                self.guarded(handlers, |handlers| flush(handlers, socket));
                match received {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP error of an earlier send surfaces here; it concerns one address, not the socket.
                    Err(error) => tracing::debug!(%error, "receive failed"),
                }
            }
        }
        self.guarded(handlers, |handlers| fire(handlers, now));
    }

    /// Runs handler code; a panic there costs the handlers' state, never the sockets or the datagrams still to come.
    fn guarded(&self, handlers: &mut Vec<Box<dyn Handler>>, run: impl FnOnce(&mut [Box<dyn Handler>])) {
        if catch_unwind(AssertUnwindSafe(|| run(handlers))).is_err() {
            metrics::counter!("stoa_udp_handler_panics_total").increment(1);
            tracing::error!("a UDP handler panicked; its state is rebuilt, the sockets stay");
            *handlers = (self.make)();
        }
    }
}

fn dispatch(handlers: &mut [Box<dyn Handler>], datagram: &[u8], arrival: Arrival, now: Instant) {
    match handlers.iter_mut().find(|handler| handler.claims(datagram, arrival.from)) {
        Some(handler) => handler.handle_datagram(datagram, arrival, now),
        None => metrics::counter!("stoa_udp_dropped_total", "why" => "unclaimed").increment(1),
    }
}

/// Answers leave through the socket that brought the question, so the port is right even with several addresses.
fn flush(handlers: &mut [Box<dyn Handler>], socket: &BatchSocket) {
    for handler in handlers {
        while let Some(transmit) = handler.poll_transmit() {
            if let Err(error) = socket.send(&transmit) {
                metrics::counter!("stoa_udp_dropped_total", "why" => "send").increment(1);
                tracing::debug!(%error, "send failed");
            }
        }
    }
}

fn fire(handlers: &mut [Box<dyn Handler>], now: Instant) {
    for handler in handlers.iter_mut() {
        if handler.poll_timeout().is_some_and(|at| at <= now) {
            handler.handle_timeout(now);
        }
    }
}

fn next_timeout(handlers: &[Box<dyn Handler>]) -> Option<Instant> {
    handlers.iter().filter_map(|handler| handler.poll_timeout()).min()
}

/// So that a flood on one socket starves neither the others nor the timers.
const MAX_BATCHES_PER_TURN: usize = 16;
