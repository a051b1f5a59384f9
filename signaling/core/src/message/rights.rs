use serde::{Deserialize, Serialize};

use super::Source;

/// What a participant may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Grants {
    /// What they may publish.
    pub publish: Vec<Source>,
    /// Whether they may receive what others publish.
    pub subscribe: bool,
    /// Whether they may send data to others.
    pub data: bool,
    /// What they may do with documents.
    pub documents: DocumentsGrant,
    /// Whether they may mute, remove, lock and invite.
    pub moderate: bool,
    /// Whether they may use the admin endpoints.
    pub admin: bool,
}

/// What a participant may do with documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum DocumentsGrant {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Default for Grants {
    /// What anybody may do who may enter: everything but to rule.
    fn default() -> Self {
        Self {
            publish: vec![Source::Microphone, Source::Camera, Source::Screen],
            subscribe: true,
            data: true,
            documents: DocumentsGrant::Write,
            moderate: false,
            admin: false,
        }
    }
}

impl Grants {
    /// What the others must know of it; `None` for somebody who may do everything.
    pub(crate) fn on_view(&self) -> Option<ParticipantRights> {
        let rights = ParticipantRights { subscribe: self.subscribe, data: self.data, documents: self.documents };
        (rights != ParticipantRights::EVERYTHING).then_some(rights)
    }
}

/// What the others have to know of a participant's rights: what they send directly, the server does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ParticipantRights {
    /// Whether they may receive what others publish.
    pub subscribe: bool,
    /// Whether they may send data to others.
    pub data: bool,
    /// What they may do with documents.
    pub documents: DocumentsGrant,
}

impl ParticipantRights {
    const EVERYTHING: Self = Self { subscribe: true, data: true, documents: DocumentsGrant::Write };
}
