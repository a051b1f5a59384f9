use serde::{Deserialize, Serialize};

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ErrorCode {
    /// Not JSON, or not one of the messages.
    BadFrame,
    /// A `type` that this server does not know.
    UnknownType,
    /// `hello` twice, or something else before it.
    OutOfOrder,
    /// Too large a frame.
    TooLarge,
    /// The room's name breaks the rules.
    BadRoom,
    /// The participant's name breaks the rules.
    BadName,
    /// Everybody that fits is already there.
    RoomFull,
    /// No room for more rooms or participants on this server.
    ServerFull,
    /// The addressee is not in the room.
    UnknownParticipant,
    /// Too many messages, or too many sockets, in too short a time.
    RateLimited,
    /// A token is needed, or the one given is not good; the message says which part of it.
    Unauthenticated,
    /// The participant has no right to do this.
    Forbidden,
    /// A moderator locked the room.
    RoomLocked,
    /// The invitation is not good any more, or never was.
    BadInvite,
    /// A moderator sent the client out.
    Removed,
    /// A moderator switched the chat off.
    ChatDisabled,
    /// The server cannot do it at the moment, as when its disk is full.
    Unavailable,
}
