//! `stoa-bench`: measures the signaling server from outside and prints a table. `docs/benchmarks.md` says what the rows mean.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and waits for it")]

mod client;
mod member;
mod process;
mod report;
mod rows;
mod server;

use std::error::Error;
use std::process::ExitCode;

use crate::report::Report;

/// A benchmark that cannot measure says why and ends.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs the parts named as arguments, or all.
fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match run(&wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &[String]) -> Outcome<()> {
    if let Some(unknown) = wanted.iter().find(|name| !rows::PARTS.iter().any(|(part, _)| part == name)) {
        let known: Vec<&str> = rows::PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no part {unknown:?}; name some of {}", known.join(", ")).into());
    }
    process::raise_file_limit()?;
    let mut report = Report::new(process::machine()?);
    for (name, part) in rows::PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            report::progress(name);
            part(&mut report).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    report.print();
    report.write(&server::target_folder()?.join("bench/signaling.json"))
}
