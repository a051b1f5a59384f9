#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this file's business")]

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::Outcome;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: String,
    rows: Vec<Row>,
}

/// One figure, and what it is compared with.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    /// Another server under the same load; none is measured yet.
    rival: Option<f64>,
    /// The least that any program would need here.
    floor: Option<f64>,
    /// `ours / floor`.
    ratio: Option<f64>,
    /// The goal in words.
    reach: Option<String>,
    met: Option<bool>,
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self { machine, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n", self.machine);
        println!(
            "| {:<54} | {:>14} | {:>9} | {:>9} | {:>6} | {:<24} | met |",
            "row", "unit", "ours", "floor", "ratio", "reach"
        );
        println!("|-{:-<54}-|-{:-<14}-|-{:-<9}-|-{:-<9}-|-{:-<6}-|-{:-<24}-|-----|", "", "", "", "", "", "");
        for row in &self.rows {
            println!(
                "| {:<54} | {:>14} | {:>9} | {:>9} | {:>6} | {:<24} | {:<3} |",
                row.name,
                row.unit,
                rounded(Some(row.ours)),
                rounded(row.floor),
                rounded(row.ratio),
                row.reach.as_deref().unwrap_or_default(),
                row.met.map_or("", |met| if met { "yes" } else { "NO" })
            );
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        println!("\nwritten to {}", path.display());
        Ok(())
    }
}

impl Row {
    /// A figure without a goal.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { name: name.into(), unit, ours, rival: None, floor: None, ratio: None, reach: None, met: None }
    }

    pub(crate) fn with_floor(self, floor: f64) -> Self {
        Self { floor: Some(floor), ratio: Some(self.ours / floor), ..self }
    }

    pub(crate) fn at_most(self, goal: f64) -> Self {
        let met = self.ours <= goal;
        self.goal(format!("<= {goal}"), met)
    }

    pub(crate) fn at_least(self, goal: f64) -> Self {
        let met = self.ours >= goal;
        self.goal(format!(">= {goal}"), met)
    }

    /// No more than this many times the floor.
    pub(crate) fn ratio_at_most(self, goal: f64) -> Self {
        let met = self.ratio.is_some_and(|ratio| ratio <= goal);
        self.goal(format!("ratio <= {goal}"), met)
    }

    /// Every goal of a row must be met.
    fn goal(self, words: String, met: bool) -> Self {
        let reach = match self.reach {
            Some(reach) => format!("{reach}, {words}"),
            None => words,
        };
        Self { reach: Some(reach), met: Some(self.met.unwrap_or(true) && met), ..self }
    }
}

/// Tells what is going on, beside the table.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}

pub(crate) fn complain(text: &str) {
    eprintln!("stoa-bench: {text}");
}

/// The value below which `share` of the samples lie. Sorts them.
pub(crate) fn quantile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few thousand samples"
    )]
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn rounded(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    }
}
