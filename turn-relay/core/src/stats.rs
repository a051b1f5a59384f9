use std::collections::BTreeMap;

use crate::refusal::{Dropped, Refusal};

/// Counters since the start. Their labels are bounded: methods, refusals and causes, never names or addresses.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Binding requests that were answered.
    pub bindings: u64,
    /// Allocations that were made.
    pub allocations: u64,
    /// Allocations that ended because their time was over.
    pub expired: u64,
    /// Allocations that were ended by a revocation.
    pub revoked: u64,
    /// Datagrams and bytes of payload from clients to peers.
    pub to_peers: (u64, u64),
    /// Datagrams and bytes of payload from peers to clients.
    pub from_peers: (u64, u64),
    /// Of these, datagrams that never left the process.
    pub hairpins: u64,
    refusals: BTreeMap<(u16, Refusal), u64>,
    drops: [u64; Dropped::COUNT],
}

impl Stats {
    /// How often something was dropped for `cause`.
    #[must_use]
    pub fn drops(&self, cause: Dropped) -> u64 {
        self.drops.get(cause as usize).copied().unwrap_or(0)
    }

    /// Refused requests by method and refusal.
    pub fn refusals(&self) -> impl Iterator<Item = (u16, Refusal, u64)> {
        self.refusals.iter().map(|((method, refusal), count)| (*method, *refusal, *count))
    }

    pub(crate) fn dropped(&mut self, cause: Dropped) {
        if let Some(count) = self.drops.get_mut(cause as usize) {
            *count += 1;
        }
    }

    pub(crate) fn refused(&mut self, method: u16, refusal: Refusal) {
        *self.refusals.entry((method, refusal)).or_default() += 1;
    }
}
