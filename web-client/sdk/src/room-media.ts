import type { RoomChannel } from './channel';
import { SwitchedChannel } from './channel-switch';
import { areSameTracks } from './link/local-tracks';
import type { LocalTracks } from './link/local-tracks';
import type { Mesh, MeshHandlers } from './link/mesh';
import { Playout } from './playout';
import type { LinkView, ParticipantId, PathView } from './roster';
import type { RoomMessage, Welcome } from './signal/effects';
import type { Participant, Topology, Track } from './signal/wire';
import { HandOver } from './sfu/hand-over';
import type { LegOptions, SfuLeg, SfuMessage, SfuRequest } from './sfu/leg';
import type { PictureCodec } from './sfu/publication';
import { Tiles } from './tiles';

/** The links of a room. */
export type RoomMesh = Pick<Mesh, keyof Mesh>;

/** The connection to the SFU. */
export type RoomLeg = Pick<SfuLeg, keyof SfuLeg>;

/** What the room's media is driven by; tests give their own. */
export interface MediaDrivers {
  readonly createMesh: (handlers: MeshHandlers) => RoomMesh;
  /** Loads what only rooms with an SFU need. */
  readonly loadLeg: () => Promise<(options: LegOptions) => RoomLeg>;
}

/** What the room's media tells and asks the room. */
export interface MediaHandlers {
  readonly request: (message: SfuRequest) => Promise<unknown>;
  readonly sendDescription: MeshHandlers['sendDescription'];
  readonly sendCandidate: MeshHandlers['sendCandidate'];
  readonly generationChanged: () => void;
  /** The view of somebody may be another. */
  readonly changed: () => void;
}

/** What the server says about media. */
export type MediaMessage = Extract<
  RoomMessage,
  {
    type:
      | `sfu_${string}`
      | 'topology_changed'
      | 'track_published'
      | 'track_ended'
      | 'speakers'
      | 'description'
      | 'candidate';
  }
>;

const MEDIA_TYPES: Record<MediaMessage['type'], true> = {
  sfu_answer: true,
  sfu_refused: true,
  sfu_slots: true,
  sfu_seated: true,
  sfu_closed: true,
  topology_changed: true,
  track_published: true,
  track_ended: true,
  speakers: true,
  description: true,
  candidate: true,
};

/** Whether a message is about media. */
export const isMediaMessage = (message: RoomMessage): message is MediaMessage =>
  Object.hasOwn(MEDIA_TYPES, message.type);

/** After a restart of the server nobody is missing who comes back in this time. */
const RETURN_MS = 10_000;
/** The code of the leg could not be loaded: the server may be away for a moment. */
const RELOAD_MS = 2_000;

/** How media comes and goes: over links or by way of the server, and from one to the other. */
export class RoomMedia {
  /** What the app shows. */
  readonly tiles = new Tiles();
  readonly #channel: SwitchedChannel;
  readonly #handlers: MediaHandlers;
  readonly #loadLeg: MediaDrivers['loadLeg'];
  readonly #codec: PictureCodec;
  readonly #mesh: RoomMesh;
  readonly #handOver = new HandOver('mesh');
  readonly #playouts = new Map<ParticipantId, Playout>();
  /** What can be had from the SFU, by id. */
  readonly #available = new Map<number, Track>();
  /** What comes of it. */
  readonly #received = new Map<number, { readonly track: Track; readonly media: MediaStreamTrack }>();
  #leg: RoomLeg | null = null;
  #isLoading = false;
  #self: ParticipantId = '';
  #mayReceive = true;
  #isSignalingLive = true;
  #epoch = -1;
  #iceServers: RTCIceServer[] = [];
  #tracks: LocalTracks = {};
  #others: readonly Participant[] = [];
  #speakers: readonly ParticipantId[] = [];
  #returnUntilMs = -Infinity;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #handOverTimer: ReturnType<typeof setTimeout> | undefined;
  #isSettling = false;
  #isClosed = false;

