//! `stoa-bench-forward`: measures the SFU's forwarding beside a bare sender, and prints a table.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Runs the parts named as arguments, or all.
fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    stoa_bench::measure_forwarding(&wanted)
}
