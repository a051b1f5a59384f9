import type { ServerFrame, ServerMessage } from './wire';

type Check = (value: unknown) => boolean;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isFlag: Check = (value) => typeof value === 'boolean';
const isAbsentOr =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
const hasFields = (fields: Record<string, Check>): Check => {
  const entries = Object.entries(fields);
  return (value) => isRecord(value) && entries.every(([name, check]) => check(value[name]));
};
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

const isMedia = hasFields({ microphone: isFlag, camera: isFlag, screen: isFlag });
const isRights = hasFields({ subscribe: isFlag, data: isFlag, documents: isText });
const isParticipant = hasFields({
  id: isText,
  name: isText,
  media: isMedia,
  connected: isFlag,
  moderator: isFlag,
  rights: isAbsentOr(isRights),
});
/** A way that a later server knows and this SDK does not must not cost the room: it is taken as a mesh. */
const isTopology = hasFields({ mode: isText, epoch: isCount });
const isTrack = hasFields({ id: isCount, participant: isText, source: isText, codec: isText, layers: isCount });
const isRoom = hasFields({
  name: isText,
  topology: isTopology,
  tracks: isAbsentOr(isListOf(isTrack)),
  locked: isFlag,
  chat_enabled: isFlag,
  participants: isListOf(isParticipant),
});
const isChatEntry = hasFields({ seq: isCount, at_ms: isCount, participant: isText, name: isText, text: isText });
const isIceServer = hasFields({ urls: isListOf(isText) });
const isLimits = hasFields({ room_participants: isCount, heartbeat_ms: isCount, resume_ms: isCount });
const isDescription = hasFields({ type: (kind) => kind === 'offer' || kind === 'answer', sdp: isText });
const isSource: Check = (source) => source === 'microphone' || source === 'camera' || source === 'screen';
/** A source that a later server knows and this SDK does not must not cost the call. */
const isGrants = hasFields({ publish: isListOf(isText), moderate: isFlag });
const isCandidate = hasFields({ candidate: isText });

/** What the SDK relies on in every message. The key type makes a message that was added in Rust a compile error here. */
const MESSAGES: Record<ServerMessage['type'], Check> = {
  welcome: hasFields({
    session: isText,
    resume_secret: isText,
    participant: isText,
    participant_proof: isText,
    grants: isGrants,
    resumed: isFlag,
    room: isAbsentOr(isRoom),
    ice_servers: isListOf(isIceServer),
    limits: isLimits,
  }),
  ok: isRecord,
  error: hasFields({ code: isText, message: isText, retry_after_ms: isAbsentOr(isCount) }),
  pong: isRecord,
  participant_joined: hasFields({ participant: isParticipant }),
  participant_changed: hasFields({ participant: isParticipant }),
  participant_left: hasFields({ participant: isText, reason: isText }),
  room_changed: hasFields({ locked: isFlag, chat_enabled: isFlag }),
  chat: hasFields({ entry: isChatEntry }),
  chat_entries: hasFields({ entries: isListOf(isChatEntry), more: isFlag }),
  muted: hasFields({ source: isSource, by: isText }),
  invited: hasFields({ invite: isText, expires_at_ms: isCount }),
  token_expiring: hasFields({ expires_in_ms: isCount }),
  description: hasFields({ from: isText, link: isCount, description: isDescription }),
  candidate: hasFields({ from: isText, link: isCount, candidate: isAbsentOr(isCandidate) }),
  topology_changed: hasFields({ topology: isTopology }),
  sfu_answer: hasFields({ connection: isCount, offer_id: isCount, sdp: isText }),
  sfu_refused: hasFields({ connection: isCount, offer_id: isCount, message: isText }),
  sfu_slots: hasFields({ connection: isCount, audio: isCount, video: isCount }),
  sfu_seated: hasFields({ connection: isCount, track: isCount, mid: isText }),
  sfu_closed: hasFields({ connection: isCount }),
  track_published: hasFields({ track: isTrack }),
  track_ended: hasFields({ track: isCount }),
  speakers: hasFields({ participants: isListOf(isText) }),
  reconnect: hasFields({ after_ms: isCount }),
};

const isKnownType = (type: unknown): type is ServerMessage['type'] =>
  typeof type === 'string' && Object.hasOwn(MESSAGES, type);

/**
 * Reads one text frame of `stoa.v1.json`.
 *
 * Returns `null` for anything that is not a message this SDK knows: the caller decides what that means.
 */
export function parseServerFrame(text: string): ServerFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || !isCount(value['seq']) || !isAbsentOr(isCount)(value['cid'])) {
    return null;
  }
  const type = value['type'];
  if (!isKnownType(type) || !MESSAGES[type](value)) {
    return null;
  }
  return value as unknown as ServerFrame;
}
