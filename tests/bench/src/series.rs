use std::collections::BTreeMap;

use crate::Outcome;
use crate::report::{Row, quantile};

/// The figures of several rounds, by who was measured.
#[derive(Debug, Default)]
pub(crate) struct Series(BTreeMap<&'static str, Vec<f64>>);

impl Series {
    pub(crate) fn add(&mut self, name: &'static str, figure: f64) {
        self.0.entry(name).or_default().push(figure);
    }

    pub(crate) fn median(&mut self, name: &str) -> Outcome<f64> {
        let figures = self.0.get_mut(name).ok_or_else(|| format!("{name} was not measured"))?;
        Ok(quantile(figures, 0.5))
    }

    /// The medians, side by side; less is better.
    pub(crate) fn row(self, name: impl Into<String>, unit: &'static str) -> Outcome<Row> {
        self.fill(name, unit, Row::new)
    }

    /// The same, where more is better.
    pub(crate) fn row_of_more(self, name: impl Into<String>, unit: &'static str) -> Outcome<Row> {
        self.fill(name, unit, Row::of_more)
    }

    fn fill<N>(mut self, name: N, unit: &'static str, new: fn(N, &'static str, f64) -> Row) -> Outcome<Row> {
        let mut row = new(name, unit, self.median(OURS)?);
        for (name, figures) in &mut self.0 {
            let figure = quantile(figures, 0.5);
            row = match *name {
                OURS => row,
                FLOOR => row.with_floor(figure),
                rival => row.with_rival(rival, figure),
            };
        }
        Ok(row)
    }
}

pub(crate) const OURS: &str = "Stoa";
pub(crate) const FLOOR: &str = "floor";
