use std::time::Duration;

/// What a hub accepts and for how long it waits. Every queue has its bound here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest update from a follower, in bytes.
    pub update_bytes: usize,
    /// Largest document: snapshot and what came since, in bytes.
    pub document_bytes: usize,
    /// Most followers of one document.
    pub followers: usize,
    /// Most documents that one connection follows.
    pub connection_documents: usize,
    /// Bytes handed out for one follower and not yet written, beyond which it counts as slow.
    pub queue_bytes: usize,
    /// Bytes that may follow for a slow follower (refusals and the like) before it is closed.
    pub slow_queue_bytes: usize,
    /// Messages of one follower that wait while its document is read from disk.
    pub waiting_messages: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Most updates of one document that are held until others have come.
    pub held_updates: usize,
    /// Their bytes.
    pub held_bytes: usize,
    /// Bytes of one document that wait for the disk while it refuses.
    pub dirty_bytes: usize,
    /// Time after which updates that the store gave back are offered to it again.
    pub retry_after: Duration,
    /// A document with no more followers hands out each update at once. One with more may wait a moment after it wrote to them,
    /// so that what comes meanwhile is written as one.
    pub unpaced_followers: usize,
    /// That moment, for each follower: whatever its writers do, a document takes no more of a core than writing to one socket in
    /// this time does.
    pub pause_each: Duration,
    /// The longest it becomes: nobody should see the delay.
    pub pause_most: Duration,
    /// Silence towards a y-websocket client after which it is told something.
    pub keepalive: Duration,
    /// Largest awareness state of one client id, in bytes.
    pub awareness_state_bytes: usize,
    /// Client ids that a native or Hocuspocus follower may speak for.
    pub awareness_ids: usize,
    /// Client ids that a y-websocket follower may speak for.
    pub awareness_ids_plain: usize,
    /// Awareness states of one document, in bytes.
    pub awareness_bytes: usize,
    /// Time after which a client id that was not renewed is gone.
    pub awareness_expiry: Duration,
    /// How long the clock of a removed client id is remembered.
    pub awareness_memory: Duration,
    /// Removed client ids that are remembered for one document.
    pub awareness_removed: usize,
    /// Updates since the snapshot that make a new one worthwhile.
    pub compact_updates: usize,
    /// Their bytes.
    pub compact_bytes: usize,
    /// Age of the oldest of them.
    pub compact_after: Duration,
    /// A new snapshot must be worth its writing: what came since is at least this part (one in so many) of the old one.
    /// Beyond 16 times `compact_updates` or `compact_bytes` it always is.
    pub compact_share: usize,
    /// How long a failed compaction is not tried again; doubles up to ten times that.
    pub compact_retry: Duration,
    /// How long a document without followers stays open.
    pub linger: Duration,
    /// Time without readers after which the snapshot's bytes leave the memory.
    pub forget_snapshot: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            update_bytes: 8 << 20,
            document_bytes: 64 << 20,
            followers: 10_000,
            connection_documents: 64,
            queue_bytes: 1 << 20,
            slow_queue_bytes: 64 << 10,
            waiting_messages: 256,
            waiting_bytes: 9 << 20,
            held_updates: 1_000,
            held_bytes: 16 << 20,
            dirty_bytes: 8 << 20,
            retry_after: Duration::from_millis(250),
            unpaced_followers: 8,
            pause_each: Duration::from_micros(660),
            // Two frames of a screen.
            pause_most: Duration::from_millis(33),
            keepalive: Duration::from_secs(15),
            awareness_state_bytes: 16 << 10,
            awareness_ids: 8,
            awareness_ids_plain: 64,
            awareness_bytes: 16 << 20,
            awareness_expiry: Duration::from_secs(30),
            awareness_memory: Duration::from_secs(60),
            awareness_removed: 4_096,
            compact_updates: 500,
            compact_bytes: 256 << 10,
            compact_after: Duration::from_secs(60),
            compact_share: 16,
            compact_retry: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            forget_snapshot: Duration::from_secs(60),
        }
    }
}
