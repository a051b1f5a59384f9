//! Participants with an engine of their own call through a shard, over a network without sockets and with a clock moved by hand.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
#![expect(clippy::wildcard_enum_match_arm, reason = "the engine has many events that tests do not look at")]
#![expect(clippy::cast_possible_truncation, reason = "numbers are small")]
#![forbid(unsafe_code)]

mod borders;
mod calls;
mod churn;
mod client;
mod clocks;
mod codecs;
mod congestion;
mod crowd;
mod descriptor;
mod hostile;
mod idle;
mod narrow;
mod pairs;
mod paths;
mod slots;
mod sync;
mod traps;
mod world;
