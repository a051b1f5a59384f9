//! Allocations that come and go, that are refused, and that stay.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::crowd::Crowd;

/// Allocates and releases for so long, each time as a client that was not there before: three requests. The next client's number.
pub(crate) fn come_and_go(crowd: &mut Crowd, mut next: u32, duration: Duration) -> Outcome<u32> {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let wave = next..next + WAVE;
        crowd.allocate(wave.clone())?;
        crowd.release(wave)?;
        next += WAVE;
    }
    Ok(next)
}

/// Asks for allocations as so many strangers, each at an address of its own, who never say who they are; how many were answered.
pub(crate) fn flood(crowd: &mut Crowd, mut strangers: Range<u32>) -> Outcome<usize> {
    let mut answered = 0;
    while !strangers.is_empty() {
        let end = strangers.end.min(strangers.start + FLOOD_WAVE);
        answered += crowd.knock(strangers.start..end)?.len();
        strangers.start = end;
    }
    Ok(answered)
}

/// Allocates until there are so many.
pub(crate) fn allocate_up_to(crowd: &mut Crowd, count: u32) -> Outcome<()> {
    let mut have = u32::try_from(crowd.members.len())?;
    while have < count {
        let end = count.min(have + WAVE);
        crowd.allocate(have..end)?;
        have = end;
    }
    Ok(())
}

const WAVE: u32 = 64;
const FLOOD_WAVE: u32 = 4_096;
