//! Who gets how much of a sink's bandwidth.

use crate::layer::Quality;

/// What one video track of a sink could get.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Higher ones are raised first.
    pub priority: u8,
    /// The best that the sink has use for.
    pub most: Quality,
    /// What it was given last time.
    pub current: Option<Quality>,
    /// It was given nothing last time, for want of bandwidth.
    pub was_starved: bool,
    /// What each layer costs up to each temporal layer, in bit/s; 0 where there is none.
    pub rates: Rates,
}

/// Bit/s by simulcast layer and highest temporal layer.
pub type Rates = [[u64; TEMPORALS]; LAYERS];

/// Most simulcast layers of a track.
pub const LAYERS: usize = 3;

/// Most temporal layers of one of them.
pub const TEMPORALS: usize = 4;

/// Divides `budget`, in bit/s, into a quality per demand, `None` where even the least does not fit. What is given never exceeds the budget by more
/// than `slack`, and exceeds it only to keep the least of what was given before: an estimate dips now and then, and a picture that comes and
/// goes is worse than a little delay.
///
/// First everybody gets the least, in the order of priority, then those of the highest priority are raised in turns, then the next.
/// `may_rise` is false for a while after a fall, and raising needs a margin, so that a choice at the edge does not swing.
#[must_use]
pub fn allocate(budget: u64, slack: u64, demands: &[Demand], may_rise: bool) -> Vec<Option<Quality>> {
    let ladders: Vec<Ladder> = demands.iter().map(Ladder::new).collect();
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|place| demands.get(*place).map(|demand| std::cmp::Reverse(demand.priority)));
    let mut rungs: Vec<Option<usize>> = vec![None; demands.len()];
    let (mut left, mut slack) = (budget, slack);
    let mut raise = |place: usize, rungs: &mut [Option<usize>]| {
        let (Some(ladder), Some(rung)) = (ladders.get(place), rungs.get_mut(place)) else { return false };
        let next = rung.map_or(0, |rung| rung + 1);
        let is_kept = next == 0 && ladder.current > 0;
        let Some(cost) = ladder.cost(next, may_rise, if is_kept { left.saturating_add(slack) } else { left }) else {
            return false;
        };
        slack -= cost.saturating_sub(left);
        left = left.saturating_sub(cost);
        *rung = Some(next);
        true
    };
    for place in &order {
        raise(*place, &mut rungs);
    }
    for class in order.chunk_by(|a, b| priority(demands, *a) == priority(demands, *b)) {
        let mut is_raised = true;
        while is_raised {
            is_raised = false;
            for place in class {
                // Who did not get the least stays out: more does not fit either.
                if rungs.get(*place).is_some_and(Option::is_some) {
                    is_raised |= raise(*place, &mut rungs);
                }
            }
        }
    }
    let quality = |(ladder, rung): (&Ladder, &Option<usize>)| ladder.rungs.get((*rung)?).map(|rung| rung.0);
    ladders.iter().zip(&rungs).map(quality).collect()
}

/// What all demands would take together if there were no limit, in bit/s, with the margin for raising.
///
/// The estimate of a path cannot grow beyond what is sent unless somebody probes for this.
#[must_use]
pub fn wanted(demands: &[Demand]) -> u64 {
    let last = |demand: &Demand| Ladder::new(demand).rungs.last().map_or(0, |(_, rate)| rate + rate / MARGIN);
    demands.iter().map(last).sum()
}

/// What it takes to give each demand the least, in bit/s, with the margin for raising.
#[must_use]
pub fn least(demands: &[Demand]) -> u64 {
    let first = |demand: &Demand| Ladder::new(demand).rungs.first().map_or(0, |(_, rate)| rate + rate / MARGIN);
    demands.iter().map(first).sum()
}

/// The least that can be had of a track.
#[must_use]
pub fn least_of(demand: &Demand) -> Option<Quality> {
    Ladder::new(demand).rungs.first().map(|(quality, _)| *quality)
}

/// The qualities of one track, by what they cost.
struct Ladder {
    rungs: Vec<(Quality, u64)>,
    current: u64,
    was_starved: bool,
}

impl Ladder {
    fn new(demand: &Demand) -> Self {
        let mut rungs: Vec<(Quality, u64)> = Vec::with_capacity(LAYERS * TEMPORALS);
        let mut is_lowest = true;
        for (layer, rates) in (0_u8..).zip(&demand.rates) {
            let is_wanted = layer <= demand.most.layer || is_lowest;
            if !is_wanted || rates.iter().all(|rate| *rate == 0) {
                continue;
            }
            for (temporal, rate) in (0_u8..).zip(rates) {
                // A larger picture at the lowest frame rate is worse than a smaller one that moves.
                let is_useful = is_lowest || temporal > 0 || !rates.iter().any(|other| other > rate);
                let costs_more = rungs.last().is_none_or(|(_, last)| rate > last);
                if temporal <= demand.most.temporal && *rate > 0 && is_useful && costs_more {
                    rungs.push((Quality { layer, temporal }, *rate));
                }
            }
            is_lowest = false;
        }
        let current = demand.current.and_then(|current| rungs.iter().rev().find(|(quality, _)| *quality <= current));
        let current = current.map_or(0, |(_, rate)| *rate);
        Self { rungs, current, was_starved: demand.was_starved }
    }

