//! Many writers, each alone with a document: the server's CPU time for each update taken and acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::content::keystroke;
use super::peer::{Opening, Peer, join_all};
use super::venue::{Venue, data_folder};
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
        let folder = data_folder()?;
        let floor = Server::example("bench-documents", &["append", &folder.path().to_string_lossy()])?;
        let mut venues = vec![Venue::ours_hocuspocus()?];
        venues.extend(plan.rivals(|| Ok(vec![Venue::hocuspocus()?, Venue::y_websocket()?]))?);
        venues.push(Venue::floor(floor, Dialect::Hocuspocus, true));
        let venues: Vec<_> = venues.into_iter().map(Arc::new).collect();
        let load = Load { documents: 100, period: Duration::from_millis(20), seconds: plan.seconds };
        for round in 0..plan.rounds {
            for venue in &venues {
                cpu.add(venue.name, run(venue, round, &load).await?.cpu_micros);
            }
        }
        Outcome::Ok(())
    })?;
    let row = cpu.row("5,000 updates/s, durable and acked: CPU per update", "us")?;
    report.add(row.ratio_at_most(2.0).rival_share_at_most(3).stretch(12.0));
    report.note(format!(
        "append: 100 documents, one connection each, 50 updates/s each, spread evenly; ours through /hocuspocus, where each \
         update is acknowledged by a SyncStatus after its commit. The rivals keep nothing on disk: Hocuspocus acknowledges \
         from memory, y-websocket echoes. The floor appends to a file, with one fdatasync for all that came in 12 ms, and \
         acknowledges. Server CPU of {} s, median of {} rounds in turn.",
        plan.seconds, plan.rounds
    ));
    Ok(())
}

/// How much is written.
pub(crate) struct Load {
    /// Each has one writer.
    pub(crate) documents: u32,
    /// Between two updates of one writer.
    pub(crate) period: Duration,
    /// For how long it is measured.
    pub(crate) seconds: u32,
}

impl Load {
    /// Updates of each writer.
    fn updates(&self) -> u64 {
        u64::try_from(Duration::from_secs(self.seconds.into()).as_micros() / self.period.as_micros())
            .unwrap_or(u64::MAX)
    }
}

/// What a round showed.
pub(crate) struct Figures {
    /// Of the server, for each update.
    pub(crate) cpu_micros: f64,
    /// From sending an update to its acknowledgement, in milliseconds.
    pub(crate) latencies: Vec<f64>,
}

/// A document and who writes it.
struct Writing {
    peer: Peer,
    doc: String,
    author: u64,
    clock: u64,
    /// When in the period it is this writer's turn.
    offset: Duration,
}

pub(crate) async fn run(venue: &Arc<Venue>, round: usize, load: &Load) -> Outcome<Figures> {
    let names = (0..load.documents).map(|index| format!("append-{round}-{index}"));
    let openings = names.clone().map(|doc| -> Opening { (doc, Arc::new(EMPTY_UPDATE.to_vec())) });
    let peers = join_all(venue, openings).await?;
    let writings = peers.into_iter().zip(names).zip(0..load.documents);
    let writings = writings.map(|((peer, doc), index)| {
        let offset = load.period * index / load.documents;
        Writing { peer, doc, author: FIRST_AUTHOR + u64::from(index), clock: 0, offset }
    });
    let (warm_up, updates) = (WARM_UP, load.updates());
    let (writings, _) = write(venue.dialect, writings.collect(), load.period, warm_up).await?;
    sleep(SETTLING).await;
    let meter = CpuMeter::start(venue.server.pid())?;
    let (_writings, latencies) = write(venue.dialect, writings, load.period, updates).await?;
    sleep(SETTLING).await;
    let updates = f64::from(u32::try_from(updates)? * load.documents);
    Ok(Figures { cpu_micros: meter.seconds()? * 1e6 / updates, latencies })
}

/// Everybody writes so many updates and waits until all are acknowledged.
async fn write(
    dialect: Dialect,
    writings: Vec<Writing>,
    period: Duration,
    updates: u64,
) -> Outcome<(Vec<Writing>, Vec<f64>)> {
    let start = Instant::now() + SETTLING;
    let mut tasks = JoinSet::new();
    for writing in writings {
        tasks.spawn(write_one(dialect, writing, start, period, updates));
    }
    let (mut writings, mut latencies) = (Vec::new(), Vec::new());
    let collecting = async {
        while let Some(done) = tasks.join_next().await {
            let (writing, mut of_one) = done??;
            latencies.append(&mut of_one);
            writings.push(writing);
        }
        Outcome::Ok(())
    };
    let patience = period * u32::try_from(updates)? + PATIENCE;
    timeout(patience, collecting).await.map_err(|_| "not all updates were acknowledged in time")??;
    Ok((writings, latencies))
}

async fn write_one(
    dialect: Dialect,
    mut writing: Writing,
    start: Instant,
    period: Duration,
    updates: u64,
) -> Outcome<(Writing, Vec<f64>)> {
    let (author, first) = (writing.author, writing.clock);
    let clocks = first..first + updates;
    let messages = clocks.map(|clock| dialect.update(&writing.doc, &keystroke(author, clock))).collect::<Vec<_>>();
    let (writer, sent, mut latencies) = (writing.peer.writer(), Mutex::new(VecDeque::new()), Vec::new());
    let sent = || sent.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = start + writing.offset;
    let sending = async {
        for message in &messages {
            sleep_until(due.into()).await;
            sent().push_back(Instant::now());
            writer.say_bytes(message).await?;
            due += period;
        }
        Outcome::Ok(())
    };
    let listening = async {
        while latencies.len() < messages.len() {
            let said = writing.peer.hear().await?;
            let is_settled = match (dialect, said) {
                // The echo to the writer is all that y-websocket's server says.
                (Dialect::Hocuspocus, Said::Settled(true)) | (Dialect::Plain, Said::Update(_)) => true,
                (Dialect::Hocuspocus, Said::Settled(false)) => return Err("an update was refused".into()),
                _ => false,
            };
            if is_settled {
                let sent = sent().pop_front().ok_or("more acknowledgements than updates")?;
                latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
            }
        }
        Outcome::Ok(())
    };
    tokio::try_join!(sending, listening)?;
    writing.clock += updates;
    Ok((writing, latencies))
}

const FIRST_AUTHOR: u64 = 3_000_000_000;
/// Of each writer, before anything is measured.
const WARM_UP: u64 = 10;
const SETTLING: Duration = Duration::from_millis(300);
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(20);
