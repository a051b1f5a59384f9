use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use rustix::event::epoll;
use socket2::Socket;

use crate::context::Desk;
use crate::counts::Metrics;
use crate::crew::{Crew, MakeHandlers};
use crate::features::Features;
use crate::handler::Handler;
use crate::inbox::Inbox;
use crate::inside::Inside;
use crate::mailbox::Mailbox;
use crate::neighbours::Neighbours;
use crate::ring::Parcel;
use crate::sockets::{Sockets, open_exclusive, open_shared};
use crate::worker::{Worker, watch_waker};

/// The media workers of a process: one thread each, all on the same UDP addresses.
#[derive(Debug)]
pub struct Group {
    addresses: Arc<[SocketAddr]>,
    threads: Vec<JoinHandle<()>>,
    neighbours: Arc<Neighbours>,
    features: Features,
}

/// A UDP address that could not be had.
#[derive(Debug)]
pub struct GroupError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on UDP {}: {}", self.address, self.source)
    }
}

impl std::error::Error for GroupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Group {
    /// Binds every address once per worker and starts the threads. Port 0 takes a free port.
    ///
    /// # Errors
    /// [`GroupError`] names the address that is taken or not ours.
    pub fn start<F>(addresses: &[SocketAddr], workers: usize, make: F) -> Result<Self, GroupError>
    where
        F: Fn() -> Vec<Box<dyn Handler>> + Send + Sync + 'static,
    {
        Self::start_with(addresses, workers, Features::ALL, move |_| make())
    }

    /// Like [`Group::start`]: `features` says what to use of what the kernel has, and `make` is told the number of the worker whose handlers
    /// it makes. It is called on that worker's thread, and again after a panic, when one of what it makes replaces the handler that is lost:
    /// it shall always make the same handlers in the same order.
    ///
    /// # Errors
    /// [`GroupError`] names the address that is taken or not ours.
    pub fn start_with<F>(
        addresses: &[SocketAddr],
        workers: usize,
        features: Features,
        make: F,
    ) -> Result<Self, GroupError>
    where
        F: Fn(usize) -> Vec<Box<dyn Handler>> + Send + Sync + 'static,
    {
        let make: MakeHandlers = Arc::new(make);
        let claimed = addresses.iter().map(|address| claim(*address)).collect::<Result<Vec<_>, _>>()?;
        let addresses: Arc<[_]> = claimed.iter().map(|(address, _)| *address).collect();
        let first = addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let failed = |source| GroupError { address: first, source };
        let features = features.probed(first).map_err(failed)?;
        tracing::info!(
            gro = features.gro,
            gso = features.gso,
            recvmmsg = features.receive_many,
            sendmmsg = features.send_many,
            pktinfo = features.packet_info,
            rxq_ovfl = features.overflow,
            "UDP uses what the kernel offers"
        );
        let neighbours = Arc::new(Neighbours::new(workers.max(1)).map_err(failed)?);
        let mut group = Self { addresses, threads: Vec::new(), neighbours, features };
        let mut claimed = claimed.into_iter().map(|(_, socket)| socket).collect();
        for index in 0..workers.max(1) {
            if let Err(error) = group.spawn(index, std::mem::take(&mut claimed), Arc::clone(&make)) {
                group.stop();
                return Err(error);
            }
        }
        Ok(group)
    }

    /// The addresses in use, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What of the kernel's offers is in use.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// The way for other threads to the handler with this index among those of each worker.
    #[must_use]
    pub fn mailbox(&self, handler: usize) -> Mailbox {
        Mailbox { neighbours: Arc::clone(&self.neighbours), handler }
    }

    /// Stops the threads and waits for them.
    pub fn stop(self) {
        self.neighbours.stop.store(true, Ordering::Release);
        for worker in &self.neighbours.workers {
            worker.waker.wake();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a media worker had panicked outside its handlers");
            }
        }
    }

    /// Starts a worker: the first one on the sockets that claimed the addresses, the others on sockets of their own.
    fn spawn(&mut self, index: usize, claimed: Vec<Socket>, make: MakeHandlers) -> Result<(), GroupError> {
        let first = self.addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let failed = |source: io::Error| GroupError { address: first, source };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        if let Some(own) = self.neighbours.workers.get(index) {
            watch_waker(&epoll, &own.waker).map_err(failed)?;
        }
        let mut sockets = Sockets::new(epoll, self.features);
        let mut claimed = claimed.into_iter();
        for address in &*self.addresses {
            let socket = claimed.next().map_or_else(|| open_shared(*address), Ok);
            let listening = socket.and_then(|socket| sockets.listen(socket));
            listening.map_err(|source| GroupError { address: *address, source })?;
        }
        let (listening, neighbours, features) =
            (Arc::clone(&self.addresses), Arc::clone(&self.neighbours), self.features);
        let run = move || {
            #[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
            let now = std::time::Instant::now();
            let crew = Crew::new(make, index);
            let mut desk = Desk::new(index, sockets, listening, neighbours, features, now);
            desk.insiders = crew.insiders();
            let worker = Worker {
                desk,
                crew,
                inbox: Inbox::new(features),
                metrics: Metrics::new(),
                parcel: Parcel::default(),
                inside: Inside::default(),
                next_ring: 0,
            };
            worker.run();
        };
        let thread = std::thread::Builder::new().name(format!("stoa-media-{index}")).spawn(run).map_err(failed)?;
        self.threads.push(thread);
        Ok(())
    }
}

/// Makes sure that nobody else has the port, and finds one when asked for port 0.
///
/// `SO_REUSEPORT` would let a second server of the same user join the group in silence and take half of the datagrams, so the first
/// socket is bound without it. It is given the option afterwards, and kept: were it closed in between, two servers that start at the same
/// moment could both find the port free.
fn claim(address: SocketAddr) -> Result<(SocketAddr, Socket), GroupError> {
    let claimed = open_exclusive(address).and_then(|socket| {
        let claimed = socket.local_addr()?.as_socket().unwrap_or(address);
        socket.set_reuse_port(true)?;
        Ok((claimed, socket))
    });
    claimed.map_err(|source| GroupError { address, source })
}
