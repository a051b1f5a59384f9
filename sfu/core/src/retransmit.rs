//! Lost packets, both ways: a cache of what publishers sent, and requests for what of it did not come.
mod cache;
mod gaps;

pub(crate) use cache::{Cache, Cached, Stored};
pub(crate) use gaps::Gaps;
