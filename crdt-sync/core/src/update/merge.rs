//! Several updates as one.
use std::cmp::Reverse;

use super::index::Run;
use super::writer::Writer;
use super::{ClientId, Clock, DeleteSet, StateVector, Update};

/// Writes one update with every struct of `parts` that has units at or above `above`, each once, and exactly `deletes`.
///
/// Where parts overlap, the copy that begins first counts, and of those the one in the earlier part; a struct that
/// begins below `above` or in another is cut. What no part holds between two structs of an author is skipped. Structs
/// that continue each other become one, as if they had been written at once.
#[must_use]
pub fn merge(parts: &[&Update], above: &StateVector, deletes: &DeleteSet) -> Vec<u8> {
    let mut runs = Vec::with_capacity(parts.len());
    let mut known = KnownClocks::new(above);
    for part in parts {
        let of_part = part.index.runs(&part.bytes);
        runs.extend(of_part.filter(|run| run.start() < run.end() && known.of(run.client) < run.end()));
    }
    // Stable: of two that begin alike, that of the earlier part stays first.
    runs.sort_by_key(|run| (Reverse(run.client), run.start()));
    let authors = || runs.chunk_by(|run, next| run.client == next.client);
    let mut writer = Writer::new(authors().count(), deletes);
    for author in authors() {
        let Some(client) = author.first().map(|run| run.client) else { continue };
        write_author(&mut writer, author, known.of(client));
        writer.end_section(client);
    }
    writer.finish()
}

/// Writes what runs of one author, in order of their starts, have at or above a clock.
fn write_author<'a>(writer: &mut Writer<'a>, runs: &[Run<'a>], above: Clock) {
    let mut written = above;
    for run in runs {
        if run.end() <= written {
            continue;
        }
        for part in run.from(written).structs().filter(|part| part.len > 0) {
            writer.add(part, written.max(part.clock));
        }
        written = run.end();
    }
}

/// A vector, and what it last said: runs come author by author.
struct KnownClocks<'a> {
    vector: &'a StateVector,
    last: Option<(ClientId, Clock)>,
}

impl<'a> KnownClocks<'a> {
    const fn new(vector: &'a StateVector) -> Self {
        Self { vector, last: None }
    }

    fn of(&mut self, client: ClientId) -> Clock {
        match self.last {
            Some((last, clock)) if last == client => clock,
            _ => {
                let clock = self.vector.get(client);
                self.last = Some((client, clock));
                clock
            }
        }
    }
}
