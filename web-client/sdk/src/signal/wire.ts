// Generated from signaling/core/src/message.rs by `make types`. Do not edit.
/**
 * A frame from a browser: the envelope and one message.
 */
export type ClientFrame = { 
/**
 * Chosen by the client, increasing; the reply (`ok` or `error`) echoes it, and a repeated request is answered once.
 */
cid?: number, 
/**
 * Every server frame up to this `seq` has arrived (cumulative).
 */
ack?: number, } & ({ "type": "hello", 
/**
 * Name of the room, as in its link.
 */
room: string, 
/**
 * Name to show to the others.
 */
name: string, 
/**
 * Optional parts of the protocol that the client speaks.
 */
features: Array<string>, 
/**
 * What the participant publishes at first.
 */
media: MediaState, 
/**
 * Proof of rights, when the server asks for one.
 */
token?: string, 
/**
 * An invitation, which opens a locked room (and one that asks for tokens).
 */
invite?: string, 
/**
 * The session to take up again after a lost socket.
 */
resume?: Resume, } | { "type": "ack", } | { "type": "ping", } | { "type": "leave", } | { "type": "rename", 
/**
 * The new name.
 */
name: string, } | { "type": "media", 
/**
 * The whole new state.
 */
media: MediaState, } | { "type": "refresh", 
/**
 * The new token, for the same identity and room.
 */
token: string, } | { "type": "mute", 
/**
 * Whom.
 */
participant: string, 
/**
 * What.
 */
source: Source, } | { "type": "remove", 
/**
 * Whom.
 */
participant: string, } | { "type": "lock", 
/**
 * Whether it shall be locked.
 */
locked: boolean, } | { "type": "invite", 
/**
 * How long it shall be good, in milliseconds.
 */
expires_in_ms: number, } | { "type": "chat", 
/**
 * 1 to 4,000 Unicode scalar values.
 */
text: string, } | { "type": "chat_history", 
/**
 * Only what comes before this `seq`; absent: the newest.
 */
before?: number, 
/**
 * At most so many, 50 if absent.
 */
limit?: number, } | { "type": "set_chat", 
/**
 * Whether people may write.
 */
enabled: boolean, } | { "type": "description", 
/**
 * Who shall get it.
 */
to: string, 
/**
 * Generation of the link between the two; the higher one wins.
 */
link: number, 
/**
 * The description.
 */
description: Description, } | { "type": "candidate", 
/**
 * Who shall get it.
 */
to: string, 
/**
 * Generation of the link it belongs to.
 */
link: number, 
/**
 * The candidate; `null` means that there are no more.
 */
candidate: Candidate | null, } | { "type": "sfu_offer", 
/**
 * Chosen by the client, another for each `RTCPeerConnection`.
 */
connection: number, 
/**
 * Comes back with the answer.
 */
offer_id: number, 
/**
 * The session description.
 */
sdp: string, 
/**
 * What is sent in which media section: all of it, each time.
 */
tracks: Array<Announcement>, } | { "type": "sfu_wish", 
/**
 * As in `sfu_offer`; wishes end with it.
 */
connection: number, 
/**
 * Of the same room, not one's own.
 */
wishes: Array<TrackWish>, } | { "type": "sfu_close", 
/**
 * As in `sfu_offer`; ignored if it is not the present one.
 */
connection: number, });
/**
 * What a client may say.
 */
