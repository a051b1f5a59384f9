use crate::auth::Unproved;
use crate::policy::Denial;

/// Why a client's request was refused; each maps to one STUN error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// 400.
    BadRequest,
    /// 401, with a challenge.
    Unauthenticated(Unproved),
    /// 403, and the rule that keeps the peer out.
    Forbidden(Denial),
    /// 405: mobility is switched off, RFC 8016 § 3.1.
    MobilityForbidden,
    /// 420.
    UnknownAttribute,
    /// 437: no allocation, or one too many on this 5-tuple.
    AllocationMismatch,
    /// 438, with a challenge.
    StaleNonce,
    /// 440.
    AddressFamilyNotSupported,
    /// 441: the allocation is somebody else's.
    WrongCredentials,
    /// 442.
    UnsupportedTransport,
    /// 443: the allocation has no address of this family.
    PeerFamilyMismatch,
    /// 446, RFC 6062 § 6.3.
    ConnectionAlreadyExists,
    /// 447, RFC 6062 § 6.3.
    ConnectionFailed,
    /// 486.
    QuotaReached,
    /// 508.
    InsufficientCapacity,
}

impl Refusal {
    /// The code of [RFC 8489 § 14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8) and
    /// [RFC 8656 § 19](https://www.rfc-editor.org/rfc/rfc8656#section-19).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated(_) => 401,
            Self::Forbidden(_) => 403,
            Self::MobilityForbidden => 405,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::AddressFamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::PeerFamilyMismatch => 443,
            Self::ConnectionAlreadyExists => 446,
            Self::ConnectionFailed => 447,
            Self::QuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }
}

/// Why a message was ignored. Counted, never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// Neither STUN nor ChannelData.
    NotTurn,
    /// STUN whose form is wrong.
    Malformed,
    /// A response, or an indication that servers do not take.
    Unexpected,
    /// An indication without what it needs.
    BadIndication,
    /// ChannelData shorter than it says.
    Truncated,
    /// ChannelData or an indication on a 5-tuple without allocation.
    NoAllocation,
    /// ChannelData on a channel that is not bound.
    NoChannel,
    /// To or from a peer without permission.
    NoPermission,
    /// To a peer that may not be reached.
    PeerDenied,
    /// To or from a peer of a family that the allocation does not have.
    NoRelay,
    /// Beyond the bytes or packets per second of an account.
    OverQuota,
    /// A source's unauthenticated requests come too fast.
    TooManyChallenges,
    /// The allocation is about to be made, and answered.
    Pending,
    /// Larger than a message can carry.
    TooLarge,
}

impl Dropped {
    /// How many causes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All causes, in their order.
    pub const ALL: [Self; 14] = [
        Self::NotTurn,
        Self::Malformed,
        Self::Unexpected,
        Self::BadIndication,
        Self::Truncated,
        Self::NoAllocation,
        Self::NoChannel,
        Self::NoPermission,
        Self::PeerDenied,
        Self::NoRelay,
        Self::OverQuota,
        Self::TooManyChallenges,
        Self::Pending,
        Self::TooLarge,
    ];

    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotTurn => "not_turn",
            Self::Malformed => "malformed_stun",
            Self::Unexpected => "unexpected_stun",
            Self::BadIndication => "bad_indication",
            Self::Truncated => "truncated",
            Self::NoAllocation => "no_allocation",
            Self::NoChannel => "no_channel",
            Self::NoPermission => "no_permission",
            Self::PeerDenied => "peer_denied",
            Self::NoRelay => "no_relay",
            Self::OverQuota => "over_quota",
            Self::TooManyChallenges => "too_many_challenges",
            Self::Pending => "pending",
            Self::TooLarge => "too_large",
        }
    }
}
