//! The update reader and its arithmetic against Yjs (in Node) and yrs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod dice;
mod differential;
mod handmade;
mod measure;
mod mutation;
mod oracle;
mod yrs_engine;
