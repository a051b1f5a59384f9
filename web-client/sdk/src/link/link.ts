import type { Candidate, Description, MediaState, ParticipantRights } from '../signal/wire';
import { DataPort } from './data-port';
import type { ConnectionState } from './health';
import { Negotiator } from './negotiator';
import type { LinkEffect, LinkHealthStatus } from './negotiator';
import { inboundBytes, pathFromStats } from './path';
import type { LinkPath } from './path';
import { PulsePort } from './pulse-port';

/** The tracks that go to every other participant; null: nothing at the moment. */
export interface LocalTracks {
  readonly audio: MediaStreamTrack | null;
  readonly video: MediaStreamTrack | null;
}

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
  readonly transceivers: { audio: RTCRtpTransceiver | null; video: RTCRtpTransceiver | null };
  /** What each sender was told last: it shows the track only when `replaceTrack` has come through. */
  readonly told: { audio: MediaStreamTrack | null; video: MediaStreamTrack | null };
}

const KINDS = ['audio', 'video'] as const;

/** The direct WebRTC connection to one other participant: drives a `Negotiator`. */
export class Link {
  /** What the other participant sends; the same object over all generations. */
  readonly stream = new MediaStream();
  readonly #negotiator: Negotiator;
  readonly #handlers: LinkHandlers;
  #iceServers: RTCIceServer[];
  #tracks: LocalTracks;
  #generation: Generation | null = null;
  #path: LinkPath = 'unknown';
  #remoteMedia: MediaState = { microphone: false, camera: false, screen: false };
  #remoteRights: RemoteRights;
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

  /** What the other side says that it publishes: nothing else is played, whatever it sends. */
  setRemoteMedia(media: MediaState): void {
    this.#remoteMedia = media;
    for (const track of this.stream.getTracks()) {
      this.#admit(track);
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
    for (const track of this.stream.getTracks()) {
      this.stream.removeTrack(track);
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
    const [transceivers, told] = [
      { audio: null, video: null },
      { audio: null, video: null },
    ];
    const generation: Generation = { number, connection, port, pulse, transceivers, told };
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
    connection.ontrack = ({ track }) => this.#receive(track);
    if (isOfferer) {
      for (const kind of KINDS) {
        generation.transceivers[kind] = connection.addTransceiver(kind, { direction: 'sendrecv' });
      }
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

  /** The answering side sends on the transceivers that the offer made, so that each kind exists once. */
  #adoptTransceivers(generation: Generation): void {
    for (const transceiver of generation.connection.getTransceivers()) {
      const kind = transceiver.receiver.track.kind === 'audio' ? 'audio' : 'video';
      if (generation.transceivers[kind] === null) {
        generation.transceivers[kind] = transceiver;
        transceiver.direction = 'sendrecv';
      }
    }
    this.#attachTracks(generation);
  }

  #attachTracks(generation: Generation): void {
    for (const kind of KINDS) {
      const sender = generation.transceivers[kind]?.sender;
      const track = this.#remoteRights.subscribe ? this.#tracks[kind] : null;
      if (sender !== undefined && generation.told[kind] !== track) {
        generation.told[kind] = track;
        // Refused only by a closed connection: the next generation attaches the tracks anew.
        sender.replaceTrack(track).catch(() => undefined);
      }
    }
  }

  #receive(track: MediaStreamTrack): void {
    for (const old of this.stream.getTracks()) {
      if (old.kind === track.kind && old !== track) {
        this.stream.removeTrack(old);
      }
    }
    this.#admit(track);
    this.stream.addTrack(track);
    this.#handlers.changed();
  }

  #admit(track: MediaStreamTrack): void {
    const { microphone, camera, screen } = this.#remoteMedia;
    track.enabled = track.kind === 'audio' ? microphone : camera || screen;
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

/** The state of ICE may be ahead of the whole, and is `checking` for a while after a restart. Null: closed. */
function stateOf({ connectionState, iceConnectionState }: RTCPeerConnection): ConnectionState | null {
  if (connectionState === 'closed' || iceConnectionState === 'closed') {
    return null;
  }
  if (connectionState !== 'connected') {
    return connectionState;
  }
  if (iceConnectionState === 'disconnected' || iceConnectionState === 'failed') {
    return iceConnectionState;
  }
  return iceConnectionState === 'checking' || iceConnectionState === 'new' ? 'connecting' : 'connected';
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
