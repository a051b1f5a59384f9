import { stateOf } from '../link/connection-state';
import type { LocalTracks } from '../link/local-tracks';
import type { LinkHealthStatus } from '../link/negotiator';
import { activity, pathFromStats } from '../link/path';
import type { LinkPath } from '../link/path';
import type { ParticipantId } from '../roster';
import type { RoomMessage } from '../signal/effects';
import type { RequestMessage } from '../signal/requests';
import type { Announcement, Track } from '../signal/wire';
import type { TrackStatsSource } from '../stats';
import type { Tiles } from '../tiles';
import { SfuNegotiation } from './negotiation';
import type { SfuEffect } from './negotiation';
import { trimOffer } from './offer-sdp';
import { Publication } from './publication';
import type { PictureCodec } from './publication';
import { Seats, SlotDemand } from './seats';
import type { Slots } from './seats';
import { Star } from './star';
import { Wishes } from './wishes';
import type { Shown } from './wishes';

/** What a leg says to the server. */
export type SfuRequest = Extract<RequestMessage, { type: 'sfu_offer' | 'sfu_wish' | 'sfu_close' }>;

/** What the server says to a leg. */
export type SfuMessage = Extract<
  RoomMessage,
  { type: 'sfu_answer' | 'sfu_refused' | 'sfu_slots' | 'sfu_seated' | 'sfu_closed' }
>;

/** What a leg tells and asks its room. */
export interface LegHandlers {
  /** Rejects if the server refuses. */
  readonly request: (message: SfuRequest) => Promise<unknown>;
  /** `status`, `path` or `star` may have changed. */
  readonly changed: () => void;
  /** What comes of a track of another; null: nothing any more. */
  readonly received: (track: number, media: MediaStreamTrack | null) => void;
  readonly message: (from: ParticipantId, message: Uint8Array) => void;
  /** Messages of this participant were lost. */
  readonly missed: (from: ParticipantId) => void;
}

/** What a leg starts with. */
export interface LegOptions {
  readonly iceServers: RTCIceServer[];
  readonly codec: PictureCodec;
  readonly tracks: LocalTracks;
  /** What can be had, by id; the room changes it. */
  readonly available: ReadonlyMap<number, Track>;
  readonly tiles: Tiles;
  /** Gives the own id. */
  readonly self: () => ParticipantId;
  /** Whether oneself may receive at all. */
  readonly mayReceive: () => boolean;
  readonly handlers: LegHandlers;
}

interface Connection {
  readonly number: number;
  readonly rtc: RTCPeerConnection;
  readonly publication: Publication;
  readonly demand: SlotDemand;
  readonly star: Star;
  offer: { readonly sdp: string; readonly tracks: Announcement[] };
}

const LISTEN_MS = 1_000;

/** Sections for voices and for pictures in one description: with more it would not fit into a frame of signaling. */
const MOST_VOICES = 100;
const MOST_PICTURES = 80;

