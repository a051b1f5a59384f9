//! What the server does when nothing happens.

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
        sleep(SETTLING).await;
        let wake_ups = switches_over(&server, EMPTY_WATCH).await?;
        report.add(Row::new("idle server, no clients: wake-ups", "per 10 s", wake_ups).at_most(2.0));
        let rss = process::rss_kib(server.pid())? / 1024.0;
        report.add(Row::new("idle server, no clients: RSS", "MiB", rss).at_most(30.0));

        let lost = Arc::new(AtomicUsize::new(0));
        // Spread over one heartbeat: those who joined at once would be pinged at once, by a single wake-up.
        for room in 0..SOCKETS / 2 {
            let_idle(open_pairs(&server, room, 1).await?, &lost);
            sleep(HEARTBEAT * 2 / u32::try_from(SOCKETS)?).await;
        }
        sleep(HEARTBEAT + SETTLING).await;
        let out = switches_over(&server, JOINED_WATCH).await?;
        check_connected(&server, SOCKETS, &lost).await?;
        let heartbeats = f64::from(u32::try_from(SOCKETS)?) * JOINED_WATCH.as_secs_f64() / HEARTBEAT.as_secs_f64();
        report.add(Row::new("100 idle sockets: wake-ups", "per heartbeat", out / heartbeats));
        report.add(Row::new("100 idle sockets: wake-ups", "per 30 s", out));
        Ok(())
    })
}

async fn switches_over(server: &Server, watch: Duration) -> Outcome<f64> {
    let before = process::switches(server.pid())?;
    sleep(watch).await;
    Ok(process::switches(server.pid())? - before)
}

const SOCKETS: usize = 100;
const SETTLING: Duration = Duration::from_secs(2);
const EMPTY_WATCH: Duration = Duration::from_secs(10);
/// Two heartbeats of each socket.
const JOINED_WATCH: Duration = Duration::from_secs(30);
/// `Limits::heartbeat` of the server: a quiet client is pinged this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
