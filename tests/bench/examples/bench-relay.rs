//! What `stoa-bench-turn` starts beside servers. `floor` is a bare forwarder that knows nothing of TURN; `load` is a crowd of
//! clients and peers that send what standard input asks for; `allocate`, `flood` and `idle` ask a server for allocations.
#![expect(clippy::print_stdout, reason = "the benchmark reads addresses and figures from standard output")]
#![expect(clippy::disallowed_methods, reason = "a generator of load reads the clock")]

#[path = "bench-relay/control.rs"]
mod control;
#[path = "bench-relay/crowd.rs"]
mod crowd;
#[path = "bench-relay/datagrams.rs"]
mod datagrams;
#[path = "bench-relay/floor.rs"]
mod floor;
#[path = "bench-relay/load.rs"]
mod load;
#[path = "bench-relay/stun.rs"]
mod stun;
#[path = "bench-relay/system_call.rs"]
mod system_call;

use std::error::Error;
use std::io::stdin;
use std::net::SocketAddrV4;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::load::{Load, Order, Setting};

/// A generator that cannot go on says why and ends.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["floor"] => floor::serve(),
        ["load", venue, server, clients, setting] => serve_load(Load::open(&Setting {
            is_turn: venue == "turn",
            server: server.parse()?,
            clients: clients.parse()?,
            flow: setting.parse()?,
        })?),
        ["allocate", server] => serve_allocations(server.parse()?),
        ["flood", server, count] => serve_flood(server.parse()?, count.parse()?),
        ["idle", server] => serve_idle(server.parse()?),
        _ => Err("say floor, load, allocate, flood or idle".into()),
    }
}

/// Each line of input is one run.
fn serve_load(mut load: Load) -> Outcome<()> {
    println!("ready");
    for line in stdin().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        println!("{}", serde_json::to_string(&load.run(&order)?)?);
    }
    Ok(())
}

/// Each line of input is a number of milliseconds; the answer is how many allocations came and went meanwhile.
fn serve_allocations(server: SocketAddrV4) -> Outcome<()> {
    let mut crowd = Crowd::open(server)?;
    let mut next = 0;
    // The server is up, and has done it before.
    next = control::come_and_go(&mut crowd, next, Duration::from_millis(200))?;
    println!("ready");
    for line in stdin().lines() {
        let before = next;
        next = control::come_and_go(&mut crowd, next, Duration::from_millis(line?.parse()?))?;
        println!("{}", next - before);
    }
    Ok(())
}

/// The first line of input starts the flood; the answer is how many requests were answered.
fn serve_flood(server: SocketAddrV4, count: u32) -> Outcome<()> {
    let mut crowd = Crowd::open(server)?;
    control::flood(&mut crowd, 0..WARM_UP)?;
    println!("ready");
    stdin().read_line(&mut String::new())?;
    println!("{}", control::flood(&mut crowd, WARM_UP..WARM_UP + count)?);
    Ok(())
}

/// Each line of input is how many idle allocations there shall be.
fn serve_idle(server: SocketAddrV4) -> Outcome<()> {
    let mut crowd = Crowd::open(server)?;
    println!("ready");
    for line in stdin().lines() {
        control::allocate_up_to(&mut crowd, line?.parse()?)?;
        println!("allocated");
    }
    Ok(())
}

/// Requests after which the server's tables have their size.
const WARM_UP: u32 = 10_000;