export type ClientMessage = { "type": "hello", 
/**
 * Name of the room, as in its link.
 */
room: string, 
/**
 * Name to show to the others.
 */
name: string, 
/**
 * Optional parts of the protocol that the client speaks.
 */
features: Array<string>, 
/**
 * What the participant publishes at first.
 */
media: MediaState, 
/**
 * Proof of rights, when the server asks for one.
 */
token?: string, 
/**
 * An invitation, which opens a locked room (and one that asks for tokens).
 */
invite?: string, 
/**
 * The session to take up again after a lost socket.
 */
resume?: Resume, } | { "type": "ack", } | { "type": "ping", } | { "type": "leave", } | { "type": "rename", 
/**
 * The new name.
 */
name: string, } | { "type": "media", 
/**
 * The whole new state.
 */
media: MediaState, } | { "type": "refresh", 
/**
 * The new token, for the same identity and room.
 */
token: string, } | { "type": "mute", 
/**
 * Whom.
 */
participant: string, 
/**
 * What.
 */
source: Source, } | { "type": "remove", 
/**
 * Whom.
 */
participant: string, } | { "type": "lock", 
/**
 * Whether it shall be locked.
 */
locked: boolean, } | { "type": "invite", 
/**
 * How long it shall be good, in milliseconds.
 */
expires_in_ms: number, } | { "type": "chat", 
/**
 * 1 to 4,000 Unicode scalar values.
 */
text: string, } | { "type": "chat_history", 
/**
 * Only what comes before this `seq`; absent: the newest.
 */
before?: number, 
/**
 * At most so many, 50 if absent.
 */
limit?: number, } | { "type": "set_chat", 
/**
 * Whether people may write.
 */
enabled: boolean, } | { "type": "description", 
/**
 * Who shall get it.
 */
to: string, 
/**
 * Generation of the link between the two; the higher one wins.
 */
link: number, 
/**
 * The description.
 */
description: Description, } | { "type": "candidate", 
/**
 * Who shall get it.
 */
to: string, 
/**
 * Generation of the link it belongs to.
 */
link: number, 
/**
 * The candidate; `null` means that there are no more.
 */
candidate: Candidate | null, } | { "type": "sfu_offer", 
/**
 * Chosen by the client, another for each `RTCPeerConnection`.
 */
connection: number, 
/**
 * Comes back with the answer.
 */
offer_id: number, 
/**
 * The session description.
 */
sdp: string, 
/**
 * What is sent in which media section: all of it, each time.
 */
tracks: Array<Announcement>, } | { "type": "sfu_wish", 
/**
 * As in `sfu_offer`; wishes end with it.
 */
connection: number, 
/**
 * Of the same room, not one's own.
 */
wishes: Array<TrackWish>, } | { "type": "sfu_close", 
/**
 * As in `sfu_offer`; ignored if it is not the present one.
 */
connection: number, };
/**
 * Proof that a session is the client's own.
 */
export type Resume = { 
/**
 * From the last `welcome`.
 */
session: string, 
/**
 * From the last `welcome`; changes with every resume.
 */
secret: string, 
/**
 * The last `seq` that arrived; absent when the client lost its state too (a reload), and wants the whole again.
 */
last_seq?: number, 
/**
 * From the last `welcome`: keeps the participant's id where the session is unknown, as after a restart of the server.
 */
participant_proof?: string, };
/**
 * What can be published.
 */
export type Source = "microphone" | "camera" | "screen";
/**
 * What a participant may do.
 */
export type Grants = { 
/**
 * What they may publish.
 */
publish: Array<Source>, 
/**
 * Whether they may receive what others publish.
 */
subscribe: boolean, 
/**
 * Whether they may send data to others.
 */
data: boolean, 
/**
 * What they may do with documents.
 */
documents: DocumentsGrant, 
/**
 * Whether they may mute, remove, lock and invite.
 */
moderate: boolean, 
/**
 * Whether they may use the admin endpoints.
 */
admin: boolean, };
/**
 * What a participant may do with documents.
 */
export type DocumentsGrant = "none" | "read" | "write";
/**
 * What a participant publishes.
 */
export type MediaState = { 
/**
 * The microphone is on.
 */
microphone: boolean, 
/**
 * The camera is on.
 */
camera: boolean, 
/**
 * A screen is shared.
 */
screen: boolean, };
/**
 * An SDP description as `RTCSessionDescription` has it.
 */
export type Description = { 
/**
 * Offer or answer.
 */
type: DescriptionKind, 
/**
 * The session description, RFC 8866.
 */
sdp: string, };
/**
 * The two kinds of description that travel.
 */
export type DescriptionKind = "offer" | "answer";
/**
 * An ICE candidate as `RTCIceCandidate` has it.
 */
export type Candidate = { 
/**
 * The candidate attribute, RFC 8839.
 */
candidate: string, 
/**
 * The media section it belongs to.
 */
sdp_mid?: string, 
/**
 * Index of that section.
 */
sdp_m_line_index?: number, 
/**
 * The ICE generation it belongs to.
 */
username_fragment?: string, };
/**
 * What a client sends in a media section of its offer.
 */
export type Announcement = { 
/**
 * The section's `a=mid`, at most 16 characters.
 */
mid: string, 
/**
 * What.
 */
source: TrackSource, };
/**
 * What a track carries.
 */
