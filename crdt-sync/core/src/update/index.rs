//! Where the structs of an update are: eight bytes for each, since a struct may have only two.
use super::structs::{Kind, Struct};
use super::{ClientId, Clock};

/// Of all structs of an update, in the order of its bytes.
#[derive(Clone, Default)]
pub(super) struct Index {
    sections: Vec<Section>,
    /// Those of each section, then one that tells where its last struct ends.
    entries: Vec<Entry>,
}

/// The structs of one author that follow each other.
#[derive(Clone, Copy)]
struct Section {
    client: ClientId,
    /// The first of its entries.
    first: u32,
    has_skips: bool,
}

/// A struct's clock, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    clock: u32,
    byte: u32,
}

/// Structs of one author without a gap between them, or all of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) client: ClientId,
    /// One more than there are structs.
    entries: &'a [Entry],
    bytes: &'a [u8],
}

impl Index {
    /// Makes room for so many sections.
    pub(super) fn reserve(&mut self, sections: usize) {
        self.sections.reserve_exact(sections);
    }

    /// Begins a section with room for so many structs.
    pub(super) fn begin_section(&mut self, client: ClientId, room: usize) {
        // There are fewer entries than bytes, and fewer bytes than 2^32.
        let first = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.sections.push(Section { client, first, has_skips: false });
        // Most updates have one section and are kept: they get what they need and no more.
        match self.entries.is_empty() {
            true => self.entries.reserve_exact(room + 1),
            false => self.entries.reserve(room + 1),
        }
    }

    /// Adds a struct to the section, or the end of the last one.
    pub(super) fn push(&mut self, clock: u32, byte: u32) {
        self.entries.push(Entry { clock, byte });
    }

    /// Notes that a struct of the section is a [`Kind::Skip`].
    pub(super) fn note_skip(&mut self) {
        if let Some(section) = self.sections.last_mut() {
            section.has_skips = true;
        }
    }

    /// Each section as a whole, which may have gaps.
    pub(super) fn sections<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Run<'a>> {
        let ends = self.sections.iter().skip(1).map(|next| next.first as usize).chain([self.entries.len()]);
        self.sections.iter().zip(ends).map(move |(section, end)| Run {
            client: section.client,
            entries: self.entries.get(section.first as usize..end).unwrap_or_default(),
            bytes,
        })
    }

    /// The structs of each author, without gaps and without what stands for them.
    pub(super) fn runs<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Run<'a>> {
        let sections = self.sections(bytes).zip(&self.sections);
        sections.flat_map(|(run, section)| Pieces { rest: run, has_skips: section.has_skips })
    }

    /// All structs.
    pub(super) fn structs<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Struct<'a>> {
        self.sections(bytes).flat_map(Run::structs)
    }
}

impl<'a> Run<'a> {
    pub(super) fn start(&self) -> Clock {
        self.entries.first().map_or(0, |entry| entry.clock.into())
    }

    pub(super) fn end(&self) -> Clock {
        self.entries.last().map_or(0, |entry| entry.clock.into())
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len().saturating_sub(1)
    }

    /// Its structs from that one on.
    pub(super) fn after(self, structs: usize) -> Self {
        Self { entries: self.entries.get(structs..).unwrap_or_default(), ..self }
    }

    /// Its structs before that one.
    pub(super) fn before(self, structs: usize) -> Self {
        Self { entries: self.entries.get(..=structs).unwrap_or(self.entries), ..self }
    }

    /// Its structs from the one on that holds a clock.
    pub(super) fn from(self, clock: Clock) -> Self {
        self.after(self.entries.partition_point(|entry| Clock::from(entry.clock) <= clock).saturating_sub(1))
    }

    /// What is between the first and the last struct that is one.
    pub(super) fn without_outer_skips(self) -> Self {
        let is_skip = |at: &usize| self.after(*at).first().is_none_or(|part| part.kind == Kind::Skip);
        let end = self.len() - (0..self.len()).rev().take_while(is_skip).count();
        let start = (0..end).take_while(is_skip).count();
        self.before(end).after(start)
    }

    pub(super) fn structs(self) -> impl Iterator<Item = Struct<'a>> {
        self.entries.windows(2).filter_map(move |pair| self.read(pair))
    }

    pub(super) fn first(&self) -> Option<Struct<'a>> {
        self.read(self.entries)
    }

    /// All its structs as they are written.
    pub(super) fn encoded(&self) -> &'a [u8] {
        match self.entries {
            [first, .., end] => self.bytes.get(first.byte as usize..end.byte as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    fn read(&self, entries: &[Entry]) -> Option<Struct<'a>> {
        let [entry, next, ..] = entries else { return None };
        let bytes = self.bytes.get(entry.byte as usize..next.byte as usize)?;
        let kind = Kind::of(*bytes.first()?).ok()?;
        let (clock, len) = (entry.clock.into(), (next.clock - entry.clock).into());
        Some(Struct { client: self.client, clock, len, kind, bytes })
    }
}

/// A section's runs.
struct Pieces<'a> {
    rest: Run<'a>,
    has_skips: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        let is_skip = |part: &Struct<'_>| part.kind == Kind::Skip;
        if self.has_skips {
            self.rest = self.rest.after(self.rest.structs().take_while(is_skip).count());
        }
        let len = match self.has_skips {
            true => self.rest.structs().take_while(|part| !is_skip(part)).count(),
            false => self.rest.len(),
        };
        let run = self.rest.before(len);
        self.rest = self.rest.after(len);
        (len > 0).then_some(run)
    }
}
