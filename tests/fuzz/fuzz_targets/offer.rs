//! Feeds bytes to the SFU; what is done with them is in `sfu/core/tests/fuzzed/targets.rs`, which the ordinary tests run, too.
#![no_main]
#![allow(dead_code, reason = "each program uses one of the targets")]

#[path = "../../../sfu/core/tests/fuzzed/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::offer(bytes));