export type TrackSource = "microphone" | "camera" | "screen" | "screen_audio";
/**
 * What is wanted of a track.
 */
export type TrackWish = { 
/**
 * Which.
 */
track: number, 
/**
 * What of it; `null`: nothing any more, and its media section is free for another.
 */
wish: Wish | null, };
/**
 * How a track is wanted.
 */
export type Wish = { 
/**
 * The largest size there is use for, 0 is the smallest; absent: the best.
 */
layer?: number, 
/**
 * Nothing is to come for now; the media section is kept.
 */
paused?: boolean, 
/**
 * Tracks with a higher one get bandwidth first.
 */
priority?: number, };
/**
 * A frame from the server: the envelope and one message.
 */
export type ServerFrame = { 
/**
 * Number within the session, from 1; 0 marks frames about this socket alone, which are neither acknowledged nor
 * repeated.
 */
seq: number, 
/**
 * The request that this answers.
 */
cid?: number, } & ({ "type": "welcome", 
/**
 * Id of the session, for a resume.
 */
session: string, 
/**
 * Secret for the next resume.
 */
resume_secret: string, 
/**
 * The client's own participant.
 */
participant: string, 
/**
 * Whether the session asked for was taken up again; if so, the missed frames follow.
 */
resumed: boolean, 
/**
 * Keeps the participant's id over a restart of the server, see `resume`.
 */
participant_proof: string, 
/**
 * What the client may do. `moderate` may change later: see the `moderator` of the own participant.
 */
grants: Grants, 
/**
 * Why a wanted resume failed.
 */
resume_failure?: ResumeFailure, 
/**
 * The room as it is now; absent when the client has only missed frames to catch up on, which then follow.
 */
room?: RoomState, 
/**
 * For `RTCPeerConnection`.
 */
ice_servers: Array<IceServer>, 
/**
 * What the server accepts.
 */
limits: WireLimits, } | { "type": "ok", } | { "type": "error", 
/**
 * For programs.
 */
code: ErrorCode, 
/**
 * For people: what was wrong and how to mend it.
 */
message: string, 
/**
 * When to try again, in milliseconds.
 */
retry_after_ms?: number, } | { "type": "pong", } | { "type": "participant_joined", 
/**
 * Who.
 */
participant: Participant, } | { "type": "participant_changed", 
/**
 * The whole new state.
 */
participant: Participant, } | { "type": "room_changed", 
/**
 * Whether newcomers need an invitation.
 */
locked: boolean, 
/**
 * Whether people may write into the chat.
 */
chat_enabled: boolean, } | { "type": "chat", 
/**
 * What.
 */
entry: ChatEntry, } | { "type": "chat_entries", 
/**
 * In order.
 */
entries: Array<ChatEntry>, 
/**
 * Whether there is more before them.
 */
more: boolean, } | { "type": "muted", 
/**
 * What.
 */
source: Source, 
/**
 * Who did it.
 */
by: string, } | { "type": "invited", 
/**
 * For `hello`, and for a link.
 */
invite: string, 
/**
 * When it ends, in milliseconds since 1970.
 */
expires_at_ms: number, } | { "type": "token_expiring", 
/**
 * In how many milliseconds.
 */
expires_in_ms: number, } | { "type": "participant_left", 
/**
 * Who.
 */
participant: string, 
/**
 * How.
 */
reason: LeaveReason, } | { "type": "description", 
/**
 * Who sent it.
 */
from: string, 
/**
 * Generation of the link.
 */
link: number, 
/**
 * The description.
 */
description: Description, } | { "type": "candidate", 
/**
 * Who sent it.
 */
from: string, 
/**
 * Generation of the link.
 */
link: number, 
/**
 * The candidate; `null` means that there are no more.
 */
candidate: Candidate | null, } | { "type": "topology_changed", 
/**
 * The new way.
 */
topology: Topology, } | { "type": "sfu_answer", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * As in the offer.
 */
offer_id: number, 
/**
 * The session description.
 */
sdp: string, } | { "type": "sfu_refused", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * As in the offer.
 */
offer_id: number, 
/**
 * For people: why.
 */
message: string, } | { "type": "sfu_slots", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * For sound.
 */
audio: number, 
/**
 * For pictures.
 */
video: number, } | { "type": "sfu_seated", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * What.
 */
track: number, 
/**
 * Where.
 */
mid: string, } | { "type": "sfu_closed", 
/**
 * As in the offer.
 */
connection: number, } | { "type": "track_published", 
/**
 * What.
 */
track: Track, } | { "type": "track_ended", 
/**
 * Which.
 */
track: number, } | { "type": "speakers", 
/**
 * Nobody, if empty.
 */
participants: Array<string>, } | { "type": "reconnect", 
/**
 * How long to wait, in milliseconds; spread over the clients.
 */
after_ms: number, });
/**
 * What the server may say.
 */
