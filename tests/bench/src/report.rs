#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this file's business")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::Outcome;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: String,
    rows: Vec<Row>,
    /// What the rows mean, for whoever reads the table alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// One figure, and what it is compared with.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    /// Other servers under the same load: the better one.
    rival: Option<f64>,
    /// Each of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rivals: BTreeMap<&'static str, f64>,
    /// The least that any program would need here.
    floor: Option<f64>,
    /// `ours / floor`.
    ratio: Option<f64>,
    /// The goal in words.
    reach: Option<String>,
    met: Option<bool>,
    /// Of two rivals the one with more is the better one.
    #[serde(skip)]
    is_more_better: bool,
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self { machine, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n", self.machine);
        let rivals: Vec<_> = self.rows.iter().map(|row| row.rivals_in_words()).collect();
        let width = rivals.iter().map(String::len).max().unwrap_or_default().max("rivals".len());
        println!(
            "| {:<54} | {:>14} | {:>9} | {:<width$} | {:>9} | {:>6} | {:<24} | met |",
            "row", "unit", "ours", "rivals", "floor", "ratio", "reach"
        );
        println!(
            "|-{:-<54}-|-{:-<14}-|-{:-<9}-|-{:-<width$}-|-{:-<9}-|-{:-<6}-|-{:-<24}-|-----|",
            "", "", "", "", "", "", ""
        );
        for (row, rivals) in self.rows.iter().zip(rivals) {
            println!(
                "| {:<54} | {:>14} | {:>9} | {:<width$} | {:>9} | {:>6} | {:<24} | {:<3} |",
                row.name,
                row.unit,
                rounded(Some(row.ours)),
                rivals,
                rounded(row.floor),
                rounded(row.ratio),
                row.reach.as_deref().unwrap_or_default(),
                row.met.map_or("", |met| if met { "yes" } else { "NO" })
            );
        }
        for note in &self.notes {
            println!("\n{note}");
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
        let (rival, rivals) = (None, BTreeMap::new());
        let is_more_better = false;
        Self {
            name: name.into(),
            unit,
            ours,
            rival,
            rivals,
            floor: None,
            ratio: None,
            reach: None,
            met: None,
            is_more_better,
        }
    }

    /// A figure of which there should be much.
    pub(crate) fn of_more(name: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { is_more_better: true, ..Self::new(name, unit, ours) }
    }

    /// One more server under the same load.
    pub(crate) fn with_rival(mut self, name: &'static str, figure: f64) -> Self {
        self.rivals.insert(name, figure);
        let better = if self.is_more_better { f64::max } else { f64::min };
        Self { rival: Some(self.rival.map_or(figure, |other| better(other, figure))), ..self }
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

    /// This share of the floor, or more.
    pub(crate) fn ratio_at_least(self, goal: f64) -> Self {
        let met = self.ratio.is_some_and(|ratio| ratio >= goal);
        self.goal(format!("ratio >= {goal}"), met)
    }

    /// This many times as much as the better rival, or more.
    pub(crate) fn rival_times_at_least(self, times: f64) -> Self {
        let met = self.rival.is_some_and(|rival| self.ours >= rival * times);
        self.goal(format!(">= {times} x rival"), met)
    }

    /// So many times the better rival.
    pub(crate) fn rival_times(&self, times: f64) -> f64 {
        self.rival.map_or(f64::NAN, |rival| (rival * times).round())
    }

    /// No more than the better rival.
    pub(crate) fn no_worse_than_rival(self) -> Self {
        let met = self.rival.is_some_and(|rival| self.ours <= rival);
        self.goal("<= rival".to_owned(), met)
    }

    /// No more than this share of the better rival.
    pub(crate) fn rival_share_at_most(self, parts: u32) -> Self {
        let met = self.rival.is_some_and(|rival| self.ours <= rival / f64::from(parts));
        self.goal(format!("<= rival / {parts}"), met)
    }

    /// Worth having, but not asked for.
    pub(crate) fn stretch(self, goal: f64) -> Self {
        let reach = self.reach.unwrap_or_default();
        let sign = if self.is_more_better { ">=" } else { "<=" };
        Self { reach: Some(format!("{reach} (stretch {sign} {goal})")), ..self }
    }

    fn rivals_in_words(&self) -> String {
        let rivals = self.rivals.iter().map(|(name, figure)| format!("{name} {}", rounded(Some(*figure))));
        rivals.collect::<Vec<_>>().join(", ")
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
