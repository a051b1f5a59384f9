//! A client that stops reading while its room mate goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::runtime;
use crate::Outcome;
use crate::client::Manner;
use crate::member::{Member, hello, is};
use crate::process;
use crate::report::{Report, Row, quantile};
use crate::server::Server;

/// What one deaf client cost.
struct Trial {
    growth_kib: f64,
    /// From the last byte that the client's kernel or the server's took for it to the cut.
    cut_after: Duration,
    /// The most that the server's kernel held.
    kernel_kib: f64,
}

/// How the room mate sends.
struct Flood {
    name: &'static str,
    /// At once.
    burst: usize,
    /// Afterwards; 0 for nothing more.
    per_second: u32,
    trials: usize,
}

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    runtime()?.block_on(async {
        for flood in &FLOODS {
            let server = Server::stoa(&[])?;
            warm_up(&server, flood).await?;
            let (mut growth, mut cut, mut kernel) = (Vec::new(), Vec::new(), Vec::new());
            for index in 0..flood.trials {
                let trial = trial(&server, index, flood).await?;
                growth.push(trial.growth_kib);
                cut.push(trial.cut_after.as_secs_f64());
                kernel.push(trial.kernel_kib);
            }
            let name = |what: &str| format!("never-reading, {}: {what}", flood.name);
            report.add(Row::new(name("RSS growth, worst"), "KiB", quantile(&mut growth, 1.0)).at_most(256.0));
            report.add(Row::new(name("RSS growth, median"), "KiB", quantile(&mut growth, 0.5)));
            report.add(Row::new(name("kernel held"), "KiB", quantile(&mut kernel, 1.0)));
            report.add(Row::new(name("cut, slowest"), "s", quantile(&mut cut, 1.0)).at_most(5.0));
        }
        Ok(())
    })
}

/// The same traffic to somebody who reads, so that what is measured afterwards is not what the sender costs.
async fn warm_up(server: &Server, flood: &Flood) -> Outcome<()> {
    let hello = hello("warm-up");
    let mut reader = Member::enter(server.address, 0, Manner::Usual, &hello).await?;
    let mate = Member::enter(server.address, 0, Manner::Usual, &hello).await?;
    let candidate = json!({"candidate": "x".repeat(CANDIDATE_BYTES)});
    let frame = json!({"type": "candidate", "to": reader.participant(), "link": 1, "candidate": candidate}).to_string();
    let frames = flood.burst.max(WARM_UP_FRAMES);
    for _ in 0..frames {
        mate.writer().say(&frame).await?;
    }
    let mut arrived = 0;
    while arrived < frames {
        let frame = timeout(PATIENCE, reader.hear()).await.map_err(|_| "the warm-up does not arrive")??;
        arrived += usize::from(is(&frame, "candidate"));
    }
    Ok(())
}

async fn trial(server: &Server, index: usize, flood: &Flood) -> Outcome<Trial> {
    let hello = hello(&format!("room-{index}"));
    let deaf = Member::enter(server.address, index, Manner::Narrow, &hello).await?;
    let mut mate = Member::enter(server.address, index, Manner::Usual, &hello).await?;
    let (writer, peer) = (mate.writer(), deaf.local_address()?);
    let candidate = json!({"candidate": "x".repeat(CANDIDATE_BYTES)});
    let frame = json!({"type": "candidate", "to": deaf.participant(), "link": 1, "candidate": candidate}).to_string();
    sleep(SETTLING).await;
    let watch = Watch::start(server, peer)?;
    let mut cut = tokio::spawn(async move {
        loop {
            let frame = mate.hear().await?;
            if is(&frame, "participant_changed") && frame.pointer("/participant/connected") == Some(&Value::Bool(false))
            {
                return Outcome::Ok(Instant::now());
            }
            // Whoever sends to somebody who is behind is told to wait; what they sent is not queued.
            let is_told_to_wait = frame.get("code").is_some_and(|code| code == "rate_limited");
            if is(&frame, "error") && !is_told_to_wait {
                return Err(frame.to_string().into());
            }
        }
    });
    let flooding = async {
        for _ in 0..flood.burst {
            writer.say(&frame).await?;
        }
        if flood.per_second == 0 {
            return (&mut cut).await?;
        }
        let mut tick = interval(Duration::from_secs(1) / flood.per_second);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                cut = &mut cut => return cut?,
                _ = tick.tick() => writer.say(&frame).await?,
            }
        }
    };
    let cut_at = timeout(PATIENCE, flooding).await.map_err(|_| "the deaf client is never cut off")??;
    let seen = watch.stop()?;
    drop(deaf);
    let last_taken = seen.last_taken.ok_or("the kernel took nothing")?;
    let kernel_kib = f64::from(u32::try_from(seen.most_queued)?) / 1024.0;
    let cut_after = cut_at.saturating_duration_since(last_taken);
    Ok(Trial { growth_kib: seen.growth_kib, cut_after, kernel_kib })
}

/// Looks at the server from a thread of its own: the kernel takes its time to list many sockets, and the flood must not wait.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Outcome<Seen>>,
}

#[derive(Default)]
struct Seen {
    growth_kib: f64,
    most_queued: u64,
    /// When the kernel's queue was last seen to have grown.
    last_taken: Option<Instant>,
}

impl Watch {
    fn start(server: &Server, peer: SocketAddr) -> Outcome<Self> {
        let (pid, address, is_over) = (server.pid(), server.address, Arc::new(AtomicBool::new(false)));
        let before = process::exact_rss_kib(pid)?;
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !over.load(Ordering::Relaxed) {
                if let Some(queued) = process::send_queue(address, peer)?.filter(|queued| *queued > seen.most_queued) {
                    (seen.most_queued, seen.last_taken) = (queued, Some(Instant::now()));
                }
                seen.growth_kib = seen.growth_kib.max(process::exact_rss_kib(pid)? - before);
                thread::sleep(SAMPLING);
            }
            Ok(seen)
        });
        Ok(Self { is_over, thread })
    }

    fn stop(self) -> Outcome<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the watching thread panicked")?
    }
}

/// Within what a client may send, 300 frames at once and 50 per second, and each against another bound of the server: too much
/// waits, the same more slowly, and too little waits to fill what a socket may hold unwritten.
const FLOODS: [Flood; 3] = [
    Flood { name: "45 frames/s", burst: 0, per_second: 45, trials: 5 },
    Flood { name: "burst of 250", burst: 250, per_second: 45, trials: 5 },
    Flood { name: "60 frames, no more", burst: 60, per_second: 0, trials: 2 },
];
const WARM_UP_FRAMES: usize = 60;
const CANDIDATE_BYTES: usize = 1024;
/// How often the watching thread looks, beside the time that looking takes.
const SAMPLING: Duration = Duration::from_millis(2);
const SETTLING: Duration = Duration::from_secs(1);
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(120);
