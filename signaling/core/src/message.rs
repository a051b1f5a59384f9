//! The frames of the wire protocol `stoa.v1.json`; `PROTOCOL.md` is their prose.
//!
//! Unknown fields are ignored, unknown types are refused. The TypeScript types of the SDK are generated from here.

mod chat;
mod error_code;
mod rights;
mod sfu;

use serde::{Deserialize, Serialize};
use stoa_base_types::{ParticipantId, SessionId};

pub use self::chat::ChatEntry;
pub use self::error_code::ErrorCode;
pub use self::rights::{DocumentsGrant, Grants, ParticipantRights};
pub use self::sfu::{Announcement, Track, TrackSource, TrackWish, Wish};

/// A frame from a browser: the envelope and one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClientFrame {
    /// Chosen by the client, increasing; the reply (`ok` or `error`) echoes it, and a repeated request is answered once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub cid: Option<u64>,
    /// Every server frame up to this `seq` has arrived (cumulative).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ack: Option<u64>,
    /// What is asked.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// What a client may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ClientMessage {
    /// The first frame on every socket: enters a room, or resumes a session.
    Hello {
        /// Name of the room, as in its link.
        room: String,
        /// Name to show to the others.
        name: String,
        /// Optional parts of the protocol that the client speaks.
        #[serde(default)]
        features: Vec<String>,
        /// What the participant publishes at first.
        #[serde(default)]
        media: MediaState,
        /// Proof of rights, when the server asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        token: Option<String>,
        /// An invitation, which opens a locked room (and one that asks for tokens).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        invite: Option<String>,
        /// The session to take up again after a lost socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        resume: Option<Resume>,
    },
    /// Carries nothing but the envelope's `ack`.
    Ack {},
    /// Asks for a `pong`: how a client finds a half-open socket.
    Ping {},
    /// Leaves the room for good.
    Leave {},
    /// Changes the name that others see.
    Rename {
        /// The new name.
        name: String,
    },
    /// Says what the participant publishes now.
    Media {
        /// The whole new state.
        media: MediaState,
    },
    /// Presents a newer token before the present one expires.
    Refresh {
        /// The new token, for the same identity and room.
        token: String,
    },
    /// Switches off what another participant publishes. Nobody can switch it on but they. Moderators only.
    Mute {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// What.
        source: Source,
    },
    /// Sends somebody out of the room. Moderators only.
    Remove {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Locks the room against newcomers without an invitation, or opens it. Moderators only.
    Lock {
        /// Whether it shall be locked.
        locked: bool,
    },
    /// Asks for an invitation; answered by `invited`. Moderators only.
    Invite {
        /// How long it shall be good, in milliseconds.
        expires_in_ms: u64,
    },
    /// Writes into the room's chat; everybody gets it as `chat`, oneself included.
    Chat {
        /// 1 to 4,000 Unicode scalar values.
        text: String,
    },
    /// Asks for what was written before; answered by `chat_entries`.
    ChatHistory {
        /// Only what comes before this `seq`; absent: the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        before: Option<u64>,
        /// At most so many, 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        limit: Option<u32>,
    },
    /// Switches the room's chat on or off. Moderators only.
    SetChat {
        /// Whether people may write.
        enabled: bool,
    },
    /// Hands an SDP description to another participant of the room.
    Description {
        /// Who shall get it.
        #[cfg_attr(test, ts(type = "string"))]
        to: ParticipantId,
        /// Generation of the link between the two; the higher one wins.
        link: u32,
        /// The description.
        description: Description,
    },
    /// Hands an ICE candidate to another participant of the room.
    Candidate {
        /// Who shall get it.
        #[cfg_attr(test, ts(type = "string"))]
        to: ParticipantId,
        /// Generation of the link it belongs to.
        link: u32,
        /// The candidate; `null` means that there are no more.
        candidate: Option<Candidate>,
    },
    /// Hands the SFU an SDP offer; `sfu_answer` or `sfu_refused` follows. A `connection` unlike the present one begins anew.
    SfuOffer {
        /// Chosen by the client, another for each `RTCPeerConnection`.
        connection: u32,
        /// Comes back with the answer.
        offer_id: u32,
        /// The session description.
        sdp: String,
        /// What is sent in which media section: all of it, each time.
        tracks: Vec<Announcement>,
    },
    /// Says what is wanted of tracks; what is not named stays as it was.
    SfuWish {
        /// As in `sfu_offer`; wishes end with it.
        connection: u32,
        /// Of the same room, not one's own.
        wishes: Vec<TrackWish>,
    },
    /// Ends the connection to the SFU.
    SfuClose {
        /// As in `sfu_offer`; ignored if it is not the present one.
        connection: u32,
    },
}

