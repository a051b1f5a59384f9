//! Which layer of a track a sink gets: what it shall get, what it gets, and when the one becomes the other.
use crate::rewrite::Origin;

/// One quality of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quality {
    /// Simulcast layer, 0 is the smallest.
    pub layer: u8,
    /// Highest temporal layer, 0 is the lowest frame rate.
    pub temporal: u8,
}

impl Quality {
    /// The best there is.
    pub const BEST: Self = Self { layer: u8::MAX, temporal: u8::MAX };

    /// The smallest layer, at its full frame rate.
    pub(crate) const LEAST: Self = Self { layer: 0, temporal: u8::MAX };
}

/// The layers of a track that the publisher sends, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Active(u8);

impl Active {
    pub(crate) fn set(&mut self, layer: u8, is_active: bool) {
        let bit = 1_u8.checked_shl(u32::from(layer)).unwrap_or_default();
        self.0 = if is_active { self.0 | bit } else { self.0 & !bit };
    }

    pub(crate) fn has(self, layer: u8) -> bool {
        self.0 & 1_u8.checked_shl(u32::from(layer)).unwrap_or_default() != 0
    }

    /// The highest layer up to `most`, else the lowest of those above.
    fn nearest(self, most: u8) -> Option<u8> {
        let up_to = if most >= 7 { u8::MAX } else { (2 << most) - 1 };
        let (below, above) = (self.0 & up_to, self.0 & !up_to);
        let bit = if below != 0 { below.ilog2() } else { above.checked_ilog2().map(|_| above.trailing_zeros())? };
        u8::try_from(bit).ok()
    }
}

/// One sink's layer of one track.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    target: Option<Quality>,
    desired: Option<u8>,
    current: Option<Origin>,
    /// The last keyframe of the desired layer lay too far behind.
    was_refused: bool,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Forward,
    /// A decoder can start here with the desired layer.
    Switch,
    Ignore,
}

impl Selection {
    /// Sets what the sink shall get; `None` stops it. Returns the layer that a keyframe is needed of.
    pub(crate) fn aim(&mut self, target: Option<Quality>, active: Active) -> Option<u8> {
        self.target = target;
        self.refresh(active)
    }

    /// The publisher sends other layers than before. Returns the layer that a keyframe is needed of.
    pub(crate) fn refresh(&mut self, active: Active) -> Option<u8> {
        let desired = self.target.and_then(|target| active.nearest(target.layer));
        if self.target.is_none() {
            self.current = None;
        }
        if desired != self.desired {
            self.was_refused = false;
        }
        self.desired = desired;
        self.waits_for()
    }

    /// The layer whose next keyframe is switched to.
    pub(crate) fn waits_for(&self) -> Option<u8> {
        self.desired.filter(|desired| self.current.is_none_or(|current| current.layer != *desired))
    }

    /// `can_start`: the packet begins a keyframe, or the track needs none.
    #[inline]
    pub(crate) fn choose(&self, origin: Origin, can_start: bool) -> Choice {
        if self.current == Some(origin) {
            return Choice::Forward;
        }
        if can_start && self.waits_for() == Some(origin.layer) { Choice::Switch } else { Choice::Ignore }
    }

    pub(crate) const fn switched(&mut self, origin: Origin) {
        self.current = Some(origin);
        self.was_refused = false;
    }

    pub(crate) const fn refused(&mut self) {
        self.was_refused = true;
    }

    pub(crate) const fn was_refused(&self) -> bool {
        self.was_refused
    }

    /// The stream it gets has ended: what comes next begins with a keyframe.
    pub(crate) const fn interrupt(&mut self) {
        self.current = None;
    }

    pub(crate) const fn current(&self) -> Option<Origin> {
        self.current
    }

    pub(crate) const fn desired(&self) -> Option<u8> {
        self.desired
    }

    pub(crate) fn temporal(&self) -> u8 {
        self.target.map_or(0, |target| target.temporal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(layers: &[u8]) -> Active {
        let mut active = Active::default();
        layers.iter().for_each(|layer| active.set(*layer, true));
        active
    }

    const fn origin(layer: u8) -> Origin {
        Origin { layer, generation: 0 }
    }

    #[test]
    fn a_switch_waits_for_a_keyframe_up_and_down() {
        let mut selection = Selection::default();
        assert_eq!(selection.aim(Some(Quality { layer: 1, temporal: 2 }), active(&[0, 1, 2])), Some(1));
        assert_eq!(selection.choose(origin(1), false), Choice::Ignore);
        assert_eq!(selection.choose(origin(1), true), Choice::Switch);
        selection.switched(origin(1));
        for layer in [0, 2] {
            assert_eq!(selection.aim(Some(Quality { layer, temporal: 2 }), active(&[0, 1, 2])), Some(layer));
            assert_eq!(selection.choose(origin(1), false), Choice::Forward);
            assert_eq!(selection.choose(origin(layer), false), Choice::Ignore);
            assert_eq!(selection.choose(origin(layer), true), Choice::Switch);
        }
        assert_eq!(selection.aim(None, active(&[0, 1, 2])), None);
        assert_eq!(selection.choose(origin(1), true), Choice::Ignore);
    }

    #[test]
    fn a_layer_that_vanishes_falls_back_to_the_next_that_is_there() {
        let mut selection = Selection::default();
        let target = Some(Quality { layer: 1, temporal: 0 });
        assert_eq!(selection.aim(target, active(&[])), None);
        assert_eq!(selection.refresh(active(&[2])), Some(2), "low layers may never come");
        assert_eq!(selection.refresh(active(&[0, 2])), Some(0));
        assert_eq!(selection.refresh(active(&[0, 1, 2])), Some(1));
    }
}
