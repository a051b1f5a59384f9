//! Relayed TCP, [RFC 6062](https://www.rfc-editor.org/rfc/rfc6062): the listeners of a worker's relayed addresses, and the connections
//! between them and peers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use stoa_turn_relay_core::{Meter, RelayId, SocketTag};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::debug;

use crate::control::post;
use crate::mail::Mail;
use crate::shared::Shared;
use crate::splice::Junction;

/// What a worker's relay has open towards peers over TCP. Dropping it closes everything.
pub(crate) struct TcpRelays {
    worker: usize,
    shared: Arc<Shared>,
    listeners: BTreeMap<SocketTag, Listener>,
    peers: BTreeMap<u32, Peer>,
    last_tag: u32,
}

struct Listener {
    relay: RelayId,
    address: SocketAddr,
    _accepting: Task,
}

/// A connection with a peer, as the relay's core numbers them.
enum Peer {
    Connecting {
        _task: Task,
    },
    Open(TcpStream),
    /// Joined with a client's connection, until this is dropped.
    Joined {
        _cut: oneshot::Sender<()>,
    },
}

/// A task that ends with its owner.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TcpRelays {
    pub(crate) const fn new(worker: usize, shared: Arc<Shared>) -> Self {
        Self { worker, shared, listeners: BTreeMap::new(), peers: BTreeMap::new(), last_tag: TCP_TAGS }
    }

    /// Listens for peers on a relayed address; `None` when it cannot be had.
    pub(crate) fn listen(&mut self, relay: RelayId, address: SocketAddr) -> Option<SocketTag> {
        let runtime = self.shared.runtime.get()?;
        let listener = match listen(address) {
            Ok(listener) => listener,
            Err(error) => {
                debug!(%error, "cannot listen for peers");
                return None;
            }
        };
        self.last_tag = self.last_tag.wrapping_add(1) | TCP_TAGS;
        let tag = SocketTag(self.last_tag);
        let accepting = runtime.spawn(accept(listener, relay, self.worker, Arc::clone(&self.shared)));
        let accepting = Task(accepting.abort_handle());
        self.listeners.insert(tag, Listener { relay, address, _accepting: accepting });
        Some(tag)
    }

    /// Closes a listener; false when the tag is none of a listener.
    pub(crate) fn unlisten(&mut self, tag: SocketTag) -> bool {
        self.listeners.remove(&tag);
        tag.0 & TCP_TAGS != 0
    }

    /// Begins to connect from a relayed address to a peer. What comes of it comes by mail.
    pub(crate) fn connect(&mut self, connection: u32, relay: RelayId, peer: SocketAddr) {
        let from = self.listeners.values().find(|listener| listener.relay == relay).map(|listener| listener.address);
        let (worker, shared, peer) = (self.worker, Arc::clone(&self.shared), self.shared.inner_address(peer));
        let connecting = async move {
            let stream = match from {
                Some(from) => connect(from, peer).await,
                None => Err(io::ErrorKind::AddrNotAvailable.into()),
            };
            let stream = stream.inspect_err(|error| debug!(%error, "cannot connect to a peer")).ok();
            post(&shared, worker, Mail::Connected { connection, stream }).await;
        };
        // Without a runtime there are no listeners, and so no allocations that could ask for this.
        let Some(runtime) = self.shared.runtime.get() else { return };
        let task = Task(runtime.spawn(connecting).abort_handle());
        self.peers.insert(connection, Peer::Connecting { _task: task });
    }

    /// A connection is open, and waits for the client's.
    pub(crate) fn keep(&mut self, connection: u32, stream: TcpStream) {
        self.peers.insert(connection, Peer::Open(stream));
    }

    /// Closes a connection, or gives up connecting.
    pub(crate) fn disconnect(&mut self, connection: u32) {
        self.peers.remove(&connection);
    }

    /// Takes a connection to join it with a client's; `None` when it is gone.
    pub(crate) fn take(&mut self, connection: u32, meter: Meter) -> Option<Junction> {
        let Some(Peer::Open(peer)) = self.peers.remove(&connection) else { return None };
        let (cut, when_cut) = oneshot::channel();
        self.peers.insert(connection, Peer::Joined { _cut: cut });
        Some(Junction { peer, when_cut, meter, connection, worker: self.worker })
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier allocation may linger on the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    // Connections to peers leave from the same port, RFC 6062 § 5.2. Shared any earlier, another process of the same user could listen
    // there as well, and would get half of the peers.
    socket.set_reuse_port(true)?;
    Ok(socket)
}

async fn accept(listener: Socket, relay: RelayId, worker: usize, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener.into()) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = shared.outer_address(peer);
                post(&shared, worker, Mail::Accepted { relay, peer, stream }).await;
            }
            Err(error) => {
                // Usually no file descriptor is free; accepting again at once would spin.
                debug!(%error, "cannot accept a peer");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connect(from: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = if from.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(from)?;
    let stream = socket.connect(peer).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Names of listeners have this bit; those of UDP sockets are small numbers.
const TCP_TAGS: u32 = 1 << 31;
/// Peers that the kernel holds for one relayed address until they are accepted.
const BACKLOG: i32 = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_relayed_port_has_one_listener_and_connections_leave_from_it() {
        let first = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(listen(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = peer.local_addr().unwrap();
        let (out, accepted) = tokio::join!(connect(address, to), peer.accept());
        let (out, (far, from)) = (out.unwrap(), accepted.unwrap());
        assert_eq!(from, address);
        drop(first);
        // What lingers of earlier connections does not keep the next one out.
        let second = listen(address).unwrap();
        assert_eq!(listen(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((out, far, second));
        listen(address).unwrap();
    }
}
