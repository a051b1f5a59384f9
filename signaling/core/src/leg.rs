use std::collections::{BTreeMap, BTreeSet};

use crate::message::TrackSource;

/// A session's connection to the SFU.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) number: u64,
    /// The client's name for it.
    pub(crate) connection: u32,
    /// Media flows.
    pub(crate) is_alive: bool,
    /// What it sends on its data channel goes to the others.
    pub(crate) may_send: bool,
    sections: Sections,
    /// The offer that is not answered yet, and what it announced.
    outstanding: Option<(u64, Sections)>,
    wishes: BTreeSet<u64>,
}

/// What is sent in which media section, and the number it has as a track.
pub(crate) type Sections = BTreeMap<Box<str>, (TrackSource, u64)>;

impl Leg {
    pub(crate) const fn new(number: u64, connection: u32, may_send: bool) -> Self {
        Self {
            number,
            connection,
            is_alive: false,
            may_send,
            sections: Sections::new(),
            outstanding: None,
            wishes: BTreeSet::new(),
        }
    }

    /// The track in a section, if the section carries the same as before.
    pub(crate) fn track_in(&self, mid: &str, source: TrackSource) -> Option<u64> {
        self.sections.get(mid).filter(|(known, _)| *known == source).map(|(_, track)| *track)
    }

    /// What a track of this leg is.
    pub(crate) fn source_of(&self, track: u64) -> Option<TrackSource> {
        self.sections.values().find(|(_, known)| *known == track).map(|(source, _)| *source)
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        self.outstanding.is_some()
    }

    /// An offer is on its way.
    pub(crate) fn expect(&mut self, offer: u64, sections: Sections) {
        self.outstanding = Some((offer, sections));
    }

    /// The offer is answered; returns the tracks that it no longer has.
    pub(crate) fn accept(&mut self, offer: u64) -> Option<Vec<u64>> {
        let (_, sections) = self.outstanding.take_if(|(expected, _)| *expected == offer)?;
        let before = std::mem::replace(&mut self.sections, sections);
        let is_gone = |track: &u64| !self.sections.values().any(|(_, kept)| kept == track);
        Some(before.into_values().map(|(_, track)| track).filter(is_gone).collect())
    }

    /// The offer is refused; false if it was not the expected one.
    pub(crate) fn refuse(&mut self, offer: u64) -> bool {
        self.outstanding.take_if(|(expected, _)| *expected == offer).is_some()
    }

    /// A track was stopped: its section carries nothing until it is announced anew.
    pub(crate) fn forget(&mut self, track: u64) {
        self.sections.retain(|_, (_, known)| *known != track);
        if let Some((_, sections)) = &mut self.outstanding {
            sections.retain(|_, (_, known)| *known != track);
        }
    }

    /// Notes a wish, or that there is none any more; false if there are too many.
    pub(crate) fn wish(&mut self, track: u64, is_wished: bool, most: usize) -> bool {
        if !is_wished {
            self.wishes.remove(&track);
            return true;
        }
        let has_space = self.wishes.len() < most || self.wishes.contains(&track);
        if has_space {
            self.wishes.insert(track);
        }
        has_space
    }

    /// Forgets wishes for tracks that are gone, which clients need not take back.
    pub(crate) fn forget_ended(&mut self, is_there: impl Fn(u64) -> bool) {
        self.wishes.retain(|track| is_there(*track));
    }

    pub(crate) fn take_wishes(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.wishes)
    }
}