/** The connection to the server's SFU, over any number of `RTCPeerConnection`s. */
export class SfuLeg {
  readonly #options: LegOptions;
  readonly #handlers: LegHandlers;
  readonly #negotiation: SfuNegotiation;
  readonly #seats = new Seats();
  readonly #wishes = new Wishes();
  readonly #listening: ReturnType<typeof setInterval>;
  #iceServers: RTCIceServer[];
  #tracks: LocalTracks;
  #connection: Connection | null = null;
  #path: LinkPath = 'unknown';
  #activity = 0;
  /** Wishes may be sent once the server has seen the first offer. */
  #isIntroduced = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: LegOptions) {
    this.#options = options;
    this.#handlers = options.handlers;
    this.#iceServers = options.iceServers;
    this.#tracks = options.tracks;
    this.#plan();
    this.#negotiation = new SfuNegotiation(Math.random, performance.now());
    this.#listening = setInterval(() => void this.#listen(), LISTEN_MS);
    this.#flush();
  }

  /** How the connection stands. */
  get status(): LinkHealthStatus {
    return this.#negotiation.status;
  }

  /** Which way media takes. */
  get path(): LinkPath {
    return this.status === 'connected' ? this.#path : 'unknown';
  }

  /** The data channel of the present connection. */
  get star(): Star | null {
    return this.#connection?.star ?? null;
  }

  /** Something that the server says about the connection. */
  handleMessage(message: SfuMessage): void {
    const { connection } = message;
    if (connection !== this.#negotiation.connection) {
      return;
    }
    switch (message.type) {
      case 'sfu_answer':
        this.#run(() => this.#negotiation.handleAnswer(connection, message.offer_id, message.sdp));
        break;
      case 'sfu_refused':
        this.#run((nowMs) => this.#negotiation.handleRefused(connection, message.offer_id, nowMs));
        break;
      case 'sfu_slots':
        if (this.#connection?.demand.ask(message) === true) {
          this.#run((nowMs) => this.#negotiation.need(nowMs));
        }
        break;
      case 'sfu_seated':
        this.#seat(message.track, message.mid);
        break;
      case 'sfu_closed':
        this.#run((nowMs) => this.#negotiation.handleClosed(connection, nowMs));
    }
  }

  /** Whether signaling works. */
  setReachable(isReachable: boolean): void {
    this.#run((nowMs) => this.#negotiation.setReachable(isReachable, nowMs));
  }

  /** The server knows nothing of the connection any more. */
  restart(): void {
    this.#run((nowMs) => this.#negotiation.restart(nowMs));
  }

  /** New relays or credentials, for the next restart or connection. */
  setIceServers(iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
  }

  /** Sends other tracks from now on. */
  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    if (this.#connection?.publication.setTracks(tracks) === true) {
      this.#run((nowMs) => this.#negotiation.need(nowMs));
    }
  }

  /** What can be had, or how it is shown, has changed. */
  handleAvailable(): void {
    for (const track of this.#wishes.said.keys()) {
      if (!this.#options.available.has(track)) {
        this.#wishes.forget(track);
        this.#unseat(track);
      }
    }
    this.#run((nowMs) => {
      this.#plan();
      if (this.#connection?.demand.require(this.#countWanted()) === true) {
        this.#negotiation.need(nowMs);
      }
    });
  }

  /** Who is not there any more has nothing under way. */
  keepOnly(present: ReadonlySet<ParticipantId>): void {
    this.#connection?.star.keepOnly(present);
  }

  /** Statistics of what is sent of a source; null: nothing is. */
  async sent(source: TrackStatsSource): Promise<RTCStatsReport | null> {
    return (await this.#connection?.publication.senderOf(source)?.getStats()) ?? null;
  }

  /** Statistics of what comes of a track; null: nothing does. */
  async received(track: number): Promise<RTCStatsReport | null> {
    return (await this.#receiverOf(this.#seats.midOf(track))?.getStats()) ?? null;
  }

  /** The size that was asked for; undefined: the best. */
  wishedLayer(track: number): number | undefined {
    return this.#wishes.said.get(track)?.layer;
  }

  /** Statistics of the whole connection. */
  async stats(): Promise<RTCStatsReport | null> {
    return (await this.#connection?.rtc.getStats()) ?? null;
  }

  /** Ends it and tells the server. No handler is called afterwards, except `received` for what came. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    const connection = this.#isIntroduced ? this.#negotiation.connection : null;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#listening);
    this.#drop();
    if (connection !== null) {
      this.#handlers.request({ type: 'sfu_close', connection }).catch(() => undefined);
    }
  }

  #run(step: (nowMs: number) => void): void {
    if (!this.#isClosed) {
      const before = this.status;
      step(performance.now());
      this.#flush();
      if (this.status !== before) {
        this.#handlers.changed();
      }
    }
  }

  #flush(): void {
    for (let effects = this.#negotiation.takeEffects(); effects.length > 0; effects = this.#negotiation.takeEffects()) {
      for (const effect of effects) {
        this.#perform(effect);
      }
    }
    this.#sayWishes();
    clearTimeout(this.#timer);
    const wishesDueMs = this.#isIntroduced ? this.#wishes.nextTickMs() : undefined;
    const dueMs = Math.min(this.#negotiation.nextTickMs() ?? Infinity, wishesDueMs ?? Infinity);
    if (dueMs !== Infinity && !this.#isClosed) {
      const waitMs = Math.max(0, dueMs - performance.now());
      this.#timer = setTimeout(() => this.#run((nowMs) => this.#negotiation.handleTick(nowMs)), waitMs);
    }
  }

  #perform(effect: SfuEffect): void {
    if (effect.kind === 'create') {
      this.#create(effect.connection);
      return;
    }
    const connection = this.#connection;
    if (connection === null || connection.number !== effect.connection) {
      return;
    }
    switch (effect.kind) {
      case 'drop':
        this.#drop();
        break;
      case 'make_offer':
        void this.#makeOffer(connection, effect.restartsIce);
        break;
      case 'send_offer':
        this.#sendOffer(connection, effect.offerId);
        break;
      case 'set_answer':
        // What the server says after its answer counts with what the answer gives.
        connection.demand.handleAnswered();
        void this.#attempt(connection, async () => {
          await connection.rtc.setRemoteDescription({ type: 'answer', sdp: effect.sdp });
          this.#run((nowMs) => this.#negotiation.handleAnswerSet(connection.number, nowMs));
        });
        break;
      case 'roll_back':
        void this.#attempt(connection, async () => {
          await connection.rtc.setLocalDescription({ type: 'rollback' });
          this.#run((nowMs) => this.#negotiation.handleRolledBack(connection.number, nowMs));
        });
    }
  }

  #create(number: number): void {
    this.#drop();
    const rtc = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: 'max-bundle' });
    const { self } = this.#options;
    const star = new Star(rtc, self, {
      opened: this.#handlers.changed,
      closed: this.#handlers.changed,
      received: this.#handlers.message,
      missed: this.#handlers.missed,
    });
    const publication = new Publication(rtc, this.#options.codec);
    const offer = { sdp: '', tracks: [] };
    const connection: Connection = { number, rtc, publication, demand: new SlotDemand(), star, offer };
    publication.setTracks(this.#tracks);
    connection.demand.require(this.#countWanted());
    rtc.onconnectionstatechange = () => this.#handleState(connection);
    rtc.oniceconnectionstatechange = () => this.#handleState(connection);
    this.#connection = connection;
  }

  /** The sections that what is wished for takes. */
  #countWanted(): Slots {
    const sources = [...this.#wishes.wanted].map((track) => this.#options.available.get(track)?.source);
    const video = sources.filter((source) => source === 'camera' || source === 'screen').length;
    return { audio: Math.min(sources.length - video, MOST_VOICES), video: Math.min(video, MOST_PICTURES) };
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#isIntroduced = false;
    this.#activity = 0;
    this.#wishes.reset(performance.now());
    for (const track of this.#seats.clear()) {
      this.#handlers.received(track, null);
    }
    if (connection !== null) {
      connection.rtc.onconnectionstatechange = null;
      connection.rtc.oniceconnectionstatechange = null;
      connection.star.detach();
      connection.rtc.close();
    }
  }

  #makeOffer(connection: Connection, restartsIce: boolean): Promise<void> {
    return this.#attempt(connection, async () => {
      const { rtc, publication, demand } = connection;
      publication.prepare();
      const { audio, video } = demand.take();
      for (let count = 0; count < audio; count += 1) {
        rtc.addTransceiver('audio', { direction: 'recvonly' });
      }
      for (let count = 0; count < video; count += 1) {
        rtc.addTransceiver('video', { direction: 'recvonly' });
      }
      if (restartsIce) {
        rtc.setConfiguration({ iceServers: this.#iceServers, bundlePolicy: 'max-bundle' });
        rtc.restartIce();
      }
      await rtc.setLocalDescription();
      const sdp = trimOffer(rtc.localDescription?.sdp ?? '');
      connection.offer = { sdp, tracks: publication.announcements() };
      this.#run((nowMs) => this.#negotiation.handleLocalSet(connection.number, nowMs));
    });
  }

  #sendOffer({ number, offer }: Connection, offerId: number): void {
    const request = { type: 'sfu_offer', connection: number, offer_id: offerId, ...offer } as const;
    this.#handlers.request(request).catch(() => {
      this.#run((nowMs) => this.#negotiation.handleRefused(number, offerId, nowMs));
    });
    this.#isIntroduced = true;
  }

  async #attempt(connection: Connection, operation: () => Promise<void>): Promise<void> {
    try {
      await operation();
    } catch {
      this.#run((nowMs) => this.#negotiation.handleOperationFailed(connection.number, nowMs));
    }
  }

  #handleState({ number, rtc }: Connection): void {
    const state = stateOf(rtc);
    if (state !== null) {
      this.#run((nowMs) => this.#negotiation.handleState(number, state, nowMs));
      void this.#listen();
    }
  }

  #plan(): void {
    const tracks = this.#options.mayReceive() ? this.#options.available.values() : [];
    this.#wishes.plan(tracks, (track) => this.#shown(track), performance.now());
  }

  #shown({ participant, source }: Track): Shown {
    const picture = source === 'screen' ? 'screen' : 'camera';
    const { tiles } = this.#options;
    return { tile: tiles.tileOf(participant, picture), quality: tiles.qualityOf(participant, picture) };
  }

  #sayWishes(): void {
    const connection = this.#negotiation.connection;
    if (connection === null || !this.#isIntroduced) {
      return;
    }
    const wishes = this.#wishes.take(performance.now());
    if (wishes.length > 0) {
      for (const { track, wish } of wishes) {
        if (wish === null) {
          this.#unseat(track);
        }
      }
      this.#handlers.request({ type: 'sfu_wish', connection, wishes }).catch(() => undefined);
    }
  }

  #seat(track: number, mid: string): void {
    // What was taken back meanwhile leaves its section again at once.
    const media = this.#wishes.said.has(track) ? this.#receiverOf(mid)?.track : undefined;
    if (media === undefined) {
      return;
    }
    const former = this.#seats.seat(track, mid);
    if (former !== null) {
      this.#handlers.received(former, null);
    }
    this.#handlers.received(track, media);
  }

  #unseat(track: number): void {
    if (this.#seats.leave(track)) {
      this.#handlers.received(track, null);
    }
  }

  #receiverOf(mid: string | undefined): RTCRtpReceiver | undefined {
    const transceivers = mid === undefined ? [] : (this.#connection?.rtc.getTransceivers() ?? []);
    return transceivers.find((transceiver) => transceiver.mid === mid)?.receiver;
  }

  /**
   * Notices a dead path before the browser does: something must have come in the last second if somebody is to be heard,
   * or if oneself sends a picture, which the server acknowledges all the time.
   */
  async #listen(): Promise<void> {
    const connection = this.#connection;
    if (connection === null || connection.rtc.connectionState !== 'connected') {
      return;
    }
    try {
      const stats = [...(await connection.rtc.getStats()).values()] as object[];
      if (connection !== this.#connection || this.#isClosed) {
        return;
      }
      const before = this.#activity;
      this.#activity = activity(stats);
      this.#readPath(stats);
      if (this.#activity > before || !this.#expectsMedia(connection)) {
        this.#run((nowMs) => this.#negotiation.handleHeard(connection.number, nowMs));
      }
    } catch {
      // Closed meanwhile.
    }
  }

  #expectsMedia({ rtc, publication }: Connection): boolean {
    const isHeard = ({ kind, enabled, muted }: MediaStreamTrack): boolean => kind === 'audio' && enabled && !muted;
    return publication.sendsPicture || rtc.getReceivers().some(({ track }) => isHeard(track));
  }

  #readPath(stats: object[]): void {
    const direct = pathFromStats(stats);
    const path = direct === 'direct' ? 'server' : direct === 'relayed' ? 'server-relayed' : direct;
    if (path !== this.#path) {
      this.#path = path;
      this.#handlers.changed();
    }
  }
}
