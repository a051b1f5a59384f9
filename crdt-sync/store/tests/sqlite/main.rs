//! What SQLite keeps, through the seam.
#![expect(clippy::unwrap_used, clippy::unwrap_in_result, clippy::indexing_slicing, reason = "a test may panic")]

mod backup;
mod contract;
mod damage;
mod erase;
mod generations;
mod model;
mod processes;
mod support;
