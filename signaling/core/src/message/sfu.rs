use serde::{Deserialize, Serialize};
use stoa_base_types::ParticipantId;

use super::{MediaState, Source};

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum TrackSource {
    /// Speech.
    Microphone,
    /// A picture.
    Camera,
    /// The picture of a shared screen.
    Screen,
    /// Its sound.
    ScreenAudio,
}

impl TrackSource {
    /// What it belongs to: a shared screen is one with its sound.
    pub(crate) const fn source(self) -> Source {
        match self {
            Self::Microphone => Source::Microphone,
            Self::Camera => Source::Camera,
            Self::Screen | Self::ScreenAudio => Source::Screen,
        }
    }
}

impl MediaState {
    pub(crate) const fn is_on(self, source: Source) -> bool {
        match source {
            Source::Microphone => self.microphone,
            Source::Camera => self.camera,
            Source::Screen => self.screen,
        }
    }
}

/// What a client sends in a media section of its offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Announcement {
    /// The section's `a=mid`, at most 16 characters.
    pub mid: String,
    /// What.
    pub source: TrackSource,
}

/// Something that can be had from the SFU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Track {
    /// Unique on this server while it runs.
    pub id: u64,
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// What.
    pub source: TrackSource,
    /// As in `a=rtpmap`, in lower case.
    pub codec: String,
    /// How many sizes there are to choose from; 1 without simulcast.
    pub layers: u8,
}

/// What is wanted of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TrackWish {
    /// Which.
    pub track: u64,
    /// What of it; `null`: nothing any more, and its media section is free for another.
    pub wish: Option<Wish>,
}

/// How a track is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Wish {
    /// The largest size there is use for, 0 is the smallest; absent: the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub layer: Option<u8>,
    /// Nothing is to come for now; the media section is kept.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub paused: bool,
    /// Tracks with a higher one get bandwidth first.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<u8>"))]
    pub priority: u8,
}
