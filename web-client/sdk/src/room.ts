import type { RoomChannel } from './channel';
import { StoaError } from './errors';
import { Emitter, Listeners } from './events';
import { Mesh } from './link/mesh';
import { LocalMedia } from './media/local-media';
import { Roster } from './roster';
import type { LinkView, ParticipantId, ParticipantView } from './roster';
import { SignalConnection } from './signal/connection';
import type { SignalEvent } from './signal/connection';
import { SignalSession } from './signal/session';
import type { RoomMessage, Welcome } from './signal/session';
import type { LeaveReason, MediaState, Participant } from './signal/wire';

/** How a room stands. `left` and `failed` are final. */
export type RoomStatus = 'connected' | 'reconnecting' | 'left' | 'failed';

/** Everything about a room; replaced as a whole on every change. */
export interface RoomSnapshot {
  readonly status: RoomStatus;
  /** Its name, in the server's canonical form. */
  readonly room: string;
  /** The own participant; another one after a session that could not be resumed. */
  readonly self: ParticipantId;
  /** Oneself first, then the others in order of arrival. */
  readonly participants: readonly ParticipantView[];
  /** Most participants that the room holds. */
  readonly capacity: number;
  /** Why the status is `failed`. */
  readonly error: StoaError | null;
}

/** The events of a room. After an outage the differences are told like any other change. */
export interface RoomEvents {
  participantJoined: (participant: ParticipantView) => void;
  participantChanged: (participant: ParticipantView) => void;
  participantLeft: (participant: ParticipantView, reason: LeaveReason) => void;
  statusChanged: (status: RoomStatus) => void;
}

/** How to join. */
export interface JoinOptions {
  /** `ws(s)://host/v1/ws`. */
  readonly url: string;
  /** Name of the room, as in its link. */
  readonly room: string;
  /** Name to show to the others. */
  readonly name: string;
  /** Proof of rights, when the server asks for one. */
  readonly token?: string;
  /** The own devices; absent: joins without devices. */
  readonly media?: LocalMedia;
  /** Aborts the join; of no meaning once it is resolved. */
  readonly signal?: AbortSignal;
}

const NO_LINK: Omit<LinkView, 'stream'> = { link: 'none', path: 'unknown' };

/** A joined room: the only place that ties signaling, links and devices together. Made by `join`. */
export class Room {
  /** The own devices. */
  readonly media: LocalMedia;
  readonly #connection: SignalConnection;
  readonly #mesh: Mesh;
  readonly #roster: Roster;
  readonly #listeners = new Listeners();
  readonly #events = new Emitter<RoomEvents>();
  readonly #unsubscribeMedia: () => void;
  #published: MediaState;
  #state: RoomSnapshot;

