//! Which structs of an update can be integrated, and which must wait for others.
use std::collections::BTreeSet;

use bytes::Bytes;

use super::index::Run;
use super::lib0::put_number;
use super::{ClientId, Clock, DeleteSet, Id, Kind, StateVector, Struct, Update};

/// An update in two halves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// What can be integrated: an update. If that is all of it, these are its own bytes; otherwise structs that are
    /// wholly known are left out. `None`: nothing.
    pub ready: Option<Bytes>,
    /// What must wait, with all later structs of the same authors: an update. `None`: nothing.
    pub rest: Option<Bytes>,
    /// What is waited for: as long as every author's known clock is below the one here, nothing of the rest can be
    /// integrated. Empty if there is no rest.
    pub missing: StateVector,
}

pub(super) fn split(update: &Update, known: &StateVector) -> Split {
    let mut progress = Progress::new(update, known);
    progress.run();
    let (ready_deletes, rest_deletes) = update.deletes.divide(|client| progress.end_of(client));
    let waits = progress.sections.iter().any(|section| section.done < section.run.len());
    if !waits && rest_deletes.is_empty() {
        let ready = (!update.is_empty()).then(|| update.bytes.clone());
        return Split { ready, ..Split::default() };
    }
    for (client, range) in rest_deletes.iter() {
        progress.missing.set_min(client, range.start + 1);
    }
    let ready = progress.sections.iter().map(|section| section.run.before(section.done).after(section.stale));
    let rest = progress.sections.iter().map(|section| section.run.after(section.done));
    Split { ready: write(ready, &ready_deletes), rest: write(rest, &rest_deletes), missing: progress.missing }
}

/// Sections and deletes as an update, unless there are none.
fn write<'a>(runs: impl Iterator<Item = Run<'a>>, deletes: &DeleteSet) -> Option<Bytes> {
    let mut body = Vec::new();
    let mut sections = 0;
    for run in runs.map(Run::without_outer_skips).filter(|run| run.len() > 0) {
        sections += 1;
        put_number(&mut body, run.len() as u64);
        put_number(&mut body, run.client);
        put_number(&mut body, run.start());
        body.extend_from_slice(run.encoded());
    }
    if sections == 0 && deletes.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + 16);
    put_number(&mut out, sections);
    out.append(&mut body);
    deletes.write(&mut out);
    Some(out.into())
}

/// How far the sections of an update have come.
struct Progress<'a> {
    /// The largest author first, each at most once: the reader sees to that.
    sections: Vec<Section<'a>>,
    known: &'a StateVector,
    /// Sections that wait until another has passed a clock: (the other, its clock, the one that waits).
    waiting: BTreeSet<(usize, Clock, usize)>,
    missing: StateVector,
}

struct Section<'a> {
    run: Run<'a>,
    /// How many of its structs can be integrated.
    done: usize,
    /// How many of these, at the front, were wholly known before.
    stale: usize,
    /// Everything of its author below is there.
    end: Clock,
}

impl<'a> Progress<'a> {
    fn new(update: &'a Update, known: &'a StateVector) -> Self {
        let sections = update.index.sections(&update.bytes);
        let sections = sections.map(|run| Section { run, done: 0, stale: 0, end: known.get(run.client) }).collect();
        Self { sections, known, waiting: BTreeSet::new(), missing: StateVector::new() }
    }

    fn run(&mut self) {
        let mut turns = Vec::new();
        for first in 0..self.sections.len() {
            let mut next = Some(first);
            while let Some(turn) = next {
                self.advance(turn);
                self.wake(turn, &mut turns);
                next = turns.pop();
            }
        }
        for &(other, clock, _) in &self.waiting {
            if let Some(section) = self.sections.get(other) {
                self.missing.set_min(section.run.client, clock + 1);
            }
        }
    }

    /// Whoever waited for a clock that a section has passed takes another turn.
    fn wake(&mut self, passed: usize, turns: &mut Vec<usize>) {
        let Some(end) = self.sections.get(passed).map(|section| section.end) else { return };
        while let Some(first) = self.waiting.range((passed, 0, 0)..(passed, end, 0)).next().copied() {
            self.waiting.remove(&first);
            turns.push(first.2);
        }
    }

    /// Takes as many structs of a section as can be integrated now.
    fn advance(&mut self, turn: usize) {
        while let Some(section) = self.sections.get(turn)
            && let Some(next) = section.run.after(section.done).first()
        {
            let is_stale = next.end() <= section.end || next.kind == Kind::Skip;
            if !is_stale && next.clock > section.end {
                self.missing.set_min(next.client, next.clock);
                return;
            }
            if !is_stale && self.lacks(turn, &next) {
                return;
            }
            if let Some(section) = self.sections.get_mut(turn) {
                section.stale += usize::from(is_stale && section.stale == section.done);
                section.done += 1;
                if !is_stale {
                    section.end = next.end();
                }
            }
        }
    }

    /// Whether something of others is not there that a struct needs. If so, notes what its section waits for.
    fn lacks(&mut self, turn: usize, next: &Struct<'_>) -> bool {
        // Whatever it needs of its own author is below it.
        let of_others = |id: &Id| id.client != next.client && id.clock >= self.end_of(id.client);
        let Some(Id { client, clock }) = next.needs().find(of_others) else { return false };
        match self.section_of(client) {
            Some(other) => {
                self.waiting.insert((other, clock, turn));
            }
            None => self.missing.set_min(client, clock + 1),
        }
        true
    }

    /// Everything of an author below is there.
    fn end_of(&self, client: ClientId) -> Clock {
        let section = self.section_of(client).and_then(|at| self.sections.get(at));
        section.map_or_else(|| self.known.get(client), |section| section.end)
    }

    fn section_of(&self, client: ClientId) -> Option<usize> {
        self.sections.binary_search_by(|section| client.cmp(&section.run.client)).ok()
    }
}
