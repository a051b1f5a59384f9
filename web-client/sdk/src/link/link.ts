import { TRACK_SOURCES } from '../playout';
import type { Candidate, Description, ParticipantRights, TrackSource } from '../signal/wire';
import { stateOf } from './connection-state';
import { DataPort } from './data-port';
import type { LocalTracks } from './local-tracks';
import { Negotiator } from './negotiator';
import type { LinkEffect, LinkHealthStatus } from './negotiator';
import { inboundBytes, pathFromStats } from './path';
import type { LinkPath } from './path';
import { PulsePort } from './pulse-port';

/** What a link tells and asks its room. */
export interface LinkHandlers {
  readonly sendDescription: (link: number, description: Description) => void;
  readonly sendCandidate: (link: number, candidate: Candidate | null) => void;
  /** `status` or `path` may have changed. */
  readonly changed: () => void;
  /** Another generation began. */
  readonly created: () => void;
  readonly opened: () => void;
  readonly closed: () => void;
  readonly received: (message: Uint8Array) => void;
  /** What the other side sends of a source comes in this track from now on; null: it does not come any more. */
  readonly track: (source: TrackSource, track: MediaStreamTrack | null) => void;
}

/** What a link starts with. */
export interface LinkOptions {
  readonly selfId: string;
  readonly remoteId: string;
  /** The generation to begin with. */
  readonly firstGeneration: number;
  readonly iceServers: RTCIceServer[];
  readonly tracks: LocalTracks;
  readonly remoteRights: RemoteRights;
  readonly handlers: LinkHandlers;
}

/** What the other side may do. */
export type RemoteRights = Pick<ParticipantRights, 'subscribe' | 'data'>;

interface Generation {
  readonly number: number;
  readonly connection: RTCPeerConnection;
  readonly port: DataPort;
  readonly pulse: PulsePort;
  /** Those on which oneself sends. */
  readonly transceivers: Partial<Record<TrackSource, RTCRtpTransceiver>>;
  /** What each sender was told last: it shows the track only when `replaceTrack` has come through. */
  readonly told: Partial<Record<TrackSource, MediaStreamTrack | null>>;
}

/** Both sides send on the same transceivers; every link has these from the beginning. */
const FIRST_SOURCES = ['microphone', 'camera'] as const;
/**
 * These are added when either side shares its screen, always by the side that made the first offer: if both offered at
 * the same time, one would have to be taken back, after which Chromium no longer shows the camera.
 */
const SCREEN_SOURCES = ['screen', 'screen_audio'] as const;
const KIND = { microphone: 'audio', camera: 'video', screen: 'video', screen_audio: 'audio' } as const;