export type ServerMessage = { "type": "welcome", 
/**
 * Id of the session, for a resume.
 */
session: string, 
/**
 * Secret for the next resume.
 */
resume_secret: string, 
/**
 * The client's own participant.
 */
participant: string, 
/**
 * Whether the session asked for was taken up again; if so, the missed frames follow.
 */
resumed: boolean, 
/**
 * Keeps the participant's id over a restart of the server, see `resume`.
 */
participant_proof: string, 
/**
 * What the client may do. `moderate` may change later: see the `moderator` of the own participant.
 */
grants: Grants, 
/**
 * Why a wanted resume failed.
 */
resume_failure?: ResumeFailure, 
/**
 * The room as it is now; absent when the client has only missed frames to catch up on, which then follow.
 */
room?: RoomState, 
/**
 * For `RTCPeerConnection`.
 */
ice_servers: Array<IceServer>, 
/**
 * What the server accepts.
 */
limits: WireLimits, } | { "type": "ok", } | { "type": "error", 
/**
 * For programs.
 */
code: ErrorCode, 
/**
 * For people: what was wrong and how to mend it.
 */
message: string, 
/**
 * When to try again, in milliseconds.
 */
retry_after_ms?: number, } | { "type": "pong", } | { "type": "participant_joined", 
/**
 * Who.
 */
participant: Participant, } | { "type": "participant_changed", 
/**
 * The whole new state.
 */
participant: Participant, } | { "type": "room_changed", 
/**
 * Whether newcomers need an invitation.
 */
locked: boolean, 
/**
 * Whether people may write into the chat.
 */
chat_enabled: boolean, } | { "type": "chat", 
/**
 * What.
 */
entry: ChatEntry, } | { "type": "chat_entries", 
/**
 * In order.
 */
entries: Array<ChatEntry>, 
/**
 * Whether there is more before them.
 */
more: boolean, } | { "type": "muted", 
/**
 * What.
 */
source: Source, 
/**
 * Who did it.
 */
by: string, } | { "type": "invited", 
/**
 * For `hello`, and for a link.
 */
invite: string, 
/**
 * When it ends, in milliseconds since 1970.
 */
expires_at_ms: number, } | { "type": "token_expiring", 
/**
 * In how many milliseconds.
 */
expires_in_ms: number, } | { "type": "participant_left", 
/**
 * Who.
 */
participant: string, 
/**
 * How.
 */
reason: LeaveReason, } | { "type": "description", 
/**
 * Who sent it.
 */
from: string, 
/**
 * Generation of the link.
 */
link: number, 
/**
 * The description.
 */
description: Description, } | { "type": "candidate", 
/**
 * Who sent it.
 */
from: string, 
/**
 * Generation of the link.
 */
link: number, 
/**
 * The candidate; `null` means that there are no more.
 */
candidate: Candidate | null, } | { "type": "topology_changed", 
/**
 * The new way.
 */
topology: Topology, } | { "type": "sfu_answer", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * As in the offer.
 */
offer_id: number, 
/**
 * The session description.
 */
sdp: string, } | { "type": "sfu_refused", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * As in the offer.
 */
offer_id: number, 
/**
 * For people: why.
 */
message: string, } | { "type": "sfu_slots", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * For sound.
 */
audio: number, 
/**
 * For pictures.
 */
video: number, } | { "type": "sfu_seated", 
/**
 * As in the offer.
 */
connection: number, 
/**
 * What.
 */
track: number, 
/**
 * Where.
 */
mid: string, } | { "type": "sfu_closed", 
/**
 * As in the offer.
 */
connection: number, } | { "type": "track_published", 
/**
 * What.
 */
track: Track, } | { "type": "track_ended", 
/**
 * Which.
 */
track: number, } | { "type": "speakers", 
/**
 * Nobody, if empty.
 */
participants: Array<string>, } | { "type": "reconnect", 
/**
 * How long to wait, in milliseconds; spread over the clients.
 */
after_ms: number, };
/**
 * Everything there is to know about a room on entering it.
 */