  /** Not for apps: use `join`. */
  constructor(connection: SignalConnection, media: LocalMedia, published: MediaState, welcome: Welcome) {
    this.media = media;
    this.#connection = connection;
    this.#published = published;
    const room = roomOf(welcome);
    this.#roster = new Roster(welcome.participant, room);
    this.#mesh = new Mesh({
      sendDescription: (to, link, description) =>
        this.#request(connection.request({ type: 'description', to, link, description })),
      sendCandidate: (to, link, candidate) =>
        this.#request(connection.request({ type: 'candidate', to, link, candidate })),
      changed: () => this.#refresh(),
    });
    this.#state = {
      status: 'connected',
      room: room.name,
      self: welcome.participant,
      participants: [],
      capacity: welcome.limits.room_participants,
      error: null,
    };
    this.#unsubscribeMedia = media.subscribe(() => this.#handleMedia());
    globalThis.addEventListener('pagehide', this.#onPageHide);
    this.#mesh.setSelf(welcome.participant, welcome.ice_servers);
    this.#handleMedia();
    this.#sync();
  }

  /** The present state; immutable. */
  get state(): RoomSnapshot {
    return this.#state;
  }

  /** Calls `listener` after every change of `state` until the returned function is called. */
  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Calls `handler` at every `event` until the returned function is called. */
  on<K extends keyof RoomEvents>(event: K, handler: RoomEvents[K]): () => void {
    return this.#events.on(event, handler);
  }

  /** Changes the name that others see. Rejects with `bad_name` if the server refuses it, `closed` after the end. */
  async rename(name: string): Promise<void> {
    await this.#connection.request({ type: 'rename', name });
  }

  /** Leaves and closes every link. Idempotent; the devices stay as they are. */
  async leave(): Promise<void> {
    this.#end('left', null);
  }

  /** The byte channel to every linked participant; always the same object. */
  channel(_label: 'docs'): RoomChannel {
    return this.#mesh.channel;
  }

  /** WebRTC statistics of a link, for tests and "stats for nerds"; null: there is no such link. */
  linkStats(participant: ParticipantId): Promise<RTCStatsReport | null> {
    return this.#mesh.stats(participant);
  }

  /** Not for apps: what the signaling says. */
  handleSignal(event: SignalEvent): void {
    if (this.#isOver()) {
      return;
    }
    switch (event.kind) {
      case 'welcomed':
        this.#handleWelcome(event.welcome);
        break;
      case 'interrupted':
        this.#setStatus('reconnecting', null);
        this.#sync();
        break;
      case 'failed':
        this.#end('failed', event.error);
        break;
      case 'message':
        this.#handleMessage(event.message);
    }
  }

  readonly #onPageHide = (): void => {
    // Otherwise the others would see a ghost until the session times out.
    void this.leave();
  };

  #isOver(): boolean {
    return this.#state.status === 'left' || this.#state.status === 'failed';
  }

  #handleWelcome(welcome: Welcome): void {
    this.#mesh.setSelf(welcome.participant, welcome.ice_servers);
    if (!welcome.resumed) {
      this.#roster.reset(welcome.participant, roomOf(welcome));
    }
    this.#setStatus('connected', null);
    this.#sync();
  }

  #handleMessage(message: RoomMessage): void {
    switch (message.type) {
      case 'participant_joined':
      case 'participant_changed':
        this.#roster.put(message.participant);
        this.#sync();
        break;
      case 'participant_left':
        this.#roster.remove(message.participant, message.reason);
        this.#sync();
        break;
      case 'description':
        this.#mesh.handleDescription(message.from, message.link, message.description);
        break;
      case 'candidate':
        this.#mesh.handleCandidate(message.from, message.link, message.candidate);
    }
  }

  #handleMedia(): void {
    const { stream } = this.media.state;
    this.#mesh.setTracks({ audio: stream.getAudioTracks()[0] ?? null, video: stream.getVideoTracks()[0] ?? null });
    const published = publishedState(this.media);
    if (published.microphone !== this.#published.microphone || published.camera !== this.#published.camera) {
      this.#published = published;
      this.#request(this.#connection.request({ type: 'media', media: published }));
      this.#refresh();
    }
  }

  /** Whether a background request succeeds shows elsewhere: in the link, or in what the server says next. */
  #request(request: Promise<void>): void {
    request.catch(() => undefined);
  }

  /** Makes links and snapshot match the roster. */
  #sync(): void {
    this.#mesh.reconcile(this.#roster.others, this.#state.status === 'connected');
    this.#refresh();
  }

  #refresh(): void {
    if (this.#isOver()) {
      return;
    }
    const before = this.#roster.views;
    const changes = this.#roster.refresh((participant) => this.#linkOf(participant));
    if (changes.length === 0 && this.#roster.self === this.#state.self && before.length > 0) {
      return;
    }
    this.#replace({ self: this.#roster.self, participants: this.#roster.views });
    for (const change of changes) {
      if (change.participant.isSelf && change.kind !== 'changed') {
        // Under a new own id after a lost session: `state.self` tells, and nobody came or went.
        continue;
      }
      if (change.kind === 'left') {
        this.#events.emit('participantLeft', change.participant, change.reason);
      } else {
        this.#events.emit(change.kind === 'joined' ? 'participantJoined' : 'participantChanged', change.participant);
      }
    }
  }

  #linkOf(participant: Participant): LinkView & { media?: MediaState } {
    if (participant.id !== this.#roster.self) {
      return this.#mesh.view(participant.id);
    }
    // What oneself publishes is known here first; the server's echo would lag behind the button.
    return { ...NO_LINK, stream: this.media.state.stream, media: this.#published };
  }

  #setStatus(status: RoomStatus, error: StoaError | null): void {
    if (status !== this.#state.status) {
      this.#replace({ status, error });
      this.#events.emit('statusChanged', status);
    }
  }

  #replace(part: Partial<RoomSnapshot>): void {
    this.#state = { ...this.#state, ...part };
    this.#listeners.notify();
  }

  #end(status: 'left' | 'failed', error: StoaError | null): void {
    if (this.#isOver()) {
      return;
    }
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    this.#unsubscribeMedia();
    this.#setStatus(status, error);
    this.#mesh.close();
    this.#connection.leave();
  }
}

/**
 * Joins a room; resolves once the server said welcome. Devices are opened by `LocalMedia`, before or after.
 *
 * Rejects with a `StoaError`: `bad_room`, `bad_name`, `room_full`, `server_full`, `rate_limited`, `authenticate`,
 * `protocol`, `unreachable` (no answer for 10 s, or not a WebSocket address), `aborted`, `unsupported_browser`.
 */
export function join(options: JoinOptions): Promise<Room> {
  const { url, room, name, token, signal } = options;
  if (typeof RTCPeerConnection === 'undefined') {
    return Promise.reject(new StoaError('unsupported_browser', 'this browser has no WebRTC'));
  }
  if (!isWebSocketUrl(url)) {
    return Promise.reject(new StoaError('unreachable', `not a WebSocket address: ${url}`));
  }
  if (signal?.aborted === true) {
    return Promise.reject(new StoaError('aborted', 'the join was aborted'));
  }
  const media = options.media ?? new LocalMedia({ microphone: false, camera: false });
  const published = publishedState(media);
  const session = new SignalSession({
    room,
    name,
    media: published,
    random: Math.random,
    ...(token === undefined ? {} : { token }),
  });
  return new Promise((resolve, reject) => {
    let joined: Room | null = null;
    const connection = new SignalConnection(url, session, (event) => {
      if (joined !== null) {
        joined.handleSignal(event);
      } else if (event.kind === 'welcomed') {
        signal?.removeEventListener('abort', abort);
        joined = new Room(connection, media, published, event.welcome);
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
    signal?.addEventListener('abort', abort, { once: true });
    connection.start();
  });
}

function publishedState(media: LocalMedia): MediaState {
  const { microphone, camera } = media.state;
  return { microphone: microphone.actual, camera: camera.actual, screen: false };
}

function roomOf(welcome: Welcome): NonNullable<Welcome['room']> {
  return welcome.room ?? { name: '', topology: { mode: 'mesh', epoch: 0 }, participants: [] };
}

function isWebSocketUrl(url: string): boolean {
  try {
    return ['ws:', 'wss:'].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
