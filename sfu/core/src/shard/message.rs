use std::fmt;

use crate::forward::Wish;
use crate::packet::{Codec, Kind, Publisher, ShortId, Sink, TrackId};
use crate::session::OfferError;

/// One participant's connection to the shard, numbered by the control plane; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// A room, numbered by the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u64);

impl SessionKey {
    /// The session as a receiver.
    pub(crate) const fn sink(self) -> Sink {
        Sink(self.0)
    }

    /// The session as a sender.
    pub(crate) const fn publisher(self) -> Publisher {
        Publisher(self.0)
    }
}

/// What the control plane orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A participant comes. The room begins with its first session.
    Join {
        /// Who.
        session: SessionKey,
        /// Where.
        room: RoomKey,
    },
    /// A participant's offer ([RFC 3264](https://www.rfc-editor.org/rfc/rfc3264)); [`Event::Answer`] or [`Event::Refused`] follows.
    Offer {
        /// Whose.
        session: SessionKey,
        /// Comes back with the answer.
        offer: u64,
        /// The session description.
        sdp: String,
        /// What the participant sends in media sections that it did not send in before.
        tracks: Vec<Announced>,
    },
    /// A participant wants a track, wants it otherwise, or (`None`) no longer.
    Wish {
        /// Who.
        session: SessionKey,
        /// Of the same room.
        track: TrackId,
        /// What of it.
        wish: Option<Wish>,
    },
    /// A track is silenced for everybody, or heard again.
    Mute {
        /// Where.
        room: RoomKey,
        /// Which.
        track: TrackId,
        /// Silenced.
        is_muted: bool,
    },
    /// A track ends though its participant may go on sending.
    Stop {
        /// Where.
        room: RoomKey,
        /// Which.
        track: TrackId,
    },
    /// A message for a data channel that the participant opened.
    Send {
        /// To whom.
        session: SessionKey,
        /// The channel's label.
        label: String,
        /// Not text.
        is_binary: bool,
        /// The message.
        bytes: Vec<u8>,
    },
    /// What a participant sends in binary on this data channel goes to all others of the room on theirs. Its other messages are dropped.
    Relay {
        /// Who.
        session: SessionKey,
        /// The channel's label.
        label: String,
        /// What the others find before each message. Who has the same is the same participant, and gets none of it.
        prefix: Vec<u8>,
        /// Otherwise its own messages are dropped too, and it only gets those of others.
        may_send: bool,
    },
    /// A participant goes.
    Leave {
        /// Who.
        session: SessionKey,
    },
}

/// What a participant says of a media section of its offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// The section.
    pub mid: ShortId,
    /// The number that the track gets; not in use in the room.
    pub track: TrackId,
    /// What it carries.
    pub kind: Kind,
}

/// What the control plane is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The answer to an offer.
    Answer {
        /// To whom.
        session: SessionKey,
        /// Of the offer.
        offer: u64,
        /// The session description.
        sdp: String,
    },
    /// An offer that cannot be answered. The session goes on without it; one that the offer broke fails.
    Refused {
        /// Whose.
        session: SessionKey,
        /// Which.
        offer: u64,
        /// Why.
        why: OfferError,
    },
    /// A track can be had; or it has changed, if it could be had before.
    Published {
        /// Where.
        room: RoomKey,
        /// Whose.
        session: SessionKey,
        /// Which.
        track: TrackId,
        /// What it carries.
        kind: Kind,
        /// How.
        codec: Codec,
        /// How many simulcast layers were announced; 1 without simulcast.
        layers: usize,
    },
    /// A track is gone.
    Ended {
        /// Where.
        room: RoomKey,
        /// Which.
        track: TrackId,
    },
    /// A track that the participant wished for comes in this media section from now on.
    Seated {
        /// Who.
        session: SessionKey,
        /// What.
        track: TrackId,
        /// In which section of its offer.
        mid: ShortId,
    },
    /// Wishes wait for media sections: the participant shall offer so many more to receive in.
    NeedSlots {
        /// Who.
        session: SessionKey,
        /// For audio.
        audio: usize,
        /// For video.
        video: usize,
    },
    /// Who speaks, the one who speaks most first.
    Speakers {
        /// Where.
        room: RoomKey,
        /// Their tracks.
        tracks: Vec<TrackId>,
    },
    /// Media can flow, for the first time or again.
    Connected {
        /// Whose.
        session: SessionKey,
    },
    /// The participant is not heard any more. It may come back, by restarting ICE for example.
    Interrupted {
        /// Who.
        session: SessionKey,
    },
    /// The session is over: it was never set up, or not heard for too long.
    Failed {
        /// Whose.
        session: SessionKey,
    },
    /// The session is over: the participant ended it.
    Closed {
        /// Whose.
        session: SessionKey,
    },
    /// The participant opened a data channel.
    Channel {
        /// Who.
        session: SessionKey,
        /// The channel's label.
        label: String,
    },
    /// A message came on a data channel of a session without [`Command::Relay`].
    Message {
        /// From whom.
        session: SessionKey,
        /// The channel's label.
        label: String,
        /// Not text.
        is_binary: bool,
        /// The message.
        bytes: Vec<u8>,
    },
}

/// The driver gave an order that makes no sense, or that there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardError {
    /// There is no such session.
    UnknownSession(SessionKey),
    /// There is no such track in the room.
    UnknownTrack(TrackId),
    /// The number is in use.
    Duplicate(SessionKey),
    /// The shard has as much of this as it may.
    Full,
    /// The participant has no such data channel, or it is full.
    NoChannel(SessionKey),
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSession(session) => write!(f, "there is no session {}", session.0),
            Self::UnknownTrack(track) => write!(f, "there is no track {}", track.0),
            Self::Duplicate(session) => write!(f, "session {} exists", session.0),
            Self::Full => f.write_str("there is no room for more"),
            Self::NoChannel(session) => write!(f, "session {} has no room in such a data channel", session.0),
        }
    }
}

impl std::error::Error for ShardError {}

/// Counters; they only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardStats {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Datagrams of no session.
    pub unknown: u64,
    /// Datagrams that cannot be read.
    pub malformed: u64,
    /// STUN messages with a wrong password, and datagrams from where no STUN message came.
    pub unauthentic: u64,
    /// Packets of participants that send more streams than they may.
    pub too_many_streams: u64,
    /// What ICE, DTLS or SCTP could make no sense of.
    pub engine: u64,
    /// Packets of media sections that carry no track, or in another codec than was agreed on.
    pub unannounced: u64,
    /// Packets for participants that were written.
    pub forwarded: u64,
    /// Packets for participants that have no way to go: not connected, no slot, queue full.
    pub unsent: u64,
    /// Datagrams that were lost because nobody took them.
    pub overflowed: u64,
    /// Events that were lost because nobody took them.
    pub lost_events: u64,
    /// Messages of data channels that went to somebody.
    pub relayed_messages: u64,
    /// Messages of data channels that did not: too many, too long, not allowed, or the other's channel is full.
    pub lost_messages: u64,
}
