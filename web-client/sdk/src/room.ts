import type { RoomChannel } from './channel';
import { Chat } from './chat';
import type { DocumentsPort } from './documents/port';
import { StoaError } from './errors';
import { Emitter, Listeners } from './events';
import type { Mesh, MeshHandlers } from './link/mesh';
import type { LocalMedia } from './media/local-media';
import { Roster } from './roster';
import type { LinkView, ParticipantId, ParticipantView } from './roster';
import type { SignalConnection, SignalEvent } from './signal/connection';
import type { RoomMessage, Welcome } from './signal/effects';
import type { ChatEntry, Grants, LeaveReason, MediaState, Participant, RoomState, Source } from './signal/wire';
import type { TabMemory } from './signal/tab-memory';

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
  /** Whether newcomers need an invitation. */
  readonly locked: boolean;
  /** What oneself may do, by the last welcome; for `moderate` see `moderator`, which changes. */
  readonly grants: Grants;
  /** Whether oneself may mute, remove, lock and invite now. */
  readonly moderator: boolean;
  /** Why the status is `failed`. */
  readonly error: StoaError | null;
}

/** The events of a room. After an outage the differences are told like any other change. */
export interface RoomEvents {
  participantJoined: (participant: ParticipantView) => void;
  participantChanged: (participant: ParticipantView) => void;
  participantLeft: (participant: ParticipantView, reason: LeaveReason) => void;
  statusChanged: (status: RoomStatus) => void;
  /** A moderator switched off what oneself publishes; `LocalMedia` follows already. Null: they have left since. */
  muted: (by: ParticipantView | null, source: Source) => void;
  lockChanged: (locked: boolean) => void;
  /** Somebody, perhaps oneself, wrote into the chat; `Room.chat` has it already. */
  chat: (entry: ChatEntry) => void;
}

/** An invitation to a room. */
export interface Invitation {
  /** For `JoinOptions.invite`. */
  readonly invite: string;
  readonly expiresAt: Date;
}

/** What a room is driven by; tests give their own. */
export interface RoomDrivers {
  readonly connection: Pick<SignalConnection, 'request' | 'leave' | 'setLinksHealthy'> & {
    readonly documents: DocumentsPort;
  };
  readonly createMesh: (handlers: MeshHandlers) => RoomMesh;
  readonly memory: Pick<TabMemory, 'keep' | 'forget'>;
}

/** The links of a room. */
export type RoomMesh = Pick<Mesh, keyof Mesh>;

const NO_LINK: Omit<LinkView, 'stream'> = { link: 'none', path: 'unknown' };

/** A joined room: the only place that ties signaling, links and devices together. Made by `join`. */
export class Room {
  /** The own devices. */
  readonly media: LocalMedia;
  /** What people write beside the call. */
  readonly chat: Chat;
  /** The way to the server for documents, beside `channel`. */
  readonly documents: DocumentsPort;
  readonly #connection: RoomDrivers['connection'];
  readonly #memory: RoomDrivers['memory'];
  readonly #mesh: RoomMesh;
  readonly #roster: Roster;
  readonly #listeners = new Listeners();
  readonly #events = new Emitter<RoomEvents>();
  readonly #unsubscribeMedia: () => void;
  #welcome: Welcome;
  #published: MediaState;
  #state: RoomSnapshot;

