import type { RoomChannel } from './channel';
import { Chat } from './chat';
import type { DocumentsPort } from './documents/port';
import { StoaError } from './errors';
import { Emitter, Listeners } from './events';
import type { LocalTracks } from './link/local-tracks';
import type { LocalMedia } from './media/local-media';
import { isMediaMessage, RoomMedia } from './room-media';
import type { MediaDrivers } from './room-media';
import { Roster } from './roster';
import type { TrackStats, TrackStatsSource } from './stats';
import type { TrackStatistics } from './track-stats';
import type { PictureCodec } from './sfu/publication';
import type { SpeakerMeter } from './speakers';
import type { PictureSource, Tile, TileQuality } from './tiles';
import type { LinkView, ParticipantId, ParticipantView, PathView } from './roster';
import type { SignalConnection, SignalEvent } from './signal/connection';
import type { RoomMessage, Welcome } from './signal/effects';
import type {
  ChatEntry,
  Grants,
  LeaveReason,
  MediaState,
  Participant,
  RoomState,
  Source,
  TopologyMode,
} from './signal/wire';
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
  /** How media travels: directly between all, or by way of the server. */
  readonly topology: TopologyMode;
  /** Who speaks now, the loudest first. */
  readonly speakers: readonly ParticipantId[];
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
  readonly media: MediaDrivers;
  readonly memory: Pick<TabMemory, 'keep' | 'forget'>;
}

/** What a room starts with. */
export interface RoomOptions {
  /** What `hello` said. */
  readonly published: MediaState;
  /** Generations of the links before the page was loaded anew. */
  readonly generations?: Readonly<Record<ParticipantId, number>>;
  readonly codec?: PictureCodec;
}