    /// What it costs to climb to `rung`, if that is allowed and fits.
    fn cost(&self, rung: usize, may_rise: bool, left: u64) -> Option<u64> {
        let (_, rate) = self.rungs.get(rung)?;
        let below = rung.checked_sub(1).and_then(|below| self.rungs.get(below)).map_or(0, |below| below.1);
        let cost = rate - below;
        let is_rise = if self.current == 0 { rung > 0 || self.was_starved } else { *rate > self.current };
        let needed = match (rung, self.was_starved) {
            (0, true) => cost + (cost / MARGIN).max(KEYFRAME_MARGIN.min(cost / 2)),
            _ if is_rise => cost + cost / MARGIN,
            _ => cost,
        };
        let is_fresh = self.current == 0 && !self.was_starved;
        ((may_rise || !is_rise || is_fresh) && needed <= left).then_some(cost)
    }
}

fn priority(demands: &[Demand], place: usize) -> Option<u8> {
    demands.get(place).map(|demand| demand.priority)
}

/// Raising needs room for one part in so many more.
const MARGIN: u64 = 7;

/// Likewise, in bit/s, for a small picture that got nothing: it begins with a keyframe, which must not take the room of other pictures.
const KEYFRAME_MARGIN: u64 = 40_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = [[60, 90, 150, 0], [200, 300, 500, 0], [700, 1_000, 1_700, 0]];

    fn demand(priority: u8, most: Quality) -> Demand {
        Demand { priority, most, current: None, was_starved: false, rates: RATES }
    }

    fn cost(demand: &Demand, quality: Quality) -> u64 {
        demand.rates[usize::from(quality.layer)][usize::from(quality.temporal)]
    }

    #[test]
    fn everybody_gets_the_least_before_anybody_gets_more() {
        let demands = [demand(0, Quality::BEST), demand(5, Quality::BEST)];
        assert_eq!(allocate(60, 0, &demands, true), [None, Some(Quality { layer: 0, temporal: 0 })]);
        let layers = |budget| allocate(budget, 0, &demands, true).into_iter().map(|q| q.map(|q| (q.layer, q.temporal)));
        assert!(layers(700).eq([Some((0, 2)), Some((1, 2))]));
        assert!(layers(5_000).eq([Some((2, 2)), Some((2, 2))]));
    }

    #[test]
    fn a_small_tile_gets_no_large_layer() {
        let most = Quality { layer: 0, temporal: u8::MAX };
        assert_eq!(allocate(5_000, 0, &[demand(0, most)], true), [Some(Quality { layer: 0, temporal: 2 })]);
    }

    #[test]
    fn a_fall_is_at_once_and_a_rise_needs_time_and_room() {
        let held = Demand { current: Some(Quality { layer: 1, temporal: 2 }), ..demand(0, Quality::BEST) };
        let quality = |budget, may_rise| allocate(budget, 0, &[held], may_rise)[0].map(|q| (q.layer, q.temporal));
        assert_eq!(quality(500, false), Some((1, 2)));
        assert_eq!(quality(499, false), Some((1, 1)));
        assert_eq!(quality(5_000, false), Some((1, 2)));
        assert_eq!(quality(1_000, true), Some((1, 2)), "no margin");
        assert_eq!(quality(1_080, true), Some((2, 1)));
    }

    #[test]
    fn a_screen_that_does_not_fit_is_still_wanted_so_that_the_path_is_probed_for_it() {
        let mut screen = demand(0, Quality::BEST);
        screen.rates = [[2_000_000, 0, 0, 0], [0; 4], [0; 4]];
        assert_eq!(allocate(300_000, 0, &[screen], true), [None]);
        assert_eq!(wanted(&[screen]), 2_285_714);
        screen.was_starved = true;
        assert_eq!(allocate(2_300_000, 0, &[screen], true), [Some(Quality { layer: 0, temporal: 0 })]);
    }

    proptest! {
        #[test]
        fn what_is_given_never_exceeds_the_budget_and_repeats_itself(
            budget in 0_u64..8_000,
            wishes in prop::collection::vec((0_u8..3, 0_u8..4, 0_u8..4, any::<bool>()), 0..8),
        ) {
            let mut demands: Vec<Demand> = wishes.iter().map(|(priority, layer, temporal, was_starved)| Demand {
                was_starved: *was_starved,
                ..demand(*priority, Quality { layer: *layer, temporal: *temporal })
            }).collect();
            let given = allocate(budget, 0, &demands, true);
            let sum: u64 = demands.iter().zip(&given).filter_map(|(demand, quality)| Some(cost(demand, (*quality)?))).sum();
            prop_assert!(sum <= budget);
            prop_assert!(sum <= wanted(&demands));
            for (demand, quality) in demands.iter_mut().zip(&given) {
                (demand.current, demand.was_starved) = (*quality, quality.is_none());
            }
            prop_assert_eq!(allocate(budget, 0, &demands, false), given);
        }
    }
}
