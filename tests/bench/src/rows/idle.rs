//! What a joined socket costs that says nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::time::sleep;

use super::{check_connected, let_idle, open_pairs, runtime};
use crate::Outcome;
use crate::process;
use crate::report::{Report, Row};
use crate::server::Server;

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    runtime()?.block_on(async {
        let server = Server::stoa(&[])?;
        let lost = Arc::new(AtomicUsize::new(0));
        let_idle(open_pairs(&server, 0, FEW / 2).await?, &lost);
        sleep(SETTLING).await;
        check_connected(&server, FEW, &lost).await?;
        let before = process::rss_kib(server.pid())?;
        let_idle(open_pairs(&server, FEW / 2, (MANY - FEW) / 2).await?, &lost);
        sleep(SETTLING).await;
        check_connected(&server, MANY, &lost).await?;
        let after = process::rss_kib(server.pid())?;
        let added = f64::from(u32::try_from(MANY - FEW)?);
        report.add(Row::new("RSS per idle joined socket", "KiB", (after - before) / added).at_most(8.0));
        report.add(Row::new("RSS with 10,000 idle joined sockets", "MiB", after / 1024.0));
        let most = most_sockets();
        if most > MANY {
            let_idle(open_pairs(&server, MANY / 2, (most - MANY) / 2).await?, &lost);
            sleep(SETTLING).await;
            check_connected(&server, most, &lost).await?;
            let full = process::rss_kib(server.pid())?;
            let added = f64::from(u32::try_from(most - MANY)?);
            let name = format!("RSS per idle joined socket, 10,000 to {most}");
            report.add(Row::new(name, "KiB", (full - after) / added).at_most(8.0));
        }
        Ok(())
    })
}

/// As many as the limit of open files allows, of which each side needs one for every socket; in whole
/// thousands.
fn most_sockets() -> usize {
    let spare = 200;
    let files = usize::try_from(process::file_limit()).unwrap_or(usize::MAX).saturating_sub(spare);
    (files / 1_000 * 1_000).min(MOST)
}

const FEW: usize = 1_000;
const MANY: usize = 10_000;
/// A server takes no more.
const MOST: usize = 100_000;
/// Every socket has been pinged once by then.
const SETTLING: Duration = Duration::from_secs(18);
