//! The relay: ours beside Debian's coturn and a bare forwarder, in turn and in the same run.

mod allocations;
mod latency;
mod throughput;
mod venue;
mod workers;

use crate::{Outcome, Part};

/// What can be asked for, in the order in which it runs.
pub(crate) const PARTS: [(&str, Part); 10] = [
    ("hairpin", throughput::measure_hairpin),
    ("workers", workers::measure),
    ("bursts-of-4", throughput::measure_bursts_of_4),
    ("bursts-of-8", throughput::measure_bursts_of_8),
    ("bursts-from-peers", throughput::measure_bursts_from_peers),
    ("isolated", throughput::measure_isolated),
    ("allocate", allocations::measure_pace),
    ("flood", allocations::measure_flood),
    ("memory", allocations::measure_memory),
    ("latency", latency::measure),
];

/// How often the servers take turns: 5 times, or as `STOA_BENCH_ROUNDS` says. A part with one round takes less than half a minute, for
/// machines that are quiet for a minute only.
fn rounds() -> Outcome<usize> {
    match std::env::var("STOA_BENCH_ROUNDS") {
        Ok(rounds) => rounds.parse().map_err(|_| format!("STOA_BENCH_ROUNDS is no number: {rounds:?}").into()),
        Err(_) => Ok(5),
    }
}
