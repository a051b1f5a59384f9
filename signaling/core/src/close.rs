use std::fmt;

/// Why the server closes a socket: the WebSocket close codes of `PROTOCOL.md`.
///
/// 40xx: resume. 41xx: back off, then resume. 42xx: authenticate again. 45xx: final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// The client left.
    Left,
    /// Nothing was heard for too long.
    HeartbeatTimeout,
    /// The server restarts.
    Restarting,
    /// The client reads too slowly.
    SlowReader,
    /// No `hello` in time.
    HelloTimeout,
    /// Too many frames.
    RateLimited,
    /// The server is full.
    ServerFull,
    /// The client broke the protocol.
    ProtocolError,
    /// A frame larger than allowed.
    TooLarge,
    /// The session went on over a newer socket.
    Replaced,
    /// The room is full.
    RoomFull,
    /// The room's name breaks the rules.
    BadRoom,
    /// The participant's name breaks the rules.
    BadName,
    /// A token is needed, has expired, or is not good.
    Authenticate,
    /// The token is not for this room.
    Forbidden,
    /// A moderator sent the client out.
    Removed,
    /// A moderator locked the room.
    RoomLocked,
    /// The invitation is not good.
    BadInvite,
}

impl CloseCode {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 18] = [
        Self::Left,
        Self::HeartbeatTimeout,
        Self::Restarting,
        Self::SlowReader,
        Self::HelloTimeout,
        Self::RateLimited,
        Self::ServerFull,
        Self::ProtocolError,
        Self::TooLarge,
        Self::Replaced,
        Self::RoomFull,
        Self::BadRoom,
        Self::BadName,
        Self::Authenticate,
        Self::Forbidden,
        Self::Removed,
        Self::RoomLocked,
        Self::BadInvite,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            // RFC 6455 § 7.4.1: normal closure.
            Self::Left => 1000,
            Self::HeartbeatTimeout => 4000,
            Self::Restarting => 4001,
            Self::SlowReader => 4008,
            Self::HelloTimeout => 4100,
            Self::RateLimited => 4101,
            Self::ServerFull => 4102,
            Self::ProtocolError => 4500,
            Self::TooLarge => 4501,
            Self::Replaced => 4502,
            Self::RoomFull => 4503,
            Self::BadRoom => 4504,
            Self::BadName => 4505,
            Self::Authenticate => 4200,
            Self::Forbidden => 4506,
            Self::Removed => 4507,
            Self::RoomLocked => 4508,
            Self::BadInvite => 4509,
        }
    }

    /// The reason on the wire.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::HeartbeatTimeout => "nothing was heard for too long",
            Self::Restarting => "the server restarts",
            Self::SlowReader => "reading too slowly",
            Self::HelloTimeout => "no hello in time",
            Self::RateLimited => "too many frames",
            Self::ServerFull => "the server is full",
            Self::ProtocolError => "protocol error",
            Self::TooLarge => "frame too large",
            Self::Replaced => "the session goes on over a newer socket",
            Self::RoomFull => "the room is full",
            Self::BadRoom => "not a room name",
            Self::BadName => "not a name",
            Self::Authenticate => "authenticate",
            Self::Forbidden => "the token is not for this room",
            Self::Removed => "removed by a moderator",
            Self::RoomLocked => "the room is locked",
            Self::BadInvite => "the invitation is not good",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.reason())
    }
}
