//! What `stoa-bench-forward` measures, in this process: a media worker with a shard of the SFU on it, one publisher and so many subscribers, each
//! with an engine and a socket of its own. The worker's thread is measured and nothing else. `floor` sends the same datagrams, made beforehand.
#![expect(clippy::print_stdout, reason = "the benchmark reads figures from standard output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and waits for it")]

#[path = "bench-forward/allocations.rs"]
mod allocations;
#[path = "bench-forward/arrival.rs"]
mod arrival;
#[path = "bench-forward/client.rs"]
mod client;
#[path = "bench-forward/crowd.rs"]
mod crowd;
#[path = "bench-forward/floor.rs"]
mod floor;
#[path = "bench-forward/handler.rs"]
mod handler;

use std::error::Error;

/// A bare loop has nothing to mend.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["forward", "paced", subscribers, burst] => crowd::measure(true, subscribers.parse()?, burst.parse()?),
        ["forward", "unpaced", subscribers, burst] => crowd::measure(false, subscribers.parse()?, burst.parse()?),
        ["set-up", subscribers] => crowd::measure_set_up(subscribers.parse()?),
        ["floor", subscribers, burst] => floor::measure(subscribers.parse()?, burst.parse()?),
        _ => Err("say forward, paced or unpaced, how many subscribers and how many packets a burst; floor and these numbers; set-up, how many".into()),
    }
}

/// Bytes of a datagram that is forwarded, the cipher's included.
const DATAGRAM: usize = 1_200;

/// Packets that a publisher sends in a second: 2.4 Mbit/s.
const PACE: u32 = 250;
