//! A long text with a long history.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use yrs::updates::encoder::Encode;
use yrs::{ReadTxn, StateVector, Transact};

use super::peer::{Copy, NOTHING, Peer, join_all};
use super::venue::Venue;
use super::wire::{Dialect, EMPTY_UPDATE};
use super::{Plan, runtime};
use crate::Outcome;
use crate::report::Report;
use crate::series::{FLOOR, Series};
use crate::server::Server;
use crate::trace::{self, Writing};

/// A long text, and what somebody has who lacks the last edits.
struct Text {
    state: Arc<Vec<u8>>,
    lagging: Vec<u8>,
}

/// What opening showed.
#[derive(Default)]
struct Figures {
    first_byte: Series,
    last_byte: Series,
    difference: Series,
}

pub(crate) fn measure(plan: Plan, report: &mut Report) -> Outcome<()> {
    let text = write()?;
    let mut figures = Figures::default();
    runtime()?.block_on(async {
        let ours = Arc::new(Venue::ours_plain()?);
        drop(bring(&ours, COPIES, &text).await?);
        let ours = Arc::into_inner(ours).ok_or("a client is left")?.restart_after(forget)?;
        figures.open(&ours, &text, true).await?;
        for rival in plan.rivals(|| Ok(vec![Venue::hocuspocus()?, Venue::y_websocket()?]))? {
            let rival = Arc::new(rival);
            let _holding = bring(&rival, 1, &text).await?;
            figures.open(&rival, &text, false).await?;
        }
        let length = text.state.len().to_string();
        let floor = Venue::floor(Server::example("bench-documents", &["open", &length])?, Dialect::Plain, false);
        for index in 0..COPIES {
            let peer = Peer::join(&floor, "large", index, NOTHING).await?;
            figures.first_byte.add(FLOOR, peer.opened.first_byte.as_secs_f64() * 1000.0);
            figures.last_byte.add(FLOOR, peer.opened.last_byte.as_secs_f64() * 1000.0);
        }
        Outcome::Ok(())
    })?;
    let kilobytes = text.state.len() / 1000;
    let name = format!("open a text of {kilobytes} KB, cold");
    report.add(figures.first_byte.row(format!("{name}: first byte"), "ms")?.at_most(10.0));
    report.add(figures.last_byte.row(format!("{name}: last byte"), "ms")?);
    report.add(figures.difference.row("the same: bytes to who lacks 10 edits", "B")?.at_most(12_000.0));
    report.note(format!(
        "large: a text of 104,852 characters left by 259,778 edits of one character (182,315 inserts, 77,463 deletes) by one \
         author, {} bytes encoded. The edits are a seeded synthetic trace of the shape of the automerge-perf trace, not that \
         trace. Time from the beginning of the connection; {COPIES} copies, each opened once, median. Cold: the server was restarted and \
         its files were dropped from the page cache; the rivals keep nothing on disk and have the document open.",
        text.state.len()
    ));
    Ok(())
}

fn write() -> Outcome<Text> {
    let writing = Writing::new(trace::AUTHOR);
    let edits = trace::edits();
    let (most, last) = edits.split_at_checked(edits.len() - LACKING).ok_or("a short trace")?;
    for edit in most {
        writing.apply(*edit);
    }
    let lagging = writing.doc().transact().state_vector().encode_v1();
    for edit in last {
        writing.apply(*edit);
    }
    let state = writing.doc().transact().encode_diff_v1(&StateVector::default());
    Ok(Text { state: Arc::new(state), lagging })
}

/// Clients have the server take so many copies, and keep them open.
async fn bring(venue: &Arc<Venue>, copies: usize, text: &Text) -> Outcome<Vec<Peer>> {
    let openings = (0..copies).map(|index| (format!("large-{index}"), Arc::clone(&text.state)));
    let mut peers = join_all(venue, openings).await?;
    for index in 0..copies {
        let start = Instant::now();
        loop {
            let peer = Peer::join(venue, &format!("large-{index}"), index, NOTHING).await?;
            if peer.opened.state.len() + SLACK >= text.state.len() {
                peers.push(peer);
                break;
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{} did not take the text", venue.name).into());
            }
        }
    }
    Ok(peers)
}

impl Figures {
    async fn open(&mut self, venue: &Venue, text: &Text, is_of_each: bool) -> Outcome<()> {
        let doc = |index: usize| format!("large-{}", if is_of_each { index } else { 0 });
        let mut peers = Vec::new();
        for index in 0..COPIES {
            let peer = Peer::join(venue, &doc(index), index, NOTHING).await?;
            if peer.opened.state.len() + SLACK < text.state.len() {
                return Err(format!("{} sent {} bytes of the text", venue.name, peer.opened.state.len()).into());
            }
            self.first_byte.add(venue.name, peer.opened.first_byte.as_secs_f64() * 1000.0);
            self.last_byte.add(venue.name, peer.opened.last_byte.as_secs_f64() * 1000.0);
            peers.push(peer);
        }
        let behind = Copy { vector: &text.lagging, update: &EMPTY_UPDATE };
        let peer = Peer::join(venue, &doc(0), 0, behind).await?;
        self.difference.add(venue.name, f64::from(u32::try_from(peer.opened.state.len())?));
        Ok(())
    }
}

/// Has the kernel drop from memory what lies on disk anyway.
fn forget(data: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget(&entry.path())?;
        } else {
            let file = std::fs::File::open(entry.path())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

const COPIES: usize = 9;
const LACKING: usize = 10;
/// Another encoding of the same document may be a little shorter.
const SLACK: usize = 2_000;
/// A bound on a broken run.
const PATIENCE: Duration = Duration::from_secs(20);