/// Proof that a session is the client's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Resume {
    /// From the last `welcome`.
    #[cfg_attr(test, ts(type = "string"))]
    pub session: SessionId,
    /// From the last `welcome`; changes with every resume.
    pub secret: String,
    /// The last `seq` that arrived; absent when the client lost its state too (a reload), and wants the whole again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub last_seq: Option<u64>,
    /// From the last `welcome`: keeps the participant's id where the session is unknown, as after a restart of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub participant_proof: Option<String>,
}

/// What can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Source {
    /// Speech.
    Microphone,
    /// A picture.
    Camera,
    /// A shared screen, with its sound.
    Screen,
}

/// What a participant publishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MediaState {
    /// The microphone is on.
    pub microphone: bool,
    /// The camera is on.
    pub camera: bool,
    /// A screen is shared.
    pub screen: bool,
}

/// An SDP description as `RTCSessionDescription` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Description {
    /// Offer or answer.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// The session description, RFC 8866.
    pub sdp: String,
}

/// The two kinds of description that travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum DescriptionKind {
    /// A proposal.
    Offer,
    /// The reply to one.
    Answer,
}

/// An ICE candidate as `RTCIceCandidate` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Candidate {
    /// The candidate attribute, RFC 8839.
    pub candidate: String,
    /// The media section it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub sdp_mid: Option<String>,
    /// Index of that section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub sdp_m_line_index: Option<u16>,
    /// The ICE generation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub username_fragment: Option<String>,
}

/// A frame from the server: the envelope and one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServerFrame {
    /// Number within the session, from 1; 0 marks frames about this socket alone, which are neither acknowledged nor
    /// repeated.
    pub seq: u64,
    /// The request that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub cid: Option<u64>,
    /// What is said.
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// What the server may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ServerMessage {
    /// Answers `hello`.
    Welcome {
        /// Id of the session, for a resume.
        #[cfg_attr(test, ts(type = "string"))]
        session: SessionId,
        /// Secret for the next resume.
        resume_secret: String,
        /// The client's own participant.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// Whether the session asked for was taken up again; if so, the missed frames follow.
        resumed: bool,
        /// Keeps the participant's id over a restart of the server, see `resume`.
        participant_proof: String,
        /// What the client may do. `moderate` may change later: see the `moderator` of the own participant.
        grants: Grants,
        /// Why a wanted resume failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        resume_failure: Option<ResumeFailure>,
        /// The room as it is now; absent when the client has only missed frames to catch up on, which then follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        room: Option<RoomState>,
        /// For `RTCPeerConnection`.
        ice_servers: Vec<IceServer>,
        /// What the server accepts.
        limits: WireLimits,
    },
    /// The request with this `cid` was carried out.
    Ok {},
    /// The request with this `cid` was refused, or a frame could not be read.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people: what was wrong and how to mend it.
        message: String,
        /// When to try again, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        retry_after_ms: Option<u64>,
    },
    /// Answers `ping`.
    Pong {},
    /// Somebody entered the room.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Name, media or connection of a participant changed.
    ParticipantChanged {
        /// The whole new state.
        participant: Participant,
    },
    /// The room itself changed.
    RoomChanged {
        /// Whether newcomers need an invitation.
        locked: bool,
        /// Whether people may write into the chat.
        chat_enabled: bool,
    },
    /// Somebody wrote into the room's chat.
    Chat {
        /// What.
        entry: ChatEntry,
    },
    /// Answers `chat_history`.
    ChatEntries {
        /// In order.
        entries: Vec<ChatEntry>,
        /// Whether there is more before them.
        more: bool,
    },
    /// A moderator switched off what the client publishes. The client may switch it on again.
    Muted {
        /// What.
        source: Source,
        /// Who did it.
        #[cfg_attr(test, ts(type = "string"))]
        by: ParticipantId,
    },
    /// Answers `invite`.
    Invited {
        /// For `hello`, and for a link.
        invite: String,
        /// When it ends, in milliseconds since 1970.
        expires_at_ms: u64,
    },
    /// The token ends soon: present a newer one with `refresh`.
    TokenExpiring {
        /// In how many milliseconds.
        expires_in_ms: u64,
    },
    /// Somebody left the room.
    ParticipantLeft {
        /// Who.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// How.
        reason: LeaveReason,
    },
    /// An SDP description from another participant.
    Description {
        /// Who sent it.
        #[cfg_attr(test, ts(type = "string"))]
        from: ParticipantId,
        /// Generation of the link.
        link: u32,
        /// The description.
        description: Description,
    },
    /// An ICE candidate from another participant.
    Candidate {
        /// Who sent it.
        #[cfg_attr(test, ts(type = "string"))]
        from: ParticipantId,
        /// Generation of the link.
        link: u32,
        /// The candidate; `null` means that there are no more.
        candidate: Option<Candidate>,
    },
    /// Media takes another way from now on.
    TopologyChanged {
        /// The new way.
        topology: Topology,
    },
    /// Answers `sfu_offer`.
    SfuAnswer {
        /// As in the offer.
        connection: u32,
        /// As in the offer.
        offer_id: u32,
        /// The session description.
        sdp: String,
    },
    /// The offer cannot be answered; the connection goes on as it was.
    SfuRefused {
        /// As in the offer.
        connection: u32,
        /// As in the offer.
        offer_id: u32,
        /// For people: why.
        message: String,
    },
    /// Wishes wait for media sections: offer so many more to receive in.
    SfuSlots {
        /// As in the offer.
        connection: u32,
        /// For sound.
        audio: u32,
        /// For pictures.
        video: u32,
    },
    /// A track comes in this media section from now on, in the place of any other.
    SfuSeated {
        /// As in the offer.
        connection: u32,
        /// What.
        track: u64,
        /// Where.
        mid: String,
    },
    /// The connection to the SFU is over: begin anew with another.
    SfuClosed {
        /// As in the offer.
        connection: u32,
    },
    /// Something can be had from the SFU, or can be had otherwise than before.
    TrackPublished {
        /// What.
        track: Track,
    },
    /// A track is gone.
    TrackEnded {
        /// Which.
        track: u64,
    },
    /// Who speaks now, the one who speaks most first; only in rooms with the SFU.
    Speakers {
        /// Nobody, if empty.
        #[cfg_attr(test, ts(type = "Array<string>"))]
        participants: Vec<ParticipantId>,
    },
    /// The server is about to close this socket; connect again after the given time.
    Reconnect {
        /// How long to wait, in milliseconds; spread over the clients.
        after_ms: u64,
    },
}

