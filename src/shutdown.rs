use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// SIGTERM and SIGINT. From the moment they are taken over, neither ends the process by itself.
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Takes the signals over; to be done before anybody is told that the server is ready.
    pub(crate) fn take_over() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the wish to stop.
    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.term.recv() => info!("SIGTERM: draining"),
            _ = self.int.recv() => info!("SIGINT: draining"),
        }
    }

    /// Waits for a second signal of somebody who is out of patience.
    pub(crate) async fn insisted(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
        warn!("a second signal: ending at once");
    }
}
