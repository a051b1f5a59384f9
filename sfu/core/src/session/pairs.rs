//! Which sections belong together. Receivers play the sound and the picture of one media stream in step, and know streams by the ids that
//! the answer gives to sections ([RFC 8830](https://www.rfc-editor.org/rfc/rfc8830)). A section keeps its id for ever, whoever sits in it, so
//! sections are paired, and the microphone and the camera of one participant take the two of a pair if they can.

use std::collections::{BTreeMap, BTreeSet};

use str0m::media::Mid;

use super::Session;
use super::slot::Slot;
use crate::packet::{Codec, Publisher, ShortId, TrackId};

/// A track that seeks a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) track: TrackId,
    pub(crate) codec: Codec,
    /// Whose microphone or camera it is; `None` for what goes with nothing else, as screens do.
    pub(crate) person: Option<Publisher>,
    /// Whether that participant has the other one, too.
    pub(crate) has_other: bool,
}

/// The streams of the sections that a participant receives in.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    streams: BTreeMap<Mid, usize>,
    /// Which streams have a section for sound (true), and which for pictures.
    taken: BTreeSet<(bool, usize)>,
}

impl Pairs {
    /// The stream of a section. A new one gets the first of those `sought` that has none of its kind yet, else of all.
    fn place(&mut self, mid: Mid, is_audio: bool, sought: &[(bool, usize)]) -> usize {
        if let Some(stream) = self.streams.get(&mid) {
            return *stream;
        }
        let is_free = |stream: &usize| !self.taken.contains(&(is_audio, *stream));
        let sought = sought.iter().filter(|(kind, _)| *kind == is_audio).map(|(_, stream)| *stream);
        let stream = sought.chain(0..).find(is_free).unwrap_or_default();
        self.streams.insert(mid, stream);
        self.taken.insert((is_audio, stream));
        stream
    }

    pub(super) fn stream(&self, mid: Mid) -> Option<usize> {
        self.streams.get(&mid).copied()
    }
}

impl Session {
    /// The offer with the stream's id in every section that a participant receives in: the engine takes it up into its answers.
    /// `waiting` have no slots yet: the microphone (true) or camera of somebody whose other track may have one.
    pub(super) fn name_streams(&mut self, sdp: &str, waiting: &[(Publisher, bool)]) -> String {
        let sought: Vec<_> = waiting
            .iter()
            .filter_map(|(person, is_audio)| {
                let is_other = |slot: &&Slot| slot.is_audio != *is_audio && slot.is_taken_by(*person);
                Some((*is_audio, self.slots.iter().find(is_other)?.stream?))
            })
            .collect();
        super::offer::with_streams(sdp, |mid, is_audio| self.pairs.place(mid, is_audio, &sought))
    }

    /// Lets a track into a free slot that understands its codec, beside the other one of its participant if there is one. Returns the slot's
    /// mid.
    pub(crate) fn seat(&mut self, guest: Guest) -> Option<ShortId> {
        let mut halves: BTreeMap<(usize, bool), &Slot> = BTreeMap::new();
        for slot in &self.slots {
            halves.extend(slot.stream.map(|stream| ((stream, slot.is_audio), slot)));
        }
        let rank = |slot: &Slot| {
            let other = slot.stream.and_then(|stream| halves.get(&(stream, !slot.is_audio)));
            match other.map(|other| other.seat.as_ref()) {
                Some(Some(seat)) if seat.person.is_some() && seat.person == guest.person => 0,
                // Who comes alone leaves the pairs to others.
                Some(None) if guest.has_other => 1,
                Some(None) => 3,
                // Another section may yet be made for the other one.
                None if guest.has_other => 2,
                None => 1,
                Some(Some(_)) if guest.has_other => 3,
                Some(Some(_)) => 2,
            }
        };
        let is_fit = |slot: &Slot| slot.seat.is_none() && slot.format(guest.codec).is_some();
        let fit = self.slots.iter().enumerate().filter(|(_, slot)| is_fit(slot));
        let (_, place) = fit.map(|(place, slot)| (rank(slot), place)).min()?;
        let slot = self.slots.get_mut(place)?;
        slot.seat(guest.track, guest.codec, guest.person);
        self.seats.insert(guest.track, place);
        ShortId::new(&slot.mid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_paired_in_their_order_and_keep_their_streams() {
        let mut pairs = Pairs::default();
        let place = |pairs: &mut Pairs, mid: &str, is_audio| pairs.place(mid.into(), is_audio, &[]);
        assert_eq!(["1", "2", "3"].map(|mid| place(&mut pairs, mid, true)), [0, 1, 2]);
        assert_eq!(["4", "5"].map(|mid| place(&mut pairs, mid, false)), [0, 1]);
        assert_eq!(place(&mut pairs, "2", true), 1, "as before");
    }

    #[test]
    fn a_new_section_is_made_for_who_waits_for_it() {
        let mut pairs = Pairs::default();
        for mid in ["1", "2", "3"] {
            pairs.place(mid.into(), true, &[]);
        }
        let sought = [(true, 9), (false, 2)];
        assert_eq!(pairs.place("4".into(), false, &sought), 2);
        assert_eq!(pairs.place("5".into(), false, &sought), 0, "it is made already");
    }
}
