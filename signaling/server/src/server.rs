use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use stoa_signaling_core::token::Keys;
use stoa_signaling_core::{Command, Control, Limits};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use crate::assets::Assets;
use crate::control_loop::{ControlLoop, Report, wall_clock};
use crate::http::{Site, router};
use crate::listener::{Acceptor, Alive};
use crate::origin::OriginPolicy;
use crate::ports::{ChatLog, Documents, Media};
use crate::stun_address::StunAddress;
use crate::tls::{self, TlsError, TlsFiles};

/// Validated settings of the HTTP side.
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate files; without them, plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Origins besides the server's own whose pages may connect.
    pub allowed_origins: Vec<String>,
    /// Where clients find the STUN service.
    pub stun: StunAddress,
    /// Of the control plane.
    pub limits: Limits,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What tokens and invitations are signed with.
    pub keys: Keys,
    /// Unpredictable bytes: ids and secrets come from them.
    pub seed: [u8; 32],
    /// The web client.
    pub assets: Assets,
    /// Follows documents for the sockets; without it they have none.
    pub documents: Option<Arc<dyn Documents>>,
    /// Keeps the chats; without it nobody can write.
    pub chat: Option<Arc<dyn ChatLog>>,
    /// Carries media; without it, media goes directly between participants in rooms of any size.
    pub media: Option<Arc<dyn Media>>,
    /// Pages and endpoints of other parts.
    pub routes: Router,
    /// Renders the counters in Prometheus' text format.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("listen", &self.listen).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Why the server cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The address is taken or not ours.
    Listen(SocketAddr, io::Error),
    /// The certificate cannot be used.
    Tls(TlsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on TCP {address}: {error}"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    reports: mpsc::Sender<Report>,
    drain: watch::Sender<bool>,
    alive: mpsc::Receiver<std::convert::Infallible>,
    acceptor: JoinHandle<()>,
    control: JoinHandle<()>,
}

impl Server {
    /// Binds the address and starts to serve.
    ///
    /// # Errors
    /// [`StartError`] when the address cannot be had or the certificate cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let acceptor =
            config.tls.map(|files| tls::acceptor(files, b"http/1.1")).transpose().map_err(StartError::Tls)?;
        let failed = |error| StartError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (reports, inbox) = mpsc::channel(MAX_REPORTS);
        let (drain, drain_seen) = watch::channel(false);
        let (alive, still_alive): (Alive, _) = mpsc::channel(1);
        let site = Arc::new(Site {
            assets: config.assets,
            render_metrics: config.render_metrics,
            origins: OriginPolicy { allowed: config.allowed_origins },
            trusted_proxies: config.trusted_proxies,
            stun: config.stun,
            documents: config.documents,
            frame_bytes: config.limits.frame_bytes,
            reports: reports.downgrade(),
            next_connection: AtomicU64::new(1),
            is_draining: AtomicBool::new(false),
        });
        let mut control = Control::new(config.limits, config.keys, config.seed, wall_clock());
        control.set_turn(site.stun.turn.as_ref().map(|turn| turn.signer.clone()));
        let ended = site.stun.turn.as_ref().map(|turn| Arc::clone(&turn.ended));
        let control = tokio::spawn(ControlLoop::new(control, inbox, config.chat, config.media, ended).run());
        let router = router(Arc::clone(&site), config.routes);
        // A few more than sockets, for pages.
        let connections = Arc::new(Semaphore::new(config.limits.connections + SPARE_CONNECTIONS));
        let acceptor = Acceptor { listener, tls: acceptor, router, connections, drain: drain_seen, alive };
        let acceptor = tokio::spawn(acceptor.run());
        Ok(Self { address, site, reports, drain, alive: still_alive, acceptor, control })
    }

    /// The address in use, with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the control loop to end by itself, which only a bug can bring about.
    pub async fn failed(&mut self) {
        let _ = (&mut self.control).await;
    }

    /// Stops accepting, tells every client when to reconnect, and waits until all are gone or `patience` is over.
    pub async fn drain(mut self, patience: Duration) {
        self.site.is_draining.store(true, Ordering::Release);
        let _ = self.drain.send(true);
        let _ = self.reports.send(Report::Command(Command::Drain)).await;
        // Sockets hold a sender; the loop ends with the last of them.
        drop(self.reports);
        let all_gone = async {
            let _ = self.acceptor.await;
            let _ = self.alive.recv().await;
            let _ = self.control.await;
        };
        if timeout(patience, all_gone).await.is_err() {
            warn!("some connections did not end in time");
        }
    }
}

/// Reports that wait for the control loop; when it is full, sockets stop reading.
const MAX_REPORTS: usize = 4_096;
const SPARE_CONNECTIONS: usize = 1_024;