  /**
   * Not for apps: use `join`. `published` is what `hello` said; `generations` those of the links before a reload.
   */
  constructor(
    drivers: RoomDrivers,
    media: LocalMedia,
    published: MediaState,
    welcome: Welcome,
    generations: Readonly<Record<ParticipantId, number>> = {},
  ) {
    this.media = media;
    this.#connection = drivers.connection;
    this.documents = drivers.connection.documents;
    this.chat = new Chat((message) => this.#connection.request(message));
    this.chat.on('chat', (entry) => this.#events.emit('chat', entry));
    this.#memory = drivers.memory;
    this.#published = published;
    this.#welcome = welcome;
    const room = roomOf(welcome);
    this.#roster = new Roster(welcome.participant, room);
    this.#mesh = drivers.createMesh({
      sendDescription: (to, link, description) => this.#request({ type: 'description', to, link, description }),
      sendCandidate: (to, link, candidate) => this.#request({ type: 'candidate', to, link, candidate }),
      changed: () => this.#refresh(),
      generationChanged: () => this.#remember(),
    });
    this.#state = {
      status: 'connected',
      room: room.name,
      self: welcome.participant,
      participants: [],
      capacity: welcome.limits.room_participants,
      locked: room.locked,
      grants: welcome.grants,
      moderator: welcome.grants.moderate,
      error: null,
    };
    this.#unsubscribeMedia = media.subscribe(() => this.#handleMedia());
    this.#mesh.setSelf(welcome.participant, welcome.ice_servers);
    this.#mesh.goOnAfter(generations);
    this.#handleMedia();
    this.#sync();
    this.#remember();
    this.#beginChat(room);
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

  /** Switches off what another publishes; only they can switch it on again. Rejects with `forbidden`. */
  async mute(participant: ParticipantId, source: Source): Promise<void> {
    await this.#connection.request({ type: 'mute', participant, source });
  }

  /** Sends another out of the room. Rejects with `forbidden`. */
  async remove(participant: ParticipantId): Promise<void> {
    await this.#connection.request({ type: 'remove', participant });
  }

  /** Locks the room against newcomers without an invitation, or opens it. Rejects with `forbidden`. */
  async lock(locked: boolean): Promise<void> {
    await this.#connection.request({ type: 'lock', locked });
  }

  /** Makes an invitation, good for `expiresInMs` milliseconds from now. Rejects with `forbidden`. */
  async invite(expiresInMs: number): Promise<Invitation> {
    const invited = await this.#connection.request({ type: 'invite', expires_in_ms: Math.round(expiresInMs) });
    if (invited?.type !== 'invited') {
      throw new StoaError('protocol', 'the server sent no invitation');
    }
    return { invite: invited.invite, expiresAt: new Date(invited.expires_at_ms) };
  }

  /**
   * Writes into the chat; resolved once the server keeps it. Rejects with `chat_disabled`, with `forbidden` for those who
   * may not send data, and with `unavailable` while the server cannot keep it.
   */
  async sendChat(text: string): Promise<void> {
    await this.#connection.request({ type: 'chat', text });
  }

  /** Gets earlier lines of the chat into `chat`. */
  async loadEarlierChat(): Promise<void> {
    await this.chat.loadEarlier();
  }

  /** Lets people write into the chat, or stops that. Rejects with `forbidden`. */
  async setChatEnabled(enabled: boolean): Promise<void> {
    await this.#connection.request({ type: 'set_chat', enabled });
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

  #isOver(): boolean {
    return this.#state.status === 'left' || this.#state.status === 'failed';
  }