export type RoomState = { 
/**
 * Its name, in canonical form.
 */
name: string, 
/**
 * How media travels.
 */
topology: Topology, 
/**
 * Whether newcomers need an invitation.
 */
locked: boolean, 
/**
 * Whether people may write into the chat.
 */
chat_enabled: boolean, 
/**
 * Everybody present in order of arrival, the client itself included.
 */
participants: Array<Participant>, 
/**
 * What can be had from the SFU.
 */
tracks?: Array<Track>, };
/**
 * How media travels in a room; only the room's owner changes it.
 */
export type Topology = { 
/**
 * The way.
 */
mode: TopologyMode, 
/**
 * Rises with every change.
 */
epoch: number, };
/**
 * The ways that media may take.
 */
export type TopologyMode = "mesh" | "sfu";
/**
 * Something that can be had from the SFU.
 */
export type Track = { 
/**
 * Unique on this server while it runs.
 */
id: number, 
/**
 * Whose.
 */
participant: string, 
/**
 * What.
 */
source: TrackSource, 
/**
 * As in `a=rtpmap`, in lower case.
 */
codec: string, 
/**
 * How many sizes there are to choose from; 1 without simulcast.
 */
layers: number, };
/**
 * A participant as the others see them.
 */
export type Participant = { 
/**
 * Unique on this server.
 */
id: string, 
/**
 * Chosen by the participant, trimmed.
 */
name: string, 
/**
 * What they publish.
 */
media: MediaState, 
/**
 * False while their signaling socket is lost and may come back.
 */
connected: boolean, 
/**
 * Whether they may mute, remove, lock and invite.
 */
moderator: boolean, 
/**
 * Absent for somebody who may receive media, send data and write documents.
 */
rights?: ParticipantRights, };
/**
 * What the others have to know of a participant's rights: what they send directly, the server does not see.
 */
export type ParticipantRights = { 
/**
 * Whether they may receive what others publish.
 */
subscribe: boolean, 
/**
 * Whether they may send data to others.
 */
data: boolean, 
/**
 * What they may do with documents.
 */
documents: DocumentsGrant, };
/**
 * One line of a room's chat, as everybody gets it.
 */
export type ChatEntry = { 
/**
 * Its place in the room's chat, from 1 without gaps; the same for everybody.
 */
seq: number, 
/**
 * When the server took it, in milliseconds since 1970.
 */
at_ms: number, 
/**
 * Who wrote it.
 */
participant: string, 
/**
 * Their name at that time.
 */
name: string, 
/**
 * What they wrote.
 */
text: string, };
/**
 * An entry of `RTCConfiguration.iceServers`.
 */
export type IceServer = { 
/**
 * `stun:` and `turn:` addresses, RFC 7064 and RFC 7065.
 */
urls: Array<string>, 
/**
 * Of the relay.
 */
username?: string, 
/**
 * Of the relay.
 */
credential?: string, };
/**
 * What the server accepts; sizes in bytes, times in milliseconds.
 */
export type WireLimits = { 
/**
 * Largest frame.
 */
frame_bytes: number, 
/**
 * Longest name of a participant, in Unicode scalar values.
 */
name_chars: number, 
/**
 * Most participants of a room.
 */
room_participants: number, 
/**
 * The server speaks at least this often, so longer silence means a lost socket.
 */
heartbeat_ms: number, 
/**
 * How long a session may be resumed.
 */
resume_ms: number, };
/**
 * Why a session was not resumed.
 */
export type ResumeFailure = "unknown_session" | "window_exceeded";
/**
 * How somebody left.
 */
export type LeaveReason = "left" | "lost" | "removed";
/**
 * What went wrong, for programs.
 */
export type ErrorCode = "bad_frame" | "unknown_type" | "out_of_order" | "too_large" | "bad_room" | "bad_name" | "room_full" | "server_full" | "unknown_participant" | "rate_limited" | "unauthenticated" | "forbidden" | "room_locked" | "bad_invite" | "removed" | "chat_disabled" | "unavailable";