/// Everything there is to know about a room on entering it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RoomState {
    /// Its name, in canonical form.
    pub name: String,
    /// How media travels.
    pub topology: Topology,
    /// Whether newcomers need an invitation.
    pub locked: bool,
    /// Whether people may write into the chat.
    pub chat_enabled: bool,
    /// Everybody present in order of arrival, the client itself included.
    pub participants: Vec<Participant>,
    /// What can be had from the SFU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Track>>"))]
    pub tracks: Vec<Track>,
}

/// How media travels in a room; only the room's owner changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Topology {
    /// The way.
    pub mode: TopologyMode,
    /// Rises with every change.
    pub epoch: u64,
}

/// The ways that media may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum TopologyMode {
    /// Directly between participants.
    Mesh,
    /// By way of the server's SFU.
    Sfu,
}

/// A participant as the others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Participant {
    /// Unique on this server.
    #[cfg_attr(test, ts(type = "string"))]
    pub id: ParticipantId,
    /// Chosen by the participant, trimmed.
    pub name: String,
    /// What they publish.
    pub media: MediaState,
    /// False while their signaling socket is lost and may come back.
    pub connected: bool,
    /// Whether they may mute, remove, lock and invite.
    pub moderator: bool,
    /// Absent for somebody who may receive media, send data and write documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub rights: Option<ParticipantRights>,
}

/// An entry of `RTCConfiguration.iceServers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IceServer {
    /// `stun:` and `turn:` addresses, RFC 7064 and RFC 7065.
    pub urls: Vec<String>,
    /// Of the relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// Of the relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub credential: Option<String>,
}

/// What the server accepts; sizes in bytes, times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WireLimits {
    /// Largest frame.
    pub frame_bytes: u64,
    /// Longest name of a participant, in Unicode scalar values.
    pub name_chars: u64,
    /// Most participants of a room.
    pub room_participants: u64,
    /// The server speaks at least this often, so longer silence means a lost socket.
    pub heartbeat_ms: u64,
    /// How long a session may be resumed.
    pub resume_ms: u64,
}

/// Why a session was not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ResumeFailure {
    /// No such session in this room, or its secret is another: it expired, the server restarted, or it was never the
    /// client's.
    UnknownSession,
    /// More was missed than the server keeps.
    WindowExceeded,
}

/// How somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LeaveReason {
    /// By leaving, or by closing the page.
    Left,
    /// Their connection broke and did not come back in time.
    Lost,
    /// A moderator sent them out.
    Removed,
}
