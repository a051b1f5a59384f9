//! One writer, many readers: the server's CPU time for each update delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::content::{clock_after, keystroke};
use super::peer::{NOTHING, Opening, Peer, join_all};
use super::venue::Venue;
use super::wire::{Dialect, EMPTY_UPDATE, Said};
use super::{Plan, runtime};
use crate::Outcome;
use crate::process::CpuMeter;
use crate::report::Report;
use crate::series::Series;
use crate::server::Server;

pub(crate) fn measure(plan: Plan, report: &mut Report) -> Outcome<()> {
    let mut cpu = Series::default();
    runtime()?.block_on(async {
        let rivals = plan.rivals(|| Ok(vec![Venue::hocuspocus()?, Venue::y_websocket()?]))?;
        let venues: Vec<_> = std::iter::once(Venue::ours_plain()?).chain(rivals).map(Arc::new).collect();
        for round in 0..plan.rounds {
            for venue in &venues {
                cpu.add(venue.name, run(venue, round, plan.seconds).await?);
            }
            // The loop ends with its speaker.
            let floor = Arc::new(Venue::floor(Server::bench("floor")?, Dialect::Plain, true));
            cpu.add(floor.name, run(&floor, round, plan.seconds).await?);
        }
        Outcome::Ok(())
    })?;
    let row = cpu.row("1 writer, 50 followers: CPU per delivered update", "us")?;
    report.add(row.ratio_at_most(1.5).rival_share_at_most(3).stretch(3.0));
    report.note(format!(
        "fan-out: one document, one writer at 100 updates/s of one character each, 50 followers, all y-websocket clients \
         (Hocuspocus: its own dialect); server CPU of {} s, 5,000 deliveries each, median of {} rounds in turn. Ours hands out \
         what comes within 33 ms as one message, and writes everything to disk. The floor writes each message to 50 sockets.",
        plan.seconds, plan.rounds
    ));
    Ok(())
}

/// Microseconds of the server's CPU time for each delivery.
async fn run(venue: &Arc<Venue>, round: usize, seconds: u32) -> Outcome<f64> {
    let updates = PER_SECOND * u64::from(seconds);
    let doc = format!("fan-out-{round}");
    let speaker = Peer::join(venue, &doc, 0, NOTHING).await?;
    let writer = speaker.writer();
    let openings = (0..FOLLOWERS).map(|_| -> Opening { (doc.clone(), Arc::new(EMPTY_UPDATE.to_vec())) });
    let followers = join_all(venue, openings).await?;
    let arrivals = Arc::new(Arrivals::default());
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        speaker.idle().await;
        Err("the writer's socket ended".into())
    });
    for follower in followers {
        listening.spawn(follow(follower, Arc::clone(&arrivals)));
    }
    let typing = async {
        let write = async |from: u64, to: u64| {
            arrivals.expect(to);
            let start = Instant::now();
            for clock in from..to {
                sleep_until(start + PERIOD * u32::try_from(clock - from)?).await;
                writer.say_bytes(&venue.dialect.update(&doc, &keystroke(AUTHOR, clock))).await?;
            }
            let complete = timeout(PATIENCE, arrivals.complete.notified()).await;
            complete.map_err(|_| "an update did not reach everybody")?;
            Outcome::Ok(())
        };
        write(0, WARM_UP).await?;
        let meter = CpuMeter::start(venue.server.pid())?;
        write(WARM_UP, WARM_UP + updates).await?;
        meter.seconds()
    };
    let seconds = tokio::select! {
        seconds = typing => seconds?,
        Some(ended) = listening.join_next() => ended?.map(|()| 0.0)?,
    };
    let deliveries = f64::from(u32::try_from(updates)?) * f64::from(u32::try_from(FOLLOWERS)?);
    Ok(seconds * 1e6 / deliveries)
}

/// Notes how far the document has come, until the socket ends.
async fn follow(mut peer: Peer, arrivals: Arc<Arrivals>) -> Outcome<()> {
    let mut clock = 0;
    loop {
        if let Said::Update(update) = peer.hear().await? {
            let now = clock_after(&update)?;
            arrivals.note(clock, now);
            clock = now;
        }
    }
}

/// Who has come as far as they should.
#[derive(Default)]
struct Arrivals {
    goal: AtomicU64,
    missing: AtomicUsize,
    complete: Notify,
}

impl Arrivals {
    fn expect(&self, goal: u64) {
        self.missing.store(FOLLOWERS, Ordering::Relaxed);
        self.goal.store(goal, Ordering::Relaxed);
    }

    fn note(&self, before: u64, now: u64) {
        let goal = self.goal.load(Ordering::Relaxed);
        if before < goal && now >= goal && self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.complete.notify_one();
        }
    }
}

const FOLLOWERS: usize = 50;
const AUTHOR: u64 = 3_000_000_000;
const WARM_UP: u64 = 100;
const PER_SECOND: u64 = 100;
const PERIOD: Duration = Duration::from_millis(10);
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(20);