/** The direct WebRTC connection to one other participant: drives a `Negotiator`. */
export class Link {
  readonly #negotiator: Negotiator;
  readonly #handlers: LinkHandlers;
  #iceServers: RTCIceServer[];
  #tracks: LocalTracks;
  #generation: Generation | null = null;
  #path: LinkPath = 'unknown';
  #remoteRights: RemoteRights;
  #isScreenShared = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: LinkOptions) {
    this.#handlers = options.handlers;
    this.#iceServers = options.iceServers;
    this.#tracks = options.tracks;
    this.#remoteRights = options.remoteRights;
    const { selfId, remoteId, firstGeneration } = options;
    this.#negotiator = new Negotiator(selfId, remoteId, performance.now(), firstGeneration);
    this.#flush();
  }

  /** How the connection stands. */
  get status(): LinkHealthStatus {
    return this.#negotiator.status;
  }

  /** Which way media takes, as of the last `readPath`. */
  get path(): LinkPath {
    return this.#path;
  }

  /** Whether it works, or did until a moment ago and has not ended. */
  get isAlive(): boolean {
    return !this.#isClosed && this.#negotiator.isAlive;
  }

  /** Number of the present generation. */
  get generation(): number {
    return this.#negotiator.link;
  }

  /** A description from the other side. */
  handleDescription(link: number, description: Description): void {
    this.#run((nowMs) => this.#negotiator.handleRemoteDescription(link, description, nowMs));
  }

  /** A candidate from the other side. */
  handleCandidate(link: number, candidate: Candidate | null): void {
    this.#run((nowMs) => this.#negotiator.handleRemoteCandidate(link, candidate, nowMs));
  }

  /** Whether signaling reaches the other side. */
  setReachable(isReachable: boolean): void {
    this.#run((nowMs) => this.#negotiator.setReachable(isReachable, nowMs));
  }

  /** Whether the other side shares its screen. */
  setScreenShared(isShared: boolean): void {
    if (isShared !== this.#isScreenShared) {
      this.#isScreenShared = isShared;
      if (this.#generation !== null) {
        this.#attachTracks(this.#generation);
      }
    }
  }

  /** What the other side may do: who may not subscribe is sent no media, who may not send data is not listened to. */
  setRemoteRights(rights: RemoteRights): void {
    const { subscribe } = this.#remoteRights;
    this.#remoteRights = rights;
    if (rights.subscribe !== subscribe && this.#generation !== null) {
      this.#attachTracks(this.#generation);
    }
  }

  /** New relays or credentials, for the next restart or generation. */
  setIceServers(iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
  }

  /** Sends other tracks from now on; needs no negotiation. */
  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    if (this.#generation !== null) {
      this.#attachTracks(this.#generation);
    }
  }

  /** Sends bytes; false: not open, too large, or too much waits. */
  send(message: Uint8Array): boolean {
    return this.#remoteRights.data && (this.#generation?.port.send(message) ?? false);
  }

  /** Whether bytes pass. */
  get isOpen(): boolean {
    return this.#generation?.port.isOpen ?? false;
  }

  /** The receiver of a source, for what it tells; undefined: nothing came of it yet. */
  receiverOf(source: TrackSource): RTCRtpReceiver | undefined {
    return this.#generation?.transceivers[source]?.receiver;
  }

  /** The sender of a source; undefined: it was not sent yet. */
  senderOf(source: TrackSource): RTCRtpSender | undefined {
    return this.#generation?.transceivers[source]?.sender;
  }

  /** WebRTC statistics of the present connection. */
  async stats(): Promise<RTCStatsReport | null> {
    return (await this.#generation?.connection.getStats()) ?? null;
  }

  /** Looks up which way media takes. */
  async readPath(): Promise<void> {
    const generation = this.#generation;
    const stats = this.status === 'connected' ? await this.stats() : null;
    if (stats === null || this.#isClosed || generation !== this.#generation) {
      return;
    }
    const path = pathFromStats(stats.values());
    if (path !== this.#path) {
      this.#path = path;
      this.#handlers.changed();
    }
  }

  /** Ends the connection; no handler is called afterwards, except `closed` for an open channel. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#closeGeneration();
    for (const source of TRACK_SOURCES) {
      this.#handlers.track(source, null);
    }
  }

  #run(step: (nowMs: number) => void): void {
    if (!this.#isClosed) {
      step(performance.now());
      this.#flush();
    }
  }

  #flush(): void {
    for (let effects = this.#negotiator.takeEffects(); effects.length > 0; effects = this.#negotiator.takeEffects()) {
      for (const effect of effects) {
        this.#perform(effect);
      }
    }
    clearTimeout(this.#timer);
    const dueMs = this.#negotiator.nextTickMs();
    if (dueMs !== undefined && !this.#isClosed) {
      const waitMs = Math.max(0, dueMs - performance.now());
      this.#timer = setTimeout(() => this.#tick(), waitMs);
    }
  }

  #tick(): void {
    this.#runAndTell((nowMs) => this.#negotiator.handleTick(nowMs));
  }

  /** Runs a step that may change how the link looks. */
  #runAndTell(step: (nowMs: number) => void): void {
    const before = [this.status, this.isAlive];
    this.#run(step);
    if (!this.#isClosed && (this.status !== before[0] || this.isAlive !== before[1])) {
      this.#handlers.changed();
    }
  }

  #perform(effect: LinkEffect): void {
    const generation = this.#generation;
    if (effect.kind === 'create') {
      this.#create(effect.link, effect.isOfferer);
    } else if (effect.kind === 'send_description') {
      this.#handlers.sendDescription(effect.link, effect.description);
    } else if (effect.kind === 'send_candidate') {
      this.#handlers.sendCandidate(effect.link, effect.candidate);
    } else if (generation === null || generation.number !== effect.link) {
      return;
    } else if (effect.kind === 'set_local') {
      void this.#setLocal(generation);
    } else if (effect.kind === 'set_remote') {
      void this.#setRemote(generation, effect.description);
    } else if (effect.kind === 'add_candidate') {
      // A candidate that does not fit (of an offer that was rolled back) or cannot be resolved costs nothing.
      generation.connection.addIceCandidate(toRtcCandidate(effect.candidate)).catch(() => undefined);
    } else if (effect.kind === 'repeat_local') {
      this.#repeatLocal(generation);
    } else {
      generation.connection.setConfiguration(this.#configuration());
      generation.connection.restartIce();
    }
  }

  #configuration(): RTCConfiguration {
    return { iceServers: this.#iceServers, bundlePolicy: 'max-bundle' };
  }

  #create(number: number, isOfferer: boolean): void {
    this.#closeGeneration();
    this.#path = 'unknown';
    const connection = new RTCPeerConnection(this.#configuration());
    const { opened, closed, received } = this.#handlers;
    const listen = (message: Uint8Array): void => {
      if (this.#remoteRights.data) {
        received(message);
      }
    };
    const port = new DataPort(connection, 'docs', { opened, closed, received: listen });
    const pulse = new PulsePort(connection, {
      heard: () => this.#runAndTell((nowMs) => this.#negotiator.handleHeard(number, nowMs)),
      beat: () => void this.#readInbound(number, connection),
      ended: () => this.#runAndTell((nowMs) => this.#negotiator.handleEnded(number, nowMs)),
    });
    const generation: Generation = { number, connection, port, pulse, transceivers: {}, told: {} };
    this.#generation = generation;
    this.#handlers.created();
    connection.onnegotiationneeded = () => this.#run(() => this.#negotiator.handleNegotiationNeeded(number));
    connection.onicecandidate = ({ candidate }) => {
      // An empty candidate ends one ICE generation, null ends them all: the latter says enough.
      if (candidate?.candidate !== '') {
        const wire = candidate === null ? null : fromRtc(candidate);
        this.#run(() => this.#negotiator.handleLocalCandidate(number, wire));
      }
    };
    connection.onconnectionstatechange = () => this.#handleConnectionState(generation);
    connection.oniceconnectionstatechange = () => this.#handleConnectionState(generation);
    connection.ontrack = ({ transceiver }) => this.#receive(connection, transceiver);
    if (isOfferer) {
      this.#addTransceivers(generation, FIRST_SOURCES);
      this.#attachTracks(generation);
    }
  }

  #handleConnectionState({ number, connection }: Generation): void {
    const state = stateOf(connection);
    if (state !== null) {
      this.#run((nowMs) => this.#negotiator.handleConnectionState(number, state, nowMs));
      this.#handlers.changed();
      void this.readPath();
    }
  }

  /** Media counts as a sign of life too: a busy page may be late with its pulse. */
  async #readInbound(number: number, connection: RTCPeerConnection): Promise<void> {
    if (connection.connectionState !== 'connected') {
      return;
    }
    try {
      const total = inboundBytes((await connection.getStats()).values());
      this.#runAndTell((nowMs) => this.#negotiator.handleInboundBytes(number, total, nowMs));
    } catch {
      // Closed meanwhile.
    }
  }

  #repeatLocal({ number, connection }: Generation): void {
    const description = connection.localDescription;
    if (description !== null && description.type === 'offer') {
      this.#handlers.sendDescription(number, { type: 'offer', sdp: description.sdp });
    }
  }

  async #setLocal({ number, connection }: Generation): Promise<void> {
    try {
      await connection.setLocalDescription();
      const description = connection.localDescription;
      if (description === null) {
        throw new Error('setLocalDescription() left no description');
      }
      const kind = description.type === 'offer' ? 'offer' : 'answer';
      this.#run(() => this.#negotiator.handleLocalSet(number, { type: kind, sdp: description.sdp }));
    } catch {
      this.#run((nowMs) => this.#negotiator.handleOperationFailed(number, nowMs));
    }
  }

  async #setRemote(generation: Generation, description: Description): Promise<void> {
    try {
      await generation.connection.setRemoteDescription(description);
      if (description.type === 'offer') {
        this.#adoptTransceivers(generation);
      }
      this.#run((nowMs) => this.#negotiator.handleRemoteSet(generation.number, description, nowMs));
    } catch {
      this.#run((nowMs) => this.#negotiator.handleOperationFailed(generation.number, nowMs));
    }
  }

  /** The answering side sends on the transceivers that the offers made, so that each source exists once. */
  #adoptTransceivers(generation: Generation): void {
    for (const source of TRACK_SOURCES) {
      const transceiver = transceiverOf(source, generation.connection);
      if (generation.transceivers[source] === undefined && transceiver !== undefined) {
        generation.transceivers[source] = transceiver;
        transceiver.direction = 'sendrecv';
      }
    }
    this.#attachTracks(generation);
  }

  #attachTracks(generation: Generation): void {
    const { transceivers, told } = generation;
    if (!this.#negotiator.isPolite && (this.#isScreenShared || this.#tracks.screen !== undefined)) {
      this.#addTransceivers(generation, SCREEN_SOURCES);
    }
    for (const source of TRACK_SOURCES) {
      const sender = transceivers[source]?.sender;
      const track = this.#remoteRights.subscribe ? (this.#tracks[source] ?? null) : null;
      if (sender !== undefined && (told[source] ?? null) !== track) {
        told[source] = track;
        // Refused only by a closed connection: the next generation attaches the tracks anew.
        sender.replaceTrack(track).catch(() => undefined);
      }
    }
  }

  #addTransceivers({ connection, transceivers }: Generation, sources: readonly TrackSource[]): void {
    for (const source of sources) {
      transceivers[source] ??= connection.addTransceiver(KIND[source], { direction: 'sendrecv' });
    }
  }

  #receive(connection: RTCPeerConnection, transceiver: RTCRtpTransceiver): void {
    const source = TRACK_SOURCES.find((one) => transceiverOf(one, connection) === transceiver);
    if (source !== undefined) {
      this.#handlers.track(source, transceiver.receiver.track);
      this.#handlers.changed();
    }
  }

  #closeGeneration(): void {
    const generation = this.#generation;
    this.#generation = null;
    if (generation === null) {
      return;
    }
    const { connection } = generation;
    connection.onnegotiationneeded = null;
    connection.onicecandidate = null;
    connection.onconnectionstatechange = null;
    connection.oniceconnectionstatechange = null;
    connection.ontrack = null;
    generation.port.detach();
    generation.pulse.detach();
    connection.close();
  }
}

/** The first section of each kind is that of the microphone and the camera, the second that of a screen. */
function transceiverOf(source: TrackSource, connection: RTCPeerConnection): RTCRtpTransceiver | undefined {
  const ofKind = connection.getTransceivers().filter(({ receiver }) => receiver.track.kind === KIND[source]);
  return ofKind[source === 'microphone' || source === 'camera' ? 0 : 1];
}

function fromRtc(candidate: RTCIceCandidate): Candidate {
  return {
    candidate: candidate.candidate,
    ...(candidate.sdpMid === null ? {} : { sdp_mid: candidate.sdpMid }),
    ...(candidate.sdpMLineIndex === null ? {} : { sdp_m_line_index: candidate.sdpMLineIndex }),
    ...(candidate.usernameFragment === null ? {} : { username_fragment: candidate.usernameFragment }),
  };
}

function toRtcCandidate(candidate: Candidate): RTCIceCandidateInit {
  return {
    candidate: candidate.candidate,
    sdpMid: candidate.sdp_mid ?? null,
    sdpMLineIndex: candidate.sdp_m_line_index ?? null,
    usernameFragment: candidate.username_fragment ?? null,
  };
}
