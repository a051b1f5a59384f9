//! Documents: ours beside Hocuspocus, y-websocket's server and bare loops, in turn and in the same run.

mod append;
mod content;
mod disk;
mod fan_out;
mod large;
mod latency;
mod memory;
mod merge;
mod open;
mod peer;
mod plan;
mod venue;
mod wire;

use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::report::Report;
pub(crate) use plan::Plan;

/// Measures and adds its rows.
type Part = fn(Plan, &mut Report) -> Outcome<()>;

/// What can be asked for, in the order in which it runs.
pub(crate) const PARTS: [(&str, Part); 7] = [
    ("fan-out", fan_out::measure),
    ("append", append::measure),
    ("latency", latency::measure),
    ("memory", memory::measure),
    ("open", open::measure),
    ("merge", merge::measure),
    ("large", large::measure),
];

/// For the clients of a part: one thread, so that a core is left for the server.
fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
