use std::path::PathBuf;
use std::time::Duration;

/// How documents are served.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the store.
    pub dir: PathBuf,
    /// How long commits are gathered under load.
    pub commit_interval: Duration,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// The defaults, in a folder.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), commit_interval: Duration::from_millis(12), limits: Limits::default() }
    }
}

/// What is accepted, kept and for how long. Every bound that is not the hub's is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of updates, documents and followers.
    pub hub: stoa_crdt_sync_core::Limits,
    /// Most documents that one identity follows at once, on all its sockets.
    pub identity_documents: usize,
    /// Largest body of an HTTP request.
    pub body_bytes: usize,
    /// What the store may grow to, in bytes; above it nothing is written any more. 0: no bound.
    pub quota_bytes: u64,
    /// How long after a change an automatic version is made at the latest.
    pub version_interval: Duration,
    /// Automatic versions that are kept of a document; the oldest go.
    pub automatic_versions: usize,
    /// Versions with a name, or made on request, that a document may have.
    pub named_versions: usize,
    /// How long replaced generations of snapshots are kept.
    pub generations: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hub: stoa_crdt_sync_core::Limits::default(),
            identity_documents: 1_000,
            body_bytes: 8 << 20,
            quota_bytes: 0,
            version_interval: Duration::from_secs(600),
            automatic_versions: 100,
            named_versions: 500,
            generations: Duration::from_secs(7 * 86_400),
        }
    }
}

/// What one WebSocket message may have beside an update.
pub(crate) const FRAMING_BYTES: usize = 64 << 10;
