//! Messages that a second of the server's CPU carries, without losing any.

use super::rounds;
use super::venue::{Figures, Generator, Order, Venue};
use crate::Outcome;
use crate::report::{Report, Row, progress};
use crate::series::Series;

/// Both ends relayed by the same server.
pub(crate) fn measure_hairpin(report: &mut Report) -> Outcome<()> {
    let row = compare(
        "hairpin, 160 B: messages per CPU-second",
        &Kind { flow: "hairpin", clients: MANY, burst: 1, size: 160 },
    )?;
    report.add(row.rival_times_at_least(2.0).stretch(250_000.0));
    report.note(format!(
        "throughput: {MANY} clients ({FEW} where there are bursts), each with an address of its own, on one socket of a generator that has a core to itself, as \
         has the server; 127.0.0.1, payload in channels. The rate rises by a quarter from run to run until messages are lost \
         three times at the same rate; counted are messages that arrived per second of the server's CPU (all threads, the \
         kernel's work for it included), of the best run without loss; median of {} rounds in turn. The floor is a bare \
         loop of recvmmsg and sendmmsg with GRO and GSO that knows nothing of TURN. Hairpin: clients send to clients, both \
         relayed: coturn takes each message through the kernel twice, the floor and ours once.",
        rounds()?
    ));
    Ok(())
}

/// Video: bursts of full datagrams, from a client to a peer outside.
pub(crate) fn measure_bursts_of_4(report: &mut Report) -> Outcome<()> {
    measure_bursts(report, "bursts of 4 x 1200 B to peers", "up", 4)
}

/// Larger pictures.
pub(crate) fn measure_bursts_of_8(report: &mut Report) -> Outcome<()> {
    measure_bursts(report, "bursts of 8 x 1200 B to peers", "up", 8)
}

/// The other way.
pub(crate) fn measure_bursts_from_peers(report: &mut Report) -> Outcome<()> {
    measure_bursts(report, "bursts of 8 x 1200 B from peers", "down", 8)
}

fn measure_bursts(report: &mut Report, name: &str, flow: &'static str, burst: u32) -> Outcome<()> {
    let row = compare(&format!("{name}: messages per CPU-second"), &Kind { flow, clients: FEW, burst, size: 1200 })?;
    report.add(row.ratio_at_least(0.6).rival_times_at_least(3.0));
    report.note(format!(
        "{name}: each leaves its sender in one call (GSO), as browsers send the packets of a video frame."
    ));
    Ok(())
}

/// Audio: one small datagram at a time, to a peer outside.
pub(crate) fn measure_isolated(report: &mut Report) -> Outcome<()> {
    let kind = Kind { flow: "up", clients: MANY, burst: 1, size: 160 };
    let row = compare("isolated, 160 B to peers: messages per CPU-second", &kind)?;
    let stretch = row.rival_times(1.2);
    report.add(row.rival_times_at_least(1.0).stretch(stretch));
    Ok(())
}

/// What is sent where.
pub(crate) struct Kind {
    pub(crate) flow: &'static str,
    /// Who take turns. So many that few messages of one wait at the server together, unless they are sent together.
    pub(crate) clients: u32,
    pub(crate) burst: u32,
    pub(crate) size: u32,
}

fn compare(name: &str, kind: &Kind) -> Outcome<Row> {
    let mut series = Series::default();
    for _ in 0..rounds()? {
        for start in [Venue::coturn, Venue::ours, Venue::floor] {
            let venue = start()?;
            let figure = best(&venue, kind)?;
            progress(&format!("{name}: {} {figure:.0}", venue.name));
            series.add(venue.name, figure);
        }
    }
    series.row_of_more(name, "1/CPU-s")
}

/// Messages per CPU-second of the best run without loss.
pub(crate) fn best(venue: &Venue, kind: &Kind) -> Outcome<f64> {
    let mut generator = venue.load(kind.clients, kind.flow)?;
    let (mut best, mut rate, mut reached) = (0.0_f64, FIRST_RATE, 0.0_f64);
    let mut first = run_without_loss(venue, &mut generator, kind, rate)?;
    while first.is_none() && rate > LEAST_RATE {
        rate /= 2.0;
        first = run_without_loss(venue, &mut generator, kind, rate)?;
    }
    let Some(mut run) = first else {
        return Err(format!("{} loses messages at {LEAST_RATE} per second", venue.name).into());
    };
    loop {
        let (figures, seconds) = run;
        best = best.max(f64::from(figures.received) / seconds);
        let now = f64::from(figures.sent);
        // The generator itself cannot send faster.
        if now < reached * LEAST_GAIN {
            return Ok(best);
        }
        reached = now;
        rate *= STEP;
        match run_without_loss(venue, &mut generator, kind, rate)? {
            Some(next) => run = next,
            None => return Ok(best),
        }
    }
}

fn run_without_loss(
    venue: &Venue,
    generator: &mut Generator,
    kind: &Kind,
    rate: f64,
) -> Outcome<Option<(Figures, f64)>> {
    without_loss(venue, generator, Order { rate, milliseconds: RUN_MS, burst: kind.burst, size: kind.size })
}

/// A run may be disturbed, so it is tried again; `None` when messages are lost each time.
pub(crate) fn without_loss(venue: &Venue, generator: &mut Generator, order: Order) -> Outcome<Option<(Figures, f64)>> {
    for _ in 0..ATTEMPTS {
        let (figures, seconds) = venue.run(generator, order)?;
        if figures.sent > 0 && figures.received == figures.sent {
            return Ok(Some((figures, seconds)));
        }
    }
    Ok(None)
}

/// Each speaks rarely, as in calls with audio.
pub(crate) const MANY: u32 = 400;
const FEW: u32 = 40;
/// Messages per second.
const FIRST_RATE: f64 = 30_000.0;
/// A server that loses messages at this rate cannot be measured.
const LEAST_RATE: f64 = 4_000.0;
const STEP: f64 = 1.25;
const LEAST_GAIN: f64 = 1.05;
const RUN_MS: u64 = 600;
const ATTEMPTS: usize = 3;
