//! The relay: ours beside Debian's coturn and a bare forwarder, in turn and in the same run.

mod allocations;
mod latency;
mod throughput;
mod venue;
mod workers;

use crate::Part;

/// What can be asked for, in the order in which it runs.
pub(crate) const PARTS: [(&str, Part); 8] = [
    ("hairpin", throughput::measure_hairpin),
    ("workers", workers::measure),
    ("bursts", throughput::measure_bursts),
    ("isolated", throughput::measure_isolated),
    ("allocate", allocations::measure_pace),
    ("flood", allocations::measure_flood),
    ("memory", allocations::measure_memory),
    ("latency", latency::measure),
];

/// How often the servers take turns.
const ROUNDS: usize = 5;
