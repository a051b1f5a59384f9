//! What allocations cost: their coming and going, those who are refused one, and those who keep one and say nothing.

use std::thread::sleep;
use std::time::Duration;

use super::rounds;
use super::venue::{Generator, Venue};
use crate::Outcome;
use crate::process::{CpuMeter, exact_rss_kib};
use crate::report::{Report, progress};
use crate::series::Series;

/// Challenge, Allocate, Refresh with a lifetime of 0.
pub(crate) fn measure_pace(report: &mut Report) -> Outcome<()> {
    let name = "allocations made and released per CPU-second";
    let (mut series, rounds) = (Series::default(), rounds()?);
    for _ in 0..rounds {
        for start in [Venue::coturn, Venue::ours] {
            let venue = start()?;
            let mut generator = Generator::start(&["allocate", &venue.server.address.to_string()])?;
            let meter = CpuMeter::start(venue.server.pid())?;
            let count: u32 = generator.ask(PACE_MS)?.parse()?;
            let figure = f64::from(count) / meter.seconds()?;
            progress(&format!("{name}: {} {figure:.0}", venue.name));
            series.add(venue.name, figure);
        }
    }
    report.add(series.row_of_more(name, "1/CPU-s")?.at_least(12_000.0));
    report.note(format!(
        "allocate: each time a client that was not there before asks, is refused with a nonce, asks again with credentials and \
         releases what it got: three requests, 64 clients at a time; median of {rounds} rounds of 2 s in turn."
    ));
    Ok(())
}

/// Strangers who ask and never say who they are.
pub(crate) fn measure_flood(report: &mut Report) -> Outcome<()> {
    let name = "RSS growth after 1,000,000 spoofed Allocates";
    let mut series = Series::default();
    for (start, count) in [(Venue::coturn as fn() -> Outcome<Venue>, FEW_STRANGERS), (Venue::ours, STRANGERS)] {
        let venue = start()?;
        let address = venue.server.address.to_string();
        let mut generator = Generator::start(&["flood", &address, &count.to_string()])?;
        let before = exact_rss_kib(venue.server.pid())?;
        let answered: u32 = generator.ask("go")?.parse()?;
        let grown = exact_rss_kib(venue.server.pid())? - before;
        let figure = grown / 1024.0 * f64::from(STRANGERS) / f64::from(answered);
        progress(&format!("{name}: {} {figure:.2} MiB", venue.name));
        series.add(venue.name, figure);
    }
    report.add(series.row(name, "MiB")?.at_most(1.0));
    report.note(
        "flood: 1,000,000 requests, each from an address of its own in 127.0.0.0/8, all answered with a challenge, none taken \
         further; after 10,000 others. coturn keeps a session for each and would need more memory than there is: it is sent \
         20,000, and its growth is multiplied.",
    );
    Ok(())
}

/// Allocations without traffic.
pub(crate) fn measure_memory(report: &mut Report) -> Outcome<()> {
    let mut series = Series::default();
    for start in [Venue::coturn, Venue::ours] {
        let venue = start()?;
        let mut generator = Generator::start(&["idle", &venue.server.address.to_string()])?;
        let mut sizes = Vec::new();
        for count in [FEW, MANY] {
            generator.ask(&count.to_string())?;
            sleep(SETTLING);
            sizes.push(exact_rss_kib(venue.server.pid())?);
        }
        let grown = sizes.last().unwrap_or(&0.0) - sizes.first().unwrap_or(&0.0);
        series.add(venue.name, grown / f64::from(MANY - FEW));
    }
    report.add(series.row("RSS per idle allocation", "KiB")?.at_most(4.0));
    report.note("memory: resident memory of the server with 2,000 allocations less that with 200, by 1,800.");
    Ok(())
}

const PACE_MS: &str = "2000";
const STRANGERS: u32 = 1_000_000;
const FEW_STRANGERS: u32 = 20_000;
const FEW: u32 = 200;
const MANY: u32 = 2_000;
const SETTLING: Duration = Duration::from_secs(1);
