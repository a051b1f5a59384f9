//! What it costs that two clients who speak to each other meet different workers.

use super::rounds;
use super::throughput::{Kind, best};
use super::venue::Venue;
use crate::Outcome;
use crate::report::{Report, Row, progress};
use crate::series::{OURS, Series};

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    let (mut same, mut different) = (Series::default(), Series::default());
    for _ in 0..rounds()? {
        for (series, flow) in [(&mut same, "same-worker"), (&mut different, "two-workers")] {
            let venue = Venue::ours_on(TWO_CORES)?;
            let figure = best(&venue, &Kind { flow, clients: CLIENTS, burst: 1, size: 160 })?;
            progress(&format!("{flow}: {figure:.0}"));
            series.add(OURS, figure);
        }
    }
    let (same, different) = (same.median(OURS)?, different.median(OURS)?);
    let name = "hairpin, 160 B, two workers: messages per CPU-second";
    report.add(Row::of_more(format!("{name}, same worker"), "1/CPU-s", same));
    report.add(
        Row::of_more("share of it when each end is on a worker of its own", "%", different / same * 100.0)
            .at_least(70.0),
    );
    report.note("workers: ours with two workers, the second on the generator's core.");
    Ok(())
}

/// Four times as many ask, and those whose workers suit stay.
const CLIENTS: u32 = 200;
const TWO_CORES: &str = "0,1";
