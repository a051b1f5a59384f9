use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use stoa_base_net::{FrameWriter, SharedTcp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::patience::Patient;

/// Held by everything that must end before the server has ended.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// Who is at the other end of the TCP connection; a request extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress {
    pub(crate) peer: IpAddr,
    /// By which of our addresses it came.
    pub(crate) ours: Option<IpAddr>,
}

impl PeerAddress {
    /// Whether the connection never left the machine and is no trusted proxy's.
    pub(crate) fn is_local(&self, trusted: &[IpNet]) -> bool {
        let is_trusted = trusted.iter().any(|network| network.contains(&self.peer.to_canonical()));
        !is_trusted && self.ours.is_some_and(|ours| ours.to_canonical().is_loopback())
    }
}

/// Accepts TCP connections and serves HTTP on them until told to drain.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    /// Most TCP connections at once; more wait to be accepted.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) drain: watch::Receiver<bool>,
    pub(crate) alive: Alive,
}

impl Acceptor {
    pub(crate) async fn run(mut self) {
        loop {
            let (permit, accepted) = tokio::select! {
                accepted = accept(&self.listener, &self.connections) => accepted,
                () = told_to_drain(&mut self.drain) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let ours = stream.local_addr().ok().map(|address| address.ip());
                    self.spawn(stream, PeerAddress { peer: peer.ip(), ours }, permit);
                }
                Err(error) => {
                    // Usually no file descriptor is free; accepting again at once would spin.
                    warn!(%error, "cannot accept connections; raise the limit of open files if this goes on");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: PeerAddress, permit: Option<OwnedSemaphorePermit>) {
        // Frames are small and people wait for them.
        let _ = stream.set_nodelay(true);
        let (tls, router, drain, alive) =
            (self.tls.clone(), self.router.clone(), self.drain.clone(), self.alive.clone());
        tokio::spawn(async move {
            match tls {
                None => {
                    let stream = SharedTcp::new(stream);
                    let writer = Some(stream.frame_writer());
                    serve(stream, peer, writer, router, drain).await;
                }
                Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, peer, None, router, drain).await,
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
            drop((alive, permit));
        });
    }
}

fn count_failed(why: &'static str) {
    metrics::counter!("stoa_http_handshakes_failed_total", "why" => why).increment(1);
}

/// Waits for a place, then for a connection.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(TcpStream, SocketAddr)>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
}

async fn serve<S>(
    stream: S,
    peer: PeerAddress,
    writer: Option<FrameWriter>,
    router: Router,
    mut drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // For what becomes a WebSocket: until then the connection belongs to HTTP alone.
        if let Some(writer) = &writer {
            request.extensions_mut().insert(writer.clone());
        }
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_PATIENCE)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = told_to_drain(&mut drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "connection ended");
    }
}

async fn told_to_drain(drain: &mut watch::Receiver<bool>) {
    // An error means that the server is gone altogether.
    let _ = drain.wait_for(|is_draining| *is_draining).await;
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte of a request, or from the end of the one before, to the end of its head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what it asked for.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const MAX_HEAD_BYTES: usize = 16 * 1024;