const NO_LINK: PathView = { link: 'none', path: 'unknown' };

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
  readonly #ways: RoomMedia;
  /** Null until its code is there, and after the end. */
  #meter: SpeakerMeter | null = null;
  readonly #roster: Roster;
  readonly #listeners = new Listeners();
  readonly #events = new Emitter<RoomEvents>();
  readonly #unsubscribeMedia: () => void;
  #statistics: Promise<TrackStatistics> | null = null;
  #welcome: Welcome;
  #published: MediaState;
  #state: RoomSnapshot;

  /** Not for apps: use `join`. */
  constructor(drivers: RoomDrivers, media: LocalMedia, welcome: Welcome, options: RoomOptions) {
    this.media = media;
    this.#connection = drivers.connection;
    this.documents = drivers.connection.documents;
    this.chat = new Chat((message) => this.#connection.request(message));
    this.chat.on('chat', (entry) => this.#events.emit('chat', entry));
    this.#memory = drivers.memory;
    this.#published = options.published;
    this.#welcome = welcome;
    const room = roomOf(welcome);
    this.#roster = new Roster(welcome.participant, room);
    this.#ways = new RoomMedia(
      drivers.media,
      {
        request: (message) => this.#connection.request(message),
        sendDescription: (to, link, description) => this.#request({ type: 'description', to, link, description }),
        sendCandidate: (to, link, candidate) => this.#request({ type: 'candidate', to, link, candidate }),
        generationChanged: () => this.#remember(),
        changed: () => this.#refresh(),
      },
      options.codec ?? 'vp8',
    );
    // Without it nobody is marked as a speaker in a mesh, and no more.
    this.#createMeter().catch(() => undefined);
    this.#state = {
      status: 'connected',
      room: room.name,
      self: welcome.participant,
      participants: [],
      capacity: welcome.limits.room_participants,
      locked: room.locked,
      grants: welcome.grants,
      moderator: welcome.grants.moderate,
      topology: 'mesh',
      speakers: [],
      error: null,
    };
    this.#unsubscribeMedia = media.subscribe(() => this.#handleMedia());
    this.#ways.goOnAfter(options.generations ?? {});
    this.#ways.handleWelcome(welcome);
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

  /** The byte channel to the others; always the same object. */
  channel(_label: 'docs'): RoomChannel {
    return this.#ways.channel;
  }

  /**
   * How large a picture is shown, in device pixels; null: it cannot be seen, and need not come. Of a picture that this
   * was never called for, the best comes. With several, those of higher priority (0 to 255) get bandwidth first.
   */
  setTile(participant: ParticipantId, source: PictureSource, tile: Tile | null): void {
    this.#ways.tiles.setTile(participant, source, tile);
    this.#ways.handleTiles();
  }

  /** Takes a picture in a fixed quality, or again in the one that fits its tile (`auto`). */
  setQuality(participant: ParticipantId, source: PictureSource, quality: TileQuality): void {
    this.#ways.tiles.setQuality(participant, source, quality);
    this.#ways.handleTiles();
  }

  /** How a track is doing; of oneself, how it is sent. Null: there is no such track. */
  async trackStats(participant: ParticipantId, source: TrackStatsSource): Promise<TrackStats | null> {
    this.#statistics ??= import('./track-stats').then(({ TrackStatistics }) => new TrackStatistics());
    const statistics = await this.#statistics;
    const { parts } = this.#ways;
    return participant === this.#roster.self
      ? statistics.sent(parts, source)
      : statistics.received(parts, participant, source);
  }

  /** WebRTC statistics of the connection to a participant, for tests; null: there is none. */
  linkStats(participant: ParticipantId): Promise<RTCStatsReport | null> {
    return this.#ways.stats(participant);
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
    this.#ways.handleWelcome(welcome);
    if (welcome.room !== undefined) {
      this.#roster.reset(welcome.participant, welcome.room, (id) => this.#ways.isAlive(id));
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
    if (isMediaMessage(message)) {
      this.#ways.handleMessage(message);
      return;
    }
    switch (message.type) {
      case 'participant_joined':
      case 'participant_changed':
        this.#roster.put(message.participant);
        this.#sync();
        break;
      case 'participant_left':
        this.#roster.remove(message.participant, message.reason, this.#ways.isAlive(message.participant));
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
    } else {
      this.media.stopScreen();
    }
    this.#events.emit('muted', this.#roster.views.find(({ id }) => id === by) ?? null, source);
  }

  #handleMedia(): void {
    const { publish } = this.#welcome.grants;
    this.#ways.setTracks(localTracks(this.media, publish));
    const published = publishedState(this.media, publish);
    const { microphone, camera, screen } = this.#published;
    if (published.microphone !== microphone || published.camera !== camera || published.screen !== screen) {
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
    this.#memory.keep({ session, resume_secret, participant, participant_proof, links: this.#ways.generations() });
  }

  /** Makes links and snapshot match the roster. */
  #sync(): void {
    this.#reconcile();
    this.#refresh();
  }

  #reconcile(): void {
    this.#ways.reconcile(this.#roster.others, this.#state.status === 'connected');
  }

  #refresh(): void {
    if (this.#isOver()) {
      return;
    }
    if (this.#roster.dropUnlinked((id) => this.#ways.isAlive(id))) {
      this.#reconcile();
    }
    this.#setWays();
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
    const speaking = this.#state.speakers.includes(participant.id);
    if (participant.id !== this.#roster.self) {
      return { ...this.#ways.view(participant.id), speaking };
    }
    // What oneself publishes is known here first; the server's echo would lag behind the button.
    const { stream, screen } = this.media.state;
    return { ...NO_LINK, stream, screen, speaking, media: this.#published };
  }

  /** Which way media takes, and who speaks on it. */
  #setWays(): void {
    const { mode } = this.#ways;
    const speakers = mode === 'sfu' ? this.#ways.speakers : (this.#meter?.speakers ?? []);
    if (mode !== this.#state.topology || speakers.join() !== this.#state.speakers.join()) {
      this.#replace({ topology: mode, speakers });
    }
  }

  async #createMeter(): Promise<void> {
    const { SpeakerMeter } = await import('./speakers');
    if (this.#isOver()) {
      return;
    }
    this.#meter = new SpeakerMeter({
      isWanted: () => this.#ways.mode === 'mesh' && !this.#listeners.isEmpty && document.visibilityState === 'visible',
      own: () => {
        const track = this.#published.microphone ? this.media.state.stream.getAudioTracks()[0] : undefined;
        return { id: this.#roster.self, track: track ?? null };
      },
      others: () => this.#ways.voices(),
      changed: () => this.#refresh(),
    });
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
    this.#meter?.close();
    this.#ways.close();
    this.#connection.leave();
    this.#memory.forget();
  }
}

/** What is sent: what is on, and may be sent. */
export function publishedState(media: LocalMedia, granted: readonly Source[]): MediaState {
  const { microphone, camera, screen } = media.state;
  return {
    microphone: microphone.actual && granted.includes('microphone'),
    camera: camera.actual && granted.includes('camera'),
    screen: screen !== null && granted.includes('screen'),
  };
}

function localTracks(media: LocalMedia, granted: readonly Source[]): LocalTracks {
  const { stream, screen } = media.state;
  const one = (source: Source, tracks: MediaStreamTrack[] | undefined): MediaStreamTrack | undefined =>
    granted.includes(source) ? tracks?.[0] : undefined;
  const microphone = one('microphone', stream.getAudioTracks());
  const camera = one('camera', stream.getVideoTracks());
  const picture = one('screen', screen?.getVideoTracks());
  const sound = one('screen', screen?.getAudioTracks());
  return {
    ...(microphone === undefined ? {} : { microphone }),
    ...(camera === undefined ? {} : { camera }),
    ...(picture === undefined ? {} : { screen: picture }),
    ...(sound === undefined ? {} : { screen_audio: sound }),
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
