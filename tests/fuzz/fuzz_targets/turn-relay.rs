//! Feeds bytes to the relay; what is done with them is in `turn-relay/core/tests/fuzzed/targets.rs`, which the ordinary tests run, too.
#![no_main]
#![allow(dead_code, reason = "each program uses one of the targets")]

#[path = "../../../turn-relay/core/tests/relay/support.rs"]
mod support;
#[path = "../../../turn-relay/core/tests/fuzzed/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::relay(bytes));
