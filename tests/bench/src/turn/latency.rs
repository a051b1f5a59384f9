//! How long a message is on its way when there is little to do.

use super::rounds;
use super::throughput::without_loss;
use super::venue::{Order, Venue};
use crate::Outcome;
use crate::report::{Report, progress};
use crate::series::Series;

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    let (mut p50, mut p99) = (Series::default(), Series::default());
    for _ in 0..rounds()? {
        for start in [Venue::coturn, Venue::ours, Venue::floor] {
            let venue = start()?;
            let mut generator = venue.load(CLIENTS, "hairpin")?;
            let (figures, _) = without_loss(&venue, &mut generator, ORDER)?
                .ok_or_else(|| format!("{} lost messages at {} per second", venue.name, ORDER.rate))?;
            progress(&format!("latency: {} p50 {:.0} us, p99 {:.0} us", venue.name, figures.p50_us, figures.p99_us));
            p50.add(venue.name, figures.p50_us);
            p99.add(venue.name, figures.p99_us);
        }
    }
    let name = "hairpin, 160 B, 10,000 messages/s: delay";
    report.add(p50.row(format!("{name}, p50"), "us")?.no_worse_than_rival());
    report.add(p99.row(format!("{name}, p99"), "us")?.no_worse_than_rival());
    report
        .note("latency: from before the client's system call to after the other client's; the generator never sleeps.");
    Ok(())
}

const CLIENTS: u32 = 40;
const ORDER: Order = Order { rate: 10_000.0, milliseconds: 2_000, burst: 1, size: 160 };
