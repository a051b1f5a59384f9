use std::time::Duration;

use crate::message::WireLimits;

/// What the control plane accepts and for how long it waits. Every queue has its bound here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame from a client, in bytes.
    pub frame_bytes: usize,
    /// Largest description or candidate for another participant, in bytes.
    pub negotiation_bytes: usize,
    /// Largest first frame, in bytes: nobody is known yet.
    pub hello_bytes: usize,
    /// How long a socket may stay without `hello`.
    pub hello_timeout: Duration,
    /// Longest name of a participant, in Unicode scalar values.
    pub name_chars: usize,
    /// Most open sockets.
    pub connections: usize,
    /// Most rooms.
    pub rooms: usize,
    /// Most participants of one room.
    pub room_participants: usize,
    /// Most participants present whose media goes directly between them; below 2, it never does.
    pub mesh_max: usize,
    /// How long no more than that must have been present before media goes directly again.
    pub mesh_calm: Duration,
    /// Silence after which the server pings.
    pub heartbeat: Duration,
    /// Silence after which a socket counts as lost.
    pub silence: Duration,
    /// Bytes waiting for one socket, beside its largest frame, before its reader counts as too slow.
    pub queue_bytes: usize,
    /// How long a socket may accept nothing while something waits for it.
    pub stall_timeout: Duration,
    /// Bytes handed to one socket and not yet written by it.
    pub in_flight_bytes: usize,
    /// Bytes kept for a resume.
    pub resume_bytes: usize,
    /// The same for somebody who was cut off for reading too slowly.
    pub slow_resume_bytes: usize,
    /// Frames kept for a resume.
    pub resume_frames: usize,
    /// Bytes kept for all sessions together; beyond it, who keeps more than a fair share loses the right to resume.
    pub kept_bytes: usize,
    /// That share.
    pub kept_share_bytes: usize,
    /// How long a session without a socket may be resumed.
    pub resume_window: Duration,
    /// From a closed page to its participant leaving.
    pub leave_grace: Duration,
    /// From a broken socket to its participant leaving.
    pub lost_grace: Duration,
    /// Sustained frames per second from one socket.
    pub frame_rate: u32,
    /// Frames that may come at once.
    pub frame_burst: u32,
    /// Refused frames (unreadable, or beyond the rate) before the socket is closed.
    pub refused_frames: u32,
    /// Sustained sockets per second from one address (IPv6: one /64); loopback is not counted.
    pub address_rate: u32,
    /// Sockets that may come from one address at once.
    pub address_burst: u32,
    /// Most open sockets of one address.
    pub address_connections: usize,
    /// Sustained credentials of the relay per second to one address, counted likewise: each `welcome` has some.
    pub credentials_rate: u32,
    /// Credentials that one address may get at once.
    pub credentials_burst: u32,
    /// Sustained joins per second of one identity.
    pub identity_rate: u32,
    /// Joins of one identity that may come at once.
    pub identity_burst: u32,
    /// Longest message of the chat, in Unicode scalar values.
    pub chat_chars: usize,
    /// Sustained messages per second of one session.
    pub chat_rate: u32,
    /// Messages that one session may write at once.
    pub chat_burst: u32,
    /// Sustained offers to the SFU per second of one session.
    pub offer_rate: u32,
    /// Offers that one session may make at once.
    pub offer_burst: u32,
    /// Media sections in which one session sends.
    pub sections: usize,
    /// Tracks that one session wishes for.
    pub wishes: usize,
    /// Longest life of an invitation.
    pub invite_lifetime: Duration,
    /// How long before its end a token is announced to expire.
    pub token_notice: Duration,
    /// Over how long the clients' returns are spread after a restart.
    pub reconnect_spread: Duration,
}

impl Limits {
    /// The part that clients are told.
    #[must_use]
    pub fn on_the_wire(&self) -> WireLimits {
        WireLimits {
            frame_bytes: self.frame_bytes as u64,
            name_chars: self.name_chars as u64,
            room_participants: self.room_participants as u64,
            heartbeat_ms: milliseconds(self.heartbeat),
            resume_ms: milliseconds(self.resume_window),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 256 * 1024,
            negotiation_bytes: 64 * 1024,
            hello_bytes: 16 * 1024,
            hello_timeout: Duration::from_secs(5),
            name_chars: 64,
            connections: 100_000,
            rooms: 100_000,
            room_participants: 100,
            mesh_max: 3,
            mesh_calm: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            silence: Duration::from_secs(20),
            queue_bytes: 128 * 1024,
            stall_timeout: Duration::from_secs(4),
            in_flight_bytes: 32 * 1024,
            resume_bytes: 1024 * 1024,
            slow_resume_bytes: 192 * 1024,
            resume_frames: 1024,
            kept_bytes: 256 * 1024 * 1024,
            kept_share_bytes: 64 * 1024,
            resume_window: Duration::from_secs(120),
            leave_grace: Duration::from_secs(5),
            lost_grace: Duration::from_secs(10),
            frame_rate: 50,
            frame_burst: 300,
            refused_frames: 64,
            address_rate: 20,
            address_burst: 200,
            address_connections: 1_000,
            credentials_rate: 5,
            credentials_burst: 200,
            identity_rate: 1,
            identity_burst: 20,
            chat_chars: 4_000,
            chat_rate: 2,
            chat_burst: 10,
            offer_rate: 5,
            offer_burst: 20,
            sections: 64,
            wishes: 512,
            invite_lifetime: Duration::from_secs(30 * 24 * 3600),
            token_notice: Duration::from_secs(60),
            reconnect_spread: Duration::from_secs(5),
        }
    }
}

/// Milliseconds for the wire; a duration too long for them is a mistake in [`Limits`], and saturates.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
