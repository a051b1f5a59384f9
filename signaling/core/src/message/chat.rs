use serde::{Deserialize, Serialize};
use stoa_base_types::ParticipantId;

/// One line of a room's chat, as everybody gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChatEntry {
    /// Its place in the room's chat, from 1 without gaps; the same for everybody.
    pub seq: u64,
    /// When the server took it, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who wrote it.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Their name at that time.
    pub name: String,
    /// What they wrote.
    pub text: String,
}
