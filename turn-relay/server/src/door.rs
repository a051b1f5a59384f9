use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use stoa_base_types::ConnectionId;
use stoa_turn_relay_core::{FiveTuple, Transport, canonical, source_of};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::outgoing::Stream;
use crate::shared::{Shared, lock};
use crate::stream::serve;

/// A TCP address by which clients come.
pub struct Door {
    /// Accepts their connections.
    pub listener: TcpListener,
    /// Speaks TLS on them, if they do.
    pub tls: Option<TlsAcceptor>,
}

impl Door {
    /// Listens on an address. To be called within a runtime.
    ///
    /// # Errors
    /// The kernel's: the address is taken or not ours.
    pub fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier run that still linger shall not keep us out.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { listener: TcpListener::from_std(socket.into())?, tls })
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Lets clients in at all doors, within limits that they share.
#[derive(Clone)]
pub(crate) struct Doorkeeper {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    sources: Arc<Sources>,
    last_connection: Arc<AtomicU64>,
}

/// How many connections each source has.
#[derive(Debug, Default)]
struct Sources {
    counts: Mutex<BTreeMap<IpAddr, usize>>,
}

/// What a connection takes up until it ends.
struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
    transport: &'static str,
    _permit: OwnedSemaphorePermit,
}

impl Doorkeeper {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (places, sources) = (Arc::new(Semaphore::new(MAX_STREAMS)), Arc::default());
        Self { shared, places, sources, last_connection: Arc::default() }
    }

    pub(crate) async fn keep(self, door: Door) {
        let transport = if door.tls.is_some() { "tls" } else { "tcp" };
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.places).acquire_owned().await else { return };
            let (stream, peer) = match door.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Usually no file descriptor is free; accepting again at once would spin.
                    warn!(%error, "cannot accept connections to the relay");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let source = source_of(canonical(peer));
            if !self.sources.enter(source) {
                metrics::counter!("stoa_relay_connections_refused_total").increment(1);
                continue;
            }
            metrics::gauge!("stoa_relay_connections", "transport" => transport).increment(1.0);
            let place = Place { sources: Arc::clone(&self.sources), source, transport, _permit: permit };
            self.let_in(stream, peer, door.tls.clone(), place);
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, place: Place) {
        let Ok(local) = stream.local_addr() else { return };
        // Payload is real-time, and answers are waited for.
        let _ = stream.set_nodelay(true);
        let connection = ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let transport = if tls.is_some() { Transport::Tls(connection) } else { Transport::Tcp(connection) };
            let client = Arc::new(Stream::new(FiveTuple::new(transport, peer, local)));
            match tls {
                None => serve(stream, client, shared).await,
                Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, client, shared).await,
                    Ok(Err(error)) => {
                        debug!(%error, "TLS handshake failed");
                        count_failed("broken");
                    }
                    Err(_) => {
                        debug!("TLS handshake took too long");
                        count_failed("slow");
                    }
                },
            }
            drop(place);
        });
    }
}

fn count_failed(why: &'static str) {
    metrics::counter!("stoa_relay_handshakes_failed_total", "why" => why).increment(1);
}

impl Sources {
    /// Counts one more connection; false when the source has as many as it may.
    fn enter(&self, source: IpAddr) -> bool {
        let mut counts = lock(&self.counts);
        let count = counts.entry(source).or_default();
        let has_room = *count < MAX_STREAMS_OF_SOURCE;
        *count += usize::from(has_room);
        has_room
    }

    fn leave(&self, source: IpAddr) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&source);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sources.leave(self.source);
        metrics::gauge!("stoa_relay_connections", "transport" => self.transport).decrement(1.0);
    }
}

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// Connections over all doors; more wait to be accepted.
const MAX_STREAMS: usize = 16_384;
/// Connections of one address, or IPv6 /64: an office behind one address has hundreds of browsers with a few each.
const MAX_STREAMS_OF_SOURCE: usize = 1024;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_all_places() {
        let sources = Sources::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert!((0..MAX_STREAMS_OF_SOURCE).all(|_| sources.enter(one)));
        assert!(!sources.enter(one));
        assert!(sources.enter(other));
        sources.leave(one);
        assert!(sources.enter(one) && !sources.enter(one));
        sources.leave(other);
        assert_eq!(lock(&sources.counts).len(), 1, "who left is forgotten");
    }
}
