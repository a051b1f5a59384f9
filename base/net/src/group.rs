use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};

use crate::handler::Handler;
use crate::socket::BatchSocket;
use crate::worker::{MakeHandlers, Worker};

/// The media workers of a process: one thread each, all on the same UDP addresses.
#[derive(Debug)]
pub struct Group {
    addresses: Vec<SocketAddr>,
    threads: Vec<(JoinHandle<()>, Arc<OwnedFd>)>,
    stop: Arc<AtomicBool>,
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
        let make: MakeHandlers = Arc::new(make);
        let stop = Arc::new(AtomicBool::new(false));
        let addresses = addresses.iter().map(|address| claim(*address)).collect::<Result<Vec<_>, _>>()?;
        let mut group = Self { addresses, threads: Vec::new(), stop };
        for index in 0..workers.max(1) {
            group.spawn(index, Arc::clone(&make))?;
        }
        Ok(group)
    }

    /// The addresses in use, with real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the threads and waits for them.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for (thread, wake) in self.threads {
            // An eventfd write of 1 cannot fail before 2^64 - 2 of them.
            let _ = rustix::io::write(&*wake, &1u64.to_ne_bytes());
            if thread.join().is_err() {
                tracing::error!("a media worker had panicked outside its handlers");
            }
        }
    }

    fn spawn(&mut self, index: usize, make: MakeHandlers) -> Result<(), GroupError> {
        let mut sockets = Vec::new();
        for address in &self.addresses {
            sockets.push(BatchSocket::bind(*address).map_err(|source| GroupError { address: *address, source })?);
        }
        let first = self.addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let failed = |source: io::Error| GroupError { address: first, source };
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| failed(errno.into()))?;
        let wake = Arc::new(wake);
        let worker = Worker { sockets, make, wake: Arc::clone(&wake), stop: Arc::clone(&self.stop) };
        let thread = std::thread::Builder::new()
            .name(format!("stoa-media-{index}"))
            .spawn(move || worker.run())
            .map_err(failed)?;
        self.threads.push((thread, wake));
        Ok(())
    }
}

/// Makes sure that nobody else has the port, and finds one when asked for port 0.
///
/// `SO_REUSEPORT` would let a second server of the same user join the group in silence and take half of the datagrams, so the
/// first bind is an exclusive one.
fn claim(address: SocketAddr) -> Result<SocketAddr, GroupError> {
    UdpSocket::bind(address).and_then(|socket| socket.local_addr()).map_err(|source| GroupError { address, source })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use stoa_base_types::{Arrival, Transmit};

    use super::*;

    /// Echoes datagrams, and panics on request.
    #[derive(Default)]
    struct Echo {
        out: Vec<Transmit>,
    }

    impl Handler for Echo {
        fn claims(&self, datagram: &[u8], _: SocketAddr) -> bool {
            !datagram.starts_with(b"not for me")
        }

        fn handle_datagram(&mut self, datagram: &[u8], arrival: Arrival, _: Instant) {
            assert_ne!(datagram, b"panic", "asked to");
            self.out.push(Transmit { to: arrival.from, local: arrival.local, payload: datagram.to_vec() });
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self) -> Option<Transmit> {
            self.out.pop()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    fn echo() -> Vec<Box<dyn Handler>> {
        vec![Box::new(Echo::default())]
    }

    fn ask(group: &Group, datagram: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(group.addresses()[0]).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket.send(datagram).unwrap();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn every_worker_answers_and_survives_a_panic() {
        let group = Group::start(&["127.0.0.1:0".parse().unwrap()], 2, echo).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..4 {
            socket.send_to(b"panic", group.addresses()[0]).unwrap();
        }
        // Sockets of different ports hash to different workers; 16 of them reach both.
        for _ in 0..16 {
            assert_eq!(ask(&group, b"hello"), b"hello");
        }
        group.stop();
    }

    #[test]
    fn a_taken_port_is_refused_even_if_its_owner_shares_it() {
        let first = Group::start(&["127.0.0.1:0".parse().unwrap()], 1, echo).unwrap();
        let error = Group::start(first.addresses(), 1, echo).err().unwrap();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        first.stop();
    }

    /// The address a reply leaves from matters on machines with several: 127.0.0.2 is asked, 127.0.0.2 answers.
    #[test]
    fn replies_leave_from_the_address_that_was_asked() {
        let group = Group::start(&["0.0.0.0:0".parse().unwrap()], 1, echo).unwrap();
        let port = group.addresses()[0].port();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"hello", ("127.0.0.2", port)).unwrap();
        let (_, from) = socket.recv_from(&mut [0; 64]).unwrap();
        assert_eq!(from, SocketAddr::from(([127, 0, 0, 2], port)));
        group.stop();
    }
}
