//! What an open document with one connection holds in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::content::article;
use super::peer::join_all;
use super::venue::Venue;
use super::wire::EMPTY_UPDATE;
use super::{Plan, runtime};
use crate::Outcome;
use crate::process;
use crate::report::{Report, Row};

pub(crate) fn measure(plan: Plan, report: &mut Report) -> Outcome<()> {
    let articles: Vec<_> = (0..MANY).map(|index| Arc::new(article(FIRST_AUTHOR + index))).collect();
    let (brought, read, rivals) = runtime()?.block_on(async {
        let ours = Arc::new(Venue::ours_plain()?);
        let brought = slope(&ours, &articles, 0).await?;
        let ours = Arc::into_inner(ours).ok_or("a client is left")?.restart()?;
        let nothing = Arc::new(EMPTY_UPDATE.to_vec());
        let nothing = vec![nothing; articles.len()];
        let read = slope(&Arc::new(ours), &nothing, LEAST_STATE).await?;
        let mut rivals = Vec::new();
        for rival in plan.rivals(|| Ok(vec![Venue::hocuspocus()?, Venue::y_websocket()?]))? {
            rivals.push((rival.name, slope(&Arc::new(rival), &articles, 0).await?));
        }
        Outcome::Ok((brought, read, rivals))
    })?;
    let name = "RSS per open 13 KB document and connection";
    let row = Row::new(format!("{name}, brought"), "KiB", brought);
    let row = rivals.into_iter().fold(row, |row, (name, figure)| row.with_rival(name, figure));
    report.add(row.at_most(24.0));
    report.add(Row::new(format!("{name}, from disk"), "KiB", read).at_most(24.0));
    report.note(
        "memory: resident memory of the server with 2,000 documents less that with 500, through 1,500; each document has \
         20 paragraphs written by 240 inserts, 13 KB encoded, and one connection (y-websocket clients; Hocuspocus: its own \
         dialect). Brought: the client has it and the server gets it. From disk: the server was restarted and read it.",
    );
    Ok(())
}

/// KiB for each document. Everybody brings an update, and is told so many bytes at least.
async fn slope(venue: &Arc<Venue>, updates: &[Arc<Vec<u8>>], least_state: usize) -> Outcome<f64> {
    let mut idling = JoinSet::new();
    let mut sizes = Vec::new();
    let (few, rest) = updates.split_at_checked(FEW).ok_or("too few documents")?;
    for (from, part) in [(0, few), (FEW, rest)] {
        let openings = part.iter().enumerate();
        let openings = openings.map(|(index, update)| (format!("memory-{}", from + index), Arc::clone(update)));
        for peer in join_all(venue, openings).await? {
            if peer.opened.state.len() < least_state {
                return Err("a document lost its content".into());
            }
            idling.spawn(peer.idle());
        }
        sleep(SETTLING).await;
        sizes.push(process::exact_rss_kib(venue.server.pid())?);
    }
    if idling.try_join_next().is_some() {
        return Err(format!("{} closed a connection", venue.name).into());
    }
    let grown = sizes.last().unwrap_or(&0.0) - sizes.first().unwrap_or(&0.0);
    Ok(grown / f64::from(u32::try_from(rest.len())?))
}

const FIRST_AUTHOR: u64 = 3_000_000_000;
/// Of an article.
const LEAST_STATE: usize = 12_000;
const FEW: usize = 500;
const MANY: u64 = 2_000;
const SETTLING: Duration = Duration::from_secs(3);
