use std::time::{Duration, Instant};

use crate::policy::Denial;
use crate::refusal::{Dropped, Refusal};

/// What happened to an allocation, or on its 5-tuple before there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A request was refused.
    Refused {
        /// The request's method.
        method: u16,
        /// Why.
        refusal: Refusal,
    },
    /// The allocation was made.
    Allocated,
    /// It was refreshed.
    Refreshed,
    /// It moved to another 5-tuple.
    Moved,
    /// Payload for a peer was dropped, for the first time for this reason.
    PeerRefused(Denial),
    /// The first datagram of a peer arrived.
    FirstFromPeer,
    /// The first datagram went to a peer.
    FirstToPeer,
    /// Something was dropped, for the first time for this cause.
    Dropped(Dropped),
}

/// The story of one allocation, short enough to keep for each.
#[derive(Debug)]
pub struct Timeline {
    started: Instant,
    moments: Vec<(Duration, Moment)>,
    /// Moments that no longer fitted.
    pub forgotten: u32,
    /// Payload bytes from the client to peers.
    pub bytes_to_peers: u64,
    /// Payload bytes from peers to the client.
    pub bytes_from_peers: u64,
    /// Datagrams from the client to peers.
    pub packets_to_peers: u64,
    /// Datagrams from peers to the client.
    pub packets_from_peers: u64,
    drops: [u32; Dropped::COUNT],
}

impl Timeline {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            started: now,
            moments: Vec::new(),
            forgotten: 0,
            bytes_to_peers: 0,
            bytes_from_peers: 0,
            packets_to_peers: 0,
            packets_from_peers: 0,
            drops: [0; Dropped::COUNT],
        }
    }

    /// What happened, and how long after the first of it.
    pub fn moments(&self) -> impl Iterator<Item = (Duration, Moment)> {
        self.moments.iter().copied()
    }

    /// How often something was dropped for `cause`.
    #[must_use]
    pub fn drops(&self, cause: Dropped) -> u32 {
        self.drops.get(cause as usize).copied().unwrap_or(0)
    }

    pub(crate) fn note(&mut self, moment: Moment, now: Instant) {
        if self.moments.len() < MAX_MOMENTS {
            self.moments.push((now.saturating_duration_since(self.started), moment));
        } else {
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Notes what happened before the allocation was made.
    pub(crate) fn note_earlier(&mut self, moment: Moment, at: Instant) {
        self.started = self.started.min(at);
        self.note(moment, at);
    }

    pub(crate) fn dropped(&mut self, cause: Dropped, now: Instant) {
        let Some(count) = self.drops.get_mut(cause as usize) else { return };
        *count = count.saturating_add(1);
        if *count == 1 {
            self.note(Moment::Dropped(cause), now);
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) {
        self.bytes_to_peers += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.packets_to_peers += 1;
        if self.packets_to_peers == 1 {
            self.note(Moment::FirstToPeer, now);
        }
    }

    pub(crate) fn received(&mut self, bytes: usize, now: Instant) {
        self.bytes_from_peers += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.packets_from_peers += 1;
        if self.packets_from_peers == 1 {
            self.note(Moment::FirstFromPeer, now);
        }
    }
}

/// Moments that are kept per allocation, at 24 bytes: the beginning of a story tells most.
const MAX_MOMENTS: usize = 32;
