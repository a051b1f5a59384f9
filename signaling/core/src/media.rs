use stoa_base_types::ParticipantId;

use crate::message::{TrackSource, Wish};

/// What the SFU is asked for, in this order. Rooms, legs (a session's connection to the SFU) and tracks have numbers that are never used twice;
/// what names one that is over is to be ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaRequest {
    /// A leg begins. The SFU's room begins with its first leg.
    Join {
        /// Where.
        room: u64,
        /// Which.
        leg: u64,
        /// Whose: the others find it before what the leg sends on its data channel.
        participant: ParticipantId,
        /// Whether what it sends there goes to the others.
        may_send: bool,
    },
    /// An offer; answered by [`MediaReport::Answer`] or [`MediaReport::Refused`].
    Offer {
        /// Where.
        room: u64,
        /// Whose.
        leg: u64,
        /// Comes back with the answer.
        offer: u64,
        /// The session description.
        sdp: String,
        /// All sections with tracks.
        sections: Vec<MediaSection>,
    },
    /// A leg wants a track, wants it otherwise, or (`None`) no longer.
    Wish {
        /// Where.
        room: u64,
        /// Who.
        leg: u64,
        /// Which.
        track: u64,
        /// What of it.
        wish: Option<Wish>,
    },
    /// A track is silenced for everybody, or heard again.
    Mute {
        /// Where.
        room: u64,
        /// Which.
        track: u64,
        /// Silenced.
        is_muted: bool,
    },
    /// A track ends, whatever its leg sends.
    Stop {
        /// Where.
        room: u64,
        /// Which.
        track: u64,
    },
    /// Whether what a leg sends on its data channel goes to the others has changed.
    Data {
        /// Where.
        room: u64,
        /// Which.
        leg: u64,
        /// Whose.
        participant: ParticipantId,
        /// Whether it does.
        may_send: bool,
    },
    /// A leg is over.
    Leave {
        /// Where.
        room: u64,
        /// Which.
        leg: u64,
    },
}

impl MediaRequest {
    /// The room that it is about.
    #[must_use]
    pub const fn room(&self) -> u64 {
        match self {
            Self::Join { room, .. }
            | Self::Offer { room, .. }
            | Self::Wish { room, .. }
            | Self::Mute { room, .. }
            | Self::Stop { room, .. }
            | Self::Data { room, .. }
            | Self::Leave { room, .. } => *room,
        }
    }
}

/// A media section that carries a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSection {
    /// The section's `a=mid`.
    pub mid: String,
    /// The track's number. It stays the same for as long as the section carries the same.
    pub track: u64,
    /// What it carries.
    pub source: TrackSource,
}

/// What the SFU has to say. What names a leg, a room or a track that is over is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaReport {
    /// The answer to an offer.
    Answer {
        /// To whom.
        leg: u64,
        /// Of the offer.
        offer: u64,
        /// The session description.
        sdp: String,
    },
    /// An offer that cannot be answered; the leg goes on as it was.
    Refused {
        /// Whose.
        leg: u64,
        /// Which.
        offer: u64,
        /// For people: why.
        why: String,
    },
    /// A track can be had, or (if it could be had before) has changed.
    Published {
        /// Whose.
        leg: u64,
        /// Which.
        track: u64,
        /// As in `a=rtpmap`, in lower case.
        codec: &'static str,
        /// How many sizes there are.
        layers: u8,
    },
    /// A track is gone.
    Ended {
        /// Where.
        room: u64,
        /// Which.
        track: u64,
    },
    /// A track that was wished for comes in this section from now on.
    Seated {
        /// To whom.
        leg: u64,
        /// Which.
        track: u64,
        /// The section's `a=mid`.
        mid: String,
    },
    /// Wishes wait for so many more sections.
    NeedSlots {
        /// Whose.
        leg: u64,
        /// For sound.
        audio: u32,
        /// For pictures.
        video: u32,
    },
    /// Who speaks, the one who speaks most first.
    Speakers {
        /// Where.
        room: u64,
        /// Their tracks.
        tracks: Vec<u64>,
    },
    /// Media flows, for the first time or again.
    Connected {
        /// Whose.
        leg: u64,
    },
    /// Nothing is heard of a leg.
    Interrupted {
        /// Which.
        leg: u64,
    },
    /// A leg is over: never set up, not heard for too long, ended by the client, or lost with its worker.
    Closed {
        /// Which.
        leg: u64,
    },
}