  #handleWelcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#mesh.setSelf(welcome.participant, welcome.ice_servers);
    if (welcome.room !== undefined) {
      this.#roster.reset(welcome.participant, welcome.room, (id) => this.#mesh.isAlive(id));
      this.#setLocked(welcome.room.locked);
      this.#beginChat(welcome.room);
    }
    this.#replace({ grants: welcome.grants, capacity: welcome.limits.room_participants });
    this.#setStatus('connected', null);
    this.#handleMedia();
    this.#sync();
    this.#remember();
  }

  #handleMessage(message: RoomMessage): void {
    switch (message.type) {
      case 'participant_joined':
      case 'participant_changed':
        this.#roster.put(message.participant);
        this.#sync();
        break;
      case 'participant_left':
        this.#roster.remove(message.participant, message.reason, this.#mesh.isAlive(message.participant));
        this.#sync();
        break;
      case 'room_changed':
        this.#setLocked(message.locked);
        this.chat.setEnabled(message.chat_enabled);
        break;
      case 'chat':
        this.chat.handleEntry(message.entry);
        break;
      case 'muted':
        this.#handleMuted(message.by, message.source);
        break;
      case 'description':
        this.#mesh.handleDescription(message.from, message.link, message.description);
        break;
      case 'candidate':
        this.#mesh.handleCandidate(message.from, message.link, message.candidate);
    }
  }

  /** The whole state of the room came: so does the chat, from its newest line on. */
  #beginChat(room: RoomState): void {
    this.chat.setEnabled(room.chat_enabled);
    if (this.#welcome.grants.data) {
      // Without an answer there is no chat to see yet; the next line brings it.
      this.chat.loadNewest().catch(() => undefined);
    }
  }

  /** What a moderator switched off stays off until the user switches it on, whatever happens to the connection. */
  #handleMuted(by: ParticipantId, source: Source): void {
    if (source === 'microphone') {
      void this.media.setMicrophoneEnabled(false);
    } else if (source === 'camera') {
      void this.media.setCameraEnabled(false);
    }
    this.#events.emit('muted', this.#roster.views.find(({ id }) => id === by) ?? null, source);
  }

  #handleMedia(): void {
    const { publish } = this.#welcome.grants;
    const { stream } = this.media.state;
    this.#mesh.setTracks({
      audio: publish.includes('microphone') ? (stream.getAudioTracks()[0] ?? null) : null,
      video: publish.includes('camera') ? (stream.getVideoTracks()[0] ?? null) : null,
    });
    const published = publishedState(this.media, publish);
    if (published.microphone !== this.#published.microphone || published.camera !== this.#published.camera) {
      this.#published = published;
      this.#request({ type: 'media', media: published });
      this.#refresh();
    }
  }

  /** Whether a background request succeeds shows elsewhere: in the link, or in what the server says next. */
  #request(message: Parameters<SignalConnection['request']>[0]): void {
    this.#connection.request(message).catch(() => undefined);
  }

  /** Leaves a note for this tab's next page, in case this one is loaded anew. */
  #remember(): void {
    if (this.#isOver()) {
      return;
    }
    const { session, resume_secret, participant, participant_proof } = this.#welcome;
    this.#memory.keep({ session, resume_secret, participant, participant_proof, links: this.#mesh.generations() });
  }

  /** Makes links and snapshot match the roster. */
  #sync(): void {
    this.#reconcile();
    this.#refresh();
  }

  #reconcile(): void {
    this.#mesh.reconcile(this.#roster.others, this.#state.status === 'connected');
  }

  #refresh(): void {
    if (this.#isOver()) {
      return;
    }
    if (this.#roster.dropUnlinked((id) => this.#mesh.isAlive(id))) {
      this.#reconcile();
    }
    const before = this.#roster.views;
    const changes = this.#roster.refresh((participant) => this.#linkOf(participant));
    if (changes.length === 0 && this.#roster.self === this.#state.self && before.length > 0) {
      return;
    }
    const participants = this.#roster.views;
    const own = participants.find(({ isSelf }) => isSelf);
    this.#connection.setLinksHealthy(participants.some(({ link }) => link === 'connected'));
    this.#replace({ self: this.#roster.self, participants, moderator: own?.moderator ?? this.#state.moderator });
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

  #setLocked(locked: boolean): void {
    if (locked !== this.#state.locked) {
      this.#replace({ locked });
      this.#events.emit('lockChanged', locked);
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
    this.#unsubscribeMedia();
    this.#setStatus(status, error);
    this.#mesh.close();
    this.#connection.leave();
    this.#memory.forget();
  }
}

/** What is sent: what is on, and may be sent. */
export function publishedState(media: LocalMedia, granted: readonly Source[]): MediaState {
  const { microphone, camera } = media.state;
  return {
    microphone: microphone.actual && granted.includes('microphone'),
    camera: camera.actual && granted.includes('camera'),
    screen: false,
  };
}

function roomOf(welcome: Welcome): NonNullable<Welcome['room']> {
  return (
    welcome.room ?? {
      name: '',
      topology: { mode: 'mesh', epoch: 0 },
      locked: false,
      chat_enabled: false,
      participants: [],
    }
  );
}
