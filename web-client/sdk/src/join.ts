import { StoaError } from './errors';
import type { StoaErrorCode } from './errors';
import { Mesh } from './link/mesh';
import { LocalMedia } from './media/local-media';
import { publishedState, Room } from './room';
import type { MediaDrivers } from './room-media';
import { SignalConnection } from './signal/connection';
import type { Welcome } from './signal/effects';
import type { Source } from './signal/wire';
import { SessionStore, tabStorage } from './signal/saved-session';
import type { SavedSession } from './signal/saved-session';
import { browserLocks, SessionLock } from './signal/session-lock';
import { SignalSession } from './signal/session';
import { TabMemory } from './signal/tab-memory';

/** How to join. */
export interface JoinOptions {
  /** `ws(s)://host/v1/ws`. */
  readonly url: string;
  /** Name of the room, as in its link. */
  readonly room: string;
  /** Name to show to the others. */
  readonly name: string;
  /** Opens a locked room, and one that asks for tokens. */
  readonly invite?: string;
  /** Proof of rights, when the server asks for one. A function is called for the first, and whenever one is to end. */
  readonly token?: string | (() => string | Promise<string>);
  /** The own devices; absent: joins without devices. */
  readonly media?: LocalMedia;
  /** How pictures go to the server's SFU, if the browser can; VP8, which every browser can, if absent. */
  readonly codec?: 'vp8' | 'h264' | 'vp9' | 'av1';
  /** Aborts the join, and leaves what a former page of this tab was in; of no meaning once it is resolved. */
  readonly signal?: AbortSignal;
}

/** Joins under way and rooms not left, by the very object that asked for them. */
const joins = new WeakMap<JoinOptions, Promise<Room>>();

/** Before the welcome tells what is granted, everything is taken to be. */
const EVERYTHING: readonly Source[] = ['microphone', 'camera', 'screen'];

const MEDIA_DRIVERS: MediaDrivers = {
  createMesh: (handlers) => new Mesh(handlers),
  loadLeg: async () => {
    const { SfuLeg } = await import('./sfu/leg');
    return (legOptions) => new SfuLeg(legOptions);
  },
};

/** After these the same session may still be taken up by another attempt. */
const PASSING: ReadonlySet<StoaErrorCode> = new Set(['unreachable', 'server_full', 'rate_limited']);

/**
 * Joins a room; resolves once the server said welcome. Devices are opened by `LocalMedia`, before or after. A page that
 * was loaded anew goes on as the same participant. Called again with the same object, gives the same room until it is
 * left.
 *
 * Rejects with a `StoaError`: `bad_room`, `bad_name`, `room_full`, `room_locked`, `bad_invite`, `removed`, `forbidden`,
 * `server_full`, `rate_limited`, `authenticate`, `protocol`, `unreachable` (no answer for 10 s, or not a WebSocket
 * address), `aborted`, `unsupported_browser`.
 */
export function join(options: JoinOptions): Promise<Room> {
  const running = joins.get(options);
  if (running !== undefined) {
    return running;
  }
  const joining = enter(options);
  joins.set(options, joining);
  const over = () => joins.delete(options);
  joining.then((room) => {
    room.subscribe(() => {
      if (room.state.status === 'left' || room.state.status === 'failed') {
        over();
      }
    });
  }, over);
  return joining;
}

async function enter(options: JoinOptions): Promise<Room> {
  const { url, room } = options;
  if (typeof RTCPeerConnection === 'undefined') {
    throw new StoaError('unsupported_browser', 'this browser has no WebRTC');
  }
  if (!isWebSocketUrl(url)) {
    throw new StoaError('unreachable', `not a WebSocket address: ${url}`);
  }
  const memory = new TabMemory(new SessionStore(tabStorage(), url, room), new SessionLock(browserLocks()));
  const saved = await memory.recall();
  try {
    return await connect(options, saved, memory);
  } catch (error) {
    if (error instanceof StoaError && !PASSING.has(error.code)) {
      memory.forget();
    } else {
      memory.release();
    }
    throw error;
  }
}

function connect(options: JoinOptions, saved: SavedSession | null, memory: TabMemory): Promise<Room> {
  const { url, token, signal } = options;
  const media = options.media ?? new LocalMedia({ microphone: false, camera: false });
  const published = publishedState(media, EVERYTHING);
  const session = new SignalSession({
    room: options.room,
    name: options.name,
    media: published,
    random: Math.random,
    isTokenRenewable: typeof token === 'function',
    ...(typeof token === 'string' ? { token } : {}),
    ...(options.invite === undefined ? {} : { invite: options.invite }),
    ...(saved === null ? {} : resumeOf(saved)),
  });
  return new Promise((resolve, reject) => {
    let joined: Room | null = null;
    const renew = typeof token === 'function' ? token : null;
    const connection = new SignalConnection(url, session, renew, (event) => {
      if (joined !== null) {
        joined.handleSignal(event);
      } else if (event.kind === 'welcomed') {
        signal?.removeEventListener('abort', abort);
        const generations = generationsFor(event.welcome, saved);
        const { codec } = options;
        const roomOptions = { published, generations, ...(codec === undefined ? {} : { codec }) };
        joined = new Room({ connection, media: MEDIA_DRIVERS, memory }, media, event.welcome, roomOptions);
        resolve(joined);
      } else if (event.kind === 'failed') {
        signal?.removeEventListener('abort', abort);
        reject(event.error);
      }
    });
    const abort = () => {
      connection.leave();
      reject(new StoaError('aborted', 'the join was aborted'));
    };
    if (signal?.aborted === true) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    connection.start();
  });
}

function resumeOf(saved: SavedSession): Pick<ConstructorParameters<typeof SignalSession>[0], 'resume' | 'firstCid'> {
  return {
    resume: { session: saved.session, secret: saved.resume_secret, participant_proof: saved.participant_proof },
    // The session goes on, and with it the rising numbers of its requests: the clock is ahead of any count.
    firstCid: Date.now(),
  };
}

/** Links go on from the generations of the former page only if it was the same participant's. */
function generationsFor(welcome: Welcome, saved: SavedSession | null): Readonly<Record<string, number>> {
  return saved !== null && saved.participant === welcome.participant ? saved.links : {};
}

function isWebSocketUrl(url: string): boolean {
  try {
    return ['ws:', 'wss:'].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
