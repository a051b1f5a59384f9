use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

/// Held by everything that must end before the server has ended.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// Who is at the other end of the TCP connection; a request extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// Accepts TCP connections and serves HTTP on them until told to drain.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) drain: watch::Receiver<bool>,
    pub(crate) alive: Alive,
}

impl Acceptor {
    pub(crate) async fn run(mut self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = told_to_drain(&mut self.drain) => return,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, PeerAddress(peer.ip())),
                Err(error) => {
                    // Usually no file descriptor is free; accepting again at once would spin.
                    warn!(%error, "cannot accept connections; raise the limit of open files if this goes on");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: PeerAddress) {
        // Frames are small and people wait for them.
        let _ = stream.set_nodelay(true);
        let (tls, router, drain, alive) =
            (self.tls.clone(), self.router.clone(), self.drain.clone(), self.alive.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, peer, router, drain).await,
                Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, peer, router, drain).await,
                    Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
                    Err(_) => debug!("TLS handshake took too long"),
                },
            }
            drop(alive);
        });
    }
}

async fn serve<S>(stream: S, peer: PeerAddress, router: Router, mut drain: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
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
const MAX_HEAD_BYTES: usize = 16 * 1024;
