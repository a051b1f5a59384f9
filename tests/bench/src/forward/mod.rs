//! The SFU: what forwarding and setting up cost, beside sending the same datagrams made beforehand. The work is done by an example, since the
//! benchmark itself links no part.

mod figures;

use crate::report::{Report, Row, progress};
use crate::series::{FLOOR, OURS, Series};
use crate::{Outcome, Part};
use figures::Figures;

/// What can be asked for, in the order in which it runs.
pub(crate) const PARTS: [(&str, Part); 3] =
    [("bursts", measure_bursts), ("singly", measure_singly), ("set-up", measure_set_up)];

/// A frame's packets at a time, as video comes.
fn measure_bursts(report: &mut Report) -> Outcome<()> {
    let last = measure(report, BURST, Some((2_800.0, 3_600.0)))?;
    let allocations = last.figure("allocations")? * last.share("watched-ours", "watched-others")?;
    report.add(
        Row::new("heap allocations per forwarded packet, in our own code", "1/packet", allocations).at_most(0.001),
    );
    report.add(Row::new(
        "heap allocations per forwarded packet, the engine's included",
        "1/packet",
        last.figure("allocations")?,
    ));
    report.add(Row::of_more("GSO run length, with congestion control", "packets", last.figure("run-length")?));
    report.add(Row::new("sent per forwarded packet: more is padding and repeats", "", last.figure("sent-share")?));
    report.add(Row::of_more("share of what was published that was forwarded", "", last.figure("forwarded-share")?));
    report.add(Row::new("datagrams from subscribers per forwarded packet", "", last.figure("feedback-share")?));
    report.note(
        "bursts: one publisher of VP8 at 2.4 Mbit/s in bursts of 8 datagrams of 1,200 B, 200 subscribers with engines and sockets of their own, one \
         media worker with the shard that the binary has. CPU time of the worker's thread, system calls included; medians of 3 rounds of 4 s. \
         The floor sends datagrams that are made already through the same worker. Subscribers share the machine but not the thread.",
    );
    Ok(())
}

/// A packet at a time, where nothing can leave together.
fn measure_singly(report: &mut Report) -> Outcome<()> {
    measure(report, 1, None).map(drop)
}

fn measure(report: &mut Report, burst: u32, goals: Option<(f64, f64)>) -> Outcome<Figures> {
    let burst_text = burst.to_string();
    let (mut unpaced, mut paced, mut last) = (Series::default(), Series::default(), None);
    for round in 1..=ROUNDS {
        let floor = Figures::of(&["floor", SUBSCRIBERS, &burst_text])?.figure("floor-ns")?;
        for (series, kind) in [(&mut unpaced, "unpaced"), (&mut paced, "paced")] {
            let figures = Figures::of(&["forward", kind, SUBSCRIBERS, &burst_text])?;
            let ours = figures.figure("forward-ns")?;
            progress(&format!(
                "bursts of {burst}, {kind}, round {round} of {ROUNDS}: {ours:.0} ns, floor {floor:.0} ns, runs of {:.1}",
                figures.figure("run-length")?
            ));
            series.add(OURS, ours);
            series.add(FLOOR, floor);
            last = Some(figures);
        }
    }
    let name = format!("CPU per forwarded packet, bursts of {burst}");
    let without = unpaced.row(format!("{name}, without congestion control"), "ns")?;
    let with = paced.row(format!("{name}, with congestion control and pacing"), "ns")?;
    let (without, with) = match goals {
        Some((least, most)) => (without.at_most(least), with.at_most(most)),
        None => (without, with),
    };
    report.add(without);
    report.add(with);
    last.ok_or_else(|| "nothing was measured".into())
}

fn measure_set_up(report: &mut Report) -> Outcome<()> {
    let mut series = Series::default();
    for round in 1..=ROUNDS {
        let rate = 1e6 / Figures::of(&["set-up", SUBSCRIBERS])?.figure("set-up-us")?;
        progress(&format!("round {round} of {ROUNDS}: {rate:.0} set-ups per CPU-second"));
        series.add(OURS, rate);
    }
    report.add(series.row_of_more("sessions set up (offer, ICE, DTLS) per CPU-second", "1/CPU-s")?.at_least(500.0));
    report
        .note("set-up: CPU time of the worker's thread from the first order to the moment when all 201 are connected.");
    Ok(())
}

const ROUNDS: usize = 3;
const SUBSCRIBERS: &str = "200";
const BURST: u32 = 8;
