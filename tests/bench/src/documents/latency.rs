//! How long a writer waits until an update is safe.

use std::sync::Arc;
use std::time::Duration;

use super::append::{Load, run};
use super::venue::{Venue, data_folder};
use super::wire::Dialect;
use super::{Plan, disk, runtime};
use crate::Outcome;
use crate::report::{Report, Row, quantile};
use crate::series::{OURS, Series};
use crate::server::Server;

pub(crate) fn measure(plan: Plan, report: &mut Report) -> Outcome<()> {
    let (mut p50, mut p99, mut disk_p50, mut disk_p99) =
        (Series::default(), Series::default(), Series::default(), Series::default());
    runtime()?.block_on(async {
        let folder = data_folder()?;
        let floor = Server::example("bench-documents", &["append", &folder.path().to_string_lossy()])?;
        let venues = [Venue::ours_hocuspocus()?, Venue::floor(floor, Dialect::Hocuspocus, true)].map(Arc::new);
        let load = Load { documents: 100, period: Duration::from_millis(100), seconds: plan.seconds };
        for round in 0..plan.rounds {
            let mut times = disk::append_times(folder.path())?;
            disk_p50.add(OURS, quantile(&mut times, 0.5));
            disk_p99.add(OURS, quantile(&mut times, 0.99));
            for venue in &venues {
                let mut figures = run(venue, round, &load).await?;
                p50.add(venue.name, quantile(&mut figures.latencies, 0.5));
                p99.add(venue.name, quantile(&mut figures.latencies, 0.99));
            }
        }
        Outcome::Ok(())
    })?;
    let (disk_p50, disk_p99) = (disk_p50.median(OURS)?, disk_p99.median(OURS)?);
    report.add(Row::new("disk alone, 4 KiB and fdatasync: p50", "ms", disk_p50));
    report.add(Row::new("disk alone, 4 KiB and fdatasync: p99", "ms", disk_p99));
    let name = "1,000 updates/s: ack after the commit";
    report.add(p50.row(format!("{name}, p50"), "ms")?.at_most(rounded(8.0 + disk_p50)));
    report.add(p99.row(format!("{name}, p99"), "ms")?.at_most(rounded(30.0 + disk_p99)));
    report.note(format!(
        "latency: 100 documents, one connection each, 10 updates/s each, spread evenly, through /hocuspocus; from writing \
         the update to reading its SyncStatus; {} s a round, medians of {}. The goals are 8 and 30 ms and one fdatasync of \
         the same disk, measured before each round by one thread alone. No rival acknowledges durably.",
        plan.seconds, plan.rounds
    ));
    Ok(())
}

fn rounded(goal: f64) -> f64 {
    (goal * 10.0).round() / 10.0
}
