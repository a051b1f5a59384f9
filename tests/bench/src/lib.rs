//! What the servers cost and how fast they are, measured from outside on real processes. Four programs: `stoa-bench` for
//! signaling, `stoa-bench-docs` for documents, `stoa-bench-turn` for the relay, `stoa-bench-forward` for the SFU.
//! `docs/benchmarks.md` says what the rows mean.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and waits for it")]

mod client;
mod documents;
mod forward;
mod member;
mod process;
mod report;
mod rows;
mod series;
mod server;
pub mod trace;
mod turn;

use std::error::Error;
use std::process::ExitCode;

use crate::report::Report;

/// A benchmark that cannot measure says why and ends.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures and adds its rows.
type Part = fn(&mut Report) -> Outcome<()>;

/// Measures signaling: the parts that are named, or all.
#[must_use]
pub fn measure_signaling(wanted: &[String]) -> ExitCode {
    measure("signaling", &rows::PARTS, wanted)
}

/// Measures documents: the parts that are named, or all, as the options among the names say.
#[must_use]
pub fn measure_documents(wanted: &[String]) -> ExitCode {
    let parts_of = |plan| documents::PARTS.map(|(name, part)| (name, move |report: &mut Report| part(plan, report)));
    finish(documents::Plan::read(wanted).and_then(|(plan, wanted)| run("docs", &parts_of(plan), &wanted)))
}

/// Measures the relay: the parts that are named, or all.
#[must_use]
pub fn measure_relay(wanted: &[String]) -> ExitCode {
    measure("turn", &turn::PARTS, wanted)
}

/// Measures the SFU: the parts that are named, or all.
#[must_use]
pub fn measure_forwarding(wanted: &[String]) -> ExitCode {
    measure("forward", &forward::PARTS, wanted)
}

fn measure(subject: &str, parts: &[(&str, Part)], wanted: &[String]) -> ExitCode {
    finish(run(subject, parts, wanted))
}

fn finish(result: Outcome<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run<P>(subject: &str, parts: &[(&str, P)], wanted: &[String]) -> Outcome<()>
where
    P: Fn(&mut Report) -> Outcome<()>,
{
    if let Some(unknown) = wanted.iter().find(|name| !parts.iter().any(|(part, _)| part == name)) {
        let known: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no part {unknown:?}; name some of {}", known.join(", ")).into());
    }
    process::raise_file_limit()?;
    let mut report = Report::new(process::machine()?);
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            report::progress(name);
            part(&mut report).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    report.print();
    report.write(&server::target_folder()?.join(format!("bench/{subject}.json")))
}
