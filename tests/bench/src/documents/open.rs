//! What it costs to open a document: a connection, the client's question and the server's answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::content::article;
use super::peer::{Opening, join_all};
use super::venue::Venue;
use super::wire::{Dialect, EMPTY_UPDATE};
use super::{Plan, runtime};
use crate::Outcome;
use crate::process::CpuMeter;
use crate::report::Report;
use crate::series::{OURS, Series};
use crate::server::Server;

pub(crate) fn measure(plan: Plan, report: &mut Report) -> Outcome<()> {
    let articles: Vec<_> = (0..DOCUMENTS).map(|index| Arc::new(article(FIRST_AUTHOR + index))).collect();
    let (mut warm, mut cold) = (Series::default(), Series::default());
    runtime()?.block_on(async {
        let length = articles.first().map_or(0, |article| article.len()).to_string();
        let floor = Server::example("bench-documents", &["open", &length])?;
        let floor = Arc::new(Venue::floor(floor, Dialect::Plain, false));
        let mut ours = Arc::new(Venue::ours_plain()?);
        let rivals = plan.rivals(|| Ok(vec![Venue::hocuspocus()?, Venue::y_websocket()?]))?;
        let rivals: Vec<_> = rivals.into_iter().map(Arc::new).collect();
        let mut holding = JoinSet::new();
        for venue in [&ours].into_iter().chain(&rivals) {
            hold(&mut holding, venue, bring("held", &articles)).await?;
        }
        for _ in 0..plan.rounds {
            for venue in [&ours].into_iter().chain(&rivals).chain([&floor]) {
                warm.add(venue.name, millis_per_open(venue, ask("held"), LEAST_STATE).await?);
            }
        }
        drop(holding);
        for round in 0..plan.rounds {
            ours = Arc::new(reopened(ours).await?);
            cold.add(OURS, millis_per_open(&ours, ask("held"), LEAST_STATE).await?);
            for rival in &rivals {
                cold.add(rival.name, millis_per_open(rival, bring(&format!("new-{round}"), &articles), 0).await?);
            }
            cold.add(floor.name, millis_per_open(&floor, ask("held"), LEAST_STATE).await?);
        }
        Outcome::Ok(())
    })?;
    let name = "open a 13 KB document: CPU";
    report.add(warm.row(format!("{name}, others have it open"), "ms")?.at_most(0.3));
    report.add(cold.row(format!("{name}, cold"), "ms")?.at_most(0.3));
    report.note(format!(
        "open: connect, upgrade, step 1, step 2, and the answer to the server's question, 300 documents, 8 at a time; server \
         CPU, median of {} rounds in turn. Cold: ours was restarted and reads the document from disk (the files lie in the \
         page cache); the rivals have no disk, so the client brings the document, which is decoded as one from disk would \
         be. The floor answers with 13 KB that it has at hand.",
        plan.rounds
    ));
    Ok(())
}

/// Everybody has left; the server starts anew.
async fn reopened(venue: Arc<Venue>) -> Outcome<Venue> {
    sleep(SETTLING).await;
    Arc::into_inner(venue).ok_or("a client is left")?.restart()
}

async fn hold(
    holding: &mut JoinSet<()>,
    venue: &Arc<Venue>,
    openings: impl IntoIterator<Item = Opening>,
) -> Outcome<()> {
    for peer in join_all(venue, openings).await? {
        holding.spawn(peer.idle());
    }
    Ok(())
}

/// Everybody must be told so many bytes at least.
async fn millis_per_open(
    venue: &Arc<Venue>,
    openings: impl IntoIterator<Item = Opening>,
    least_state: usize,
) -> Outcome<f64> {
    let meter = CpuMeter::start(venue.server.pid())?;
    let peers = join_all(venue, openings).await?;
    sleep(SETTLING).await;
    let seconds = meter.seconds()?;
    if peers.iter().any(|peer| peer.opened.state.len() < least_state) {
        return Err(format!("{} opened a document without its content", venue.name).into());
    }
    let opened = f64::from(u32::try_from(peers.len())?);
    drop(peers);
    // Departures are not in it, and not in the next round either.
    sleep(SETTLING).await;
    Ok(seconds * 1000.0 / opened)
}

/// Clients that have nothing open these.
fn ask(prefix: &str) -> impl Iterator<Item = Opening> {
    (0..DOCUMENTS).map(move |index| (format!("{prefix}-{index}"), Arc::new(EMPTY_UPDATE.to_vec())))
}

/// Clients that have the documents open these.
fn bring(prefix: &str, articles: &[Arc<Vec<u8>>]) -> impl Iterator<Item = Opening> {
    articles.iter().enumerate().map(move |(index, article)| (format!("{prefix}-{index}"), Arc::clone(article)))
}

const FIRST_AUTHOR: u64 = 3_000_000_000;
const DOCUMENTS: u64 = 300;
/// Of an article.
const LEAST_STATE: usize = 12_000;
const SETTLING: Duration = Duration::from_millis(300);