  constructor(drivers: MediaDrivers, handlers: MediaHandlers, codec: PictureCodec) {
    this.#handlers = handlers;
    this.#loadLeg = drivers.loadLeg;
    this.#codec = codec;
    this.#mesh = drivers.createMesh({
      sendDescription: handlers.sendDescription,
      sendCandidate: handlers.sendCandidate,
      changed: () => this.#handleChange(),
      generationChanged: handlers.generationChanged,
      track: (from, source, track) => this.#playoutOf(from).setTrack('mesh', source, track),
    });
    this.#channel = new SwitchedChannel(this.#mesh.channel);
  }

  /** The byte channel to the others; always the same object. */
  get channel(): RoomChannel {
    return this.#channel;
  }

  /** The way that media takes. */
  get mode(): Topology['mode'] {
    return this.#handOver.mode;
  }

  /** Who speaks, as the server says; empty in a mesh. */
  get speakers(): readonly ParticipantId[] {
    return this.#speakers;
  }

  /** The last generation of the link with each participant. */
  generations(): Record<ParticipantId, number> {
    return this.#mesh.generations();
  }

  /** The links of this participant before the page was loaded anew. */
  goOnAfter(generations: Readonly<Record<ParticipantId, number>>): void {
    this.#mesh.goOnAfter(generations);
  }

  /** A `welcome`, the first or another. With the room in it, the server tells everything anew. */
  handleWelcome(welcome: Welcome): void {
    this.#self = welcome.participant;
    this.#iceServers = welcome.ice_servers;
    this.#mayReceive = welcome.grants.subscribe;
    this.#mesh.setSelf(welcome.participant, welcome.ice_servers);
    this.#leg?.setIceServers(welcome.ice_servers);
    if (welcome.room === undefined) {
      return;
    }
    this.#available.clear();
    for (const track of welcome.room.tracks ?? []) {
      this.#available.set(track.id, track);
    }
    this.#epoch = -1;
    this.#speakers = [];
    if (this.#leg !== null) {
      if (welcome.resume_failure === 'unknown_session') {
        this.#returnUntilMs = performance.now() + RETURN_MS;
        this.#later(RETURN_MS + 1, this.#handlers.changed);
      }
      // What was said of its sections meanwhile is lost, and perhaps the connection itself.
      this.#leg.handleAvailable();
      this.#leg.restart();
    }
    this.#setTopology(welcome.room.topology);
  }

  /** Something about media. */
  handleMessage(message: MediaMessage): void {
    switch (message.type) {
      case 'description':
        this.#mesh.handleDescription(message.from, message.link, message.description);
        break;
      case 'candidate':
        this.#mesh.handleCandidate(message.from, message.link, message.candidate);
        break;
      case 'topology_changed':
        this.#setTopology(message.topology);
        this.#handleChange();
        break;
      case 'track_published':
        this.#available.set(message.track.id, message.track);
        this.#leg?.handleAvailable();
        break;
      case 'track_ended':
        this.#available.delete(message.track);
        this.#leg?.handleAvailable();
        break;
      case 'speakers':
        this.#speakers = message.participants;
        this.#handlers.changed();
        break;
      default:
        this.#handleLegMessage(message);
    }
  }

  /** Sends other tracks from now on. */
  setTracks(tracks: LocalTracks): void {
    if (!areSameTracks(tracks, this.#tracks)) {
      this.#tracks = tracks;
      this.#mesh.setTracks(tracks);
      this.#leg?.setTracks(tracks);
    }
  }

  /** How somebody's pictures are shown has changed. */
  handleTiles(): void {
    this.#leg?.handleAvailable();
  }

  /** Makes connections match who is there. `isSignalingLive`: whether the own socket is connected. */
  reconcile(others: readonly Participant[], isSignalingLive: boolean): void {
    this.#others = others;
    this.#isSignalingLive = isSignalingLive;
    const present = new Set(others.map(({ id }) => id));
    for (const id of [...this.#playouts.keys()]) {
      if (!present.has(id)) {
        this.#playouts.delete(id);
      }
    }
    for (const { id, media } of others) {
      this.#playoutOf(id).setMedia(media);
    }
    this.tiles.keepOnly(present);
    this.#leg?.keepOnly(present);
    this.#leg?.setReachable(isSignalingLive);
    this.#settle();
    const mute = new Set(others.filter(({ rights }) => rights?.data === false).map(({ id }) => id));
    this.#channel.setPresent(present, mute);
  }

  /** Whether media still flows to a participant, or is about to again, whatever signaling says about them. */
  isAlive(id: ParticipantId): boolean {
    return this.#mesh.isAlive(id) || performance.now() < this.#returnUntilMs;
  }

  /** How a participant looks. */
  view(id: ParticipantId): LinkView {
    const playout = this.#playoutOf(id);
    const speaking = this.#speakers.includes(id);
    return { ...this.#pathTo(id), stream: playout.stream, screen: playout.screen, speaking };
  }

  /** The receivers of the voices that come over links. */
  *voices(): Generator<readonly [ParticipantId, RTCRtpReceiver]> {
    for (const { id, media } of this.#others) {
      const receiver = media.microphone ? this.#mesh.receiverOf(id, 'microphone') : undefined;
      if (receiver !== undefined) {
        yield [id, receiver];
      }
    }
  }

  /** WebRTC statistics of the connection to a participant. */
  async stats(id: ParticipantId): Promise<RTCStatsReport | null> {
    return (await this.#mesh.stats(id)) ?? (await this.#leg?.stats()) ?? null;
  }

  /** What the statistics of a track are made of. */
  get parts(): {
    readonly mesh: RoomMesh;
    readonly leg: RoomLeg | null;
    readonly available: ReadonlyMap<number, Track>;
  } {
    return { mesh: this.#mesh, leg: this.#leg, available: this.#available };
  }

  /** Closes everything. */
  close(): void {
    this.#isClosed = true;
    this.#timers.forEach(clearTimeout);
    clearTimeout(this.#handOverTimer);
    this.#mesh.close();
    this.#closeLeg();
  }

  #setTopology({ mode, epoch }: Topology): void {
    if (epoch > this.#epoch) {
      this.#epoch = epoch;
      this.#handOver.setMode(mode === 'sfu' ? 'sfu' : 'mesh');
      if (mode !== 'sfu') {
        this.#speakers = [];
      }
      for (const playout of this.#playouts.values()) {
        playout.prefer(this.mode);
      }
      this.#settle();
    }
  }

  #handleLegMessage(message: SfuMessage): void {
    this.#leg?.handleMessage(message);
  }

  #handleChange(): void {
    this.#settle();
    this.#handlers.changed();
  }

  /** Opens and closes what the hand-over says. What that leads to may ask for it again. */
  #settle(): void {
    if (this.#isSettling || this.#isClosed) {
      return;
    }
    this.#isSettling = true;
    this.#judge();
    const linked = this.#handOver.hasLinks ? this.#others : [];
    this.#mesh.reconcile(linked, this.#isSignalingLive, this.mode === 'mesh');
    if (!this.#handOver.hasLeg) {
      this.#closeLeg();
    } else if (this.#leg === null && this.mode === 'sfu') {
      void this.#openLeg();
    }
    this.#channel.setStar(this.mode === 'sfu' ? (this.#leg?.star ?? null) : null);
    this.#isSettling = false;
  }

  #judge(): void {
    const nowMs = performance.now();
    const playouts = [...this.#playouts.values()];
    this.#handOver.handleTick(
      {
        isLegConnected: this.#leg?.status === 'connected',
        playsFromLinks: playouts.some((playout) => playout.dependsOn('mesh')),
        areLinksConnected: this.#others.every(({ id }) => this.#mesh.view(id)?.link === 'connected'),
        playsFromLeg: playouts.some((playout) => playout.dependsOn('sfu')),
      },
      nowMs,
    );
    clearTimeout(this.#handOverTimer);
    const dueMs = this.#handOver.nextTickMs();
    if (dueMs !== undefined) {
      this.#handOverTimer = setTimeout(() => this.#handleChange(), Math.max(0, dueMs - nowMs));
    }
  }

  async #openLeg(): Promise<void> {
    if (this.#isLoading) {
      return;
    }
    this.#isLoading = true;
    try {
      const create = await this.#loadLeg();
      this.#isLoading = false;
      if (this.mode === 'sfu' && this.#leg === null && !this.#isClosed) {
        this.#leg = create(this.#legOptions());
        this.#leg.setReachable(this.#isSignalingLive);
        this.#handleChange();
      }
    } catch {
      this.#isLoading = false;
      this.#later(RELOAD_MS, () => this.#settle());
    }
  }

  #legOptions(): LegOptions {
    return {
      iceServers: this.#iceServers,
      codec: this.#codec,
      tracks: this.#tracks,
      available: this.#available,
      tiles: this.tiles,
      self: () => this.#self,
      mayReceive: () => this.#mayReceive,
      handlers: {
        request: this.#handlers.request,
        changed: () => this.#handleChange(),
        received: (track, media) => this.#handleReceived(track, media),
        message: (from, message) => this.#channel.handleStarMessage(from, message),
        missed: (from) => this.#channel.handleStarGap(from),
      },
    };
  }

  #closeLeg(): void {
    const leg = this.#leg;
    this.#leg = null;
    this.#channel.setStar(null);
    leg?.close();
  }

  #handleReceived(id: number, media: MediaStreamTrack | null): void {
    const former = this.#received.get(id);
    if (former !== undefined && former.media !== media) {
      this.#received.delete(id);
      this.#playouts.get(former.track.participant)?.dropTrack('sfu', former.track.source, former.media);
    }
    const track = this.#available.get(id);
    if (media !== null && track !== undefined) {
      this.#received.set(id, { track, media });
      this.#playoutOf(track.participant).setTrack('sfu', track.source, media);
    }
    this.#handleChange();
  }

  #playoutOf(id: ParticipantId): Playout {
    const known = this.#playouts.get(id);
    if (known !== undefined) {
      return known;
    }
    const playout = new Playout(() => this.#handleChange());
    playout.prefer(this.mode);
    this.#playouts.set(id, playout);
    return playout;
  }

  #pathTo(id: ParticipantId): PathView {
    const link = this.#mesh.view(id);
    const leg = this.#leg === null ? null : { link: this.#leg.status, path: this.#leg.path };
    const [wanted, other] = this.mode === 'mesh' ? [link, leg] : [leg, link];
    const usesOther = wanted?.link !== 'connected' && other?.link === 'connected';
    return (usesOther ? other : wanted) ?? { link: 'connecting', path: 'unknown' };
  }

  #later(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs);
    this.#timers.add(timer);
  }
}
