import { MeshChannel } from '../channel';
import type { ParticipantId, PathView } from '../roster';
import type { Candidate, Description, Participant, TrackSource } from '../signal/wire';
import { Link } from './link';
import type { RemoteRights } from './link';
import type { LinkPath } from './path';
import { areSameTracks } from './local-tracks';
import type { LocalTracks } from './local-tracks';

/** What the mesh tells and asks the room. */
export interface MeshHandlers {
  readonly sendDescription: (to: ParticipantId, link: number, description: Description) => void;
  readonly sendCandidate: (to: ParticipantId, link: number, candidate: Candidate | null) => void;
  /** The view of some link may have changed. */
  readonly changed: () => void;
  /** `generations` gives something else than before. */
  readonly generationChanged: () => void;
  /** What a participant sends of a source comes in this track from now on; null: it does not come any more. */
  readonly track: (from: ParticipantId, source: TrackSource, track: MediaStreamTrack | null) => void;
}

const PATH_PERIOD_MS = 3_000;
const EVERYTHING = { subscribe: true, data: true };

/** The links to all other participants of a room. */
export class Mesh {
  /** Messages between documents. */
  readonly channel: MeshChannel;
  readonly #handlers: MeshHandlers;
  readonly #links = new Map<ParticipantId, Link>();
  /**
   * The last generation with each participant that is gone. Who was given up as lost may resume and still has its end
   * of the old link: a greater number tells it to begin anew as well.
   */
  readonly #generations = new Map<ParticipantId, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  #self = '';
  #iceServers: RTCIceServer[] = [];
  #tracks: LocalTracks = {};

  constructor(handlers: MeshHandlers) {
    this.#handlers = handlers;
    this.channel = new MeshChannel((to, bytes) => this.#links.get(to)?.send(bytes) ?? false);
    this.#timer = setInterval(() => this.#readPaths(), PATH_PERIOD_MS);
  }

  /** A new `welcome`: under a new own id no link is worth anything, since the others drop theirs as well. */
  setSelf(self: ParticipantId, iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
    for (const [id, link] of this.#links) {
      if (self === this.#self) {
        link.setIceServers(iceServers);
      } else {
        this.#close(id, link);
      }
    }
    if (self !== this.#self) {
      this.#generations.clear();
    }
    this.#self = self;
  }

  /** The links of this participant before the page was loaded anew: the others have their ends still. */
  goOnAfter(generations: Readonly<Record<ParticipantId, number>>): void {
    for (const [id, generation] of Object.entries(generations)) {
      this.#generations.set(id, generation);
    }
  }

  /** The last generation with each participant, also with those who are gone. */
  generations(): Record<ParticipantId, number> {
    const present = [...this.#links].map(([id, link]): [string, number] => [id, link.generation]);
    return Object.fromEntries([...this.#generations, ...present]);
  }

  /** Whether the link to a participant still works, whatever signaling says about them. */
  isAlive(id: ParticipantId): boolean {
    return this.#links.get(id)?.isAlive ?? false;
  }

  /**
   * Makes the links match who is there. `isSignalingLive`: whether the own socket is connected; `mayOpen`: whether links
   * are made to those who have none.
   */
  reconcile(others: readonly Participant[], isSignalingLive: boolean, mayOpen: boolean): void {
    const present = new Set(others.map(({ id }) => id));
    for (const [id, link] of this.#links) {
      if (!present.has(id)) {
        this.#close(id, link);
      }
    }
    for (const { id, connected, media, rights } of others) {
      const link = this.#links.get(id) ?? (mayOpen ? this.#open(id, rights ?? EVERYTHING) : undefined);
      link?.setRemoteRights(rights ?? EVERYTHING);
      link?.setScreenShared(media.screen);
      link?.setReachable(isSignalingLive && connected);
    }
  }

  /** A description from another participant. */
  handleDescription(from: ParticipantId, link: number, description: Description): void {
    this.#links.get(from)?.handleDescription(link, description);
  }

  /** A candidate from another participant. */
  handleCandidate(from: ParticipantId, link: number, candidate: Candidate | null): void {
    this.#links.get(from)?.handleCandidate(link, candidate);
  }

  /** Sends other tracks to everybody from now on. */
  setTracks(tracks: LocalTracks): void {
    if (areSameTracks(tracks, this.#tracks)) {
      return;
    }
    this.#tracks = tracks;
    for (const link of this.#links.values()) {
      link.setTracks(tracks);
    }
  }

  /** How the link to a participant looks; null: there is none. */
  view(id: ParticipantId): PathView | null {
    const link = this.#links.get(id);
    return link === undefined ? null : { link: link.status, path: link.path };
  }

  /** Whether every link works. */
  get areConnected(): boolean {
    return [...this.#links.values()].every(({ status }) => status === 'connected');
  }

  /** WebRTC statistics of one link. */
  async stats(id: ParticipantId): Promise<RTCStatsReport | null> {
    return (await this.#links.get(id)?.stats()) ?? null;
  }

  /** What tells how a source of a participant is received; undefined: it is not. */
  receiverOf(id: ParticipantId, source: TrackSource): RTCRtpReceiver | undefined {
    return this.#links.get(id)?.receiverOf(source);
  }

  /** What tells how a source is sent, taken from the first link; undefined: it is not. */
  senderOf(source: TrackSource): { readonly sender: RTCRtpSender; readonly path: LinkPath } | undefined {
    for (const link of this.#links.values()) {
      const sender = link.senderOf(source);
      if (sender !== undefined) {
        return { sender, path: link.path };
      }
    }
    return undefined;
  }

  /** Closes every link. */
  close(): void {
    clearInterval(this.#timer);
    for (const [id, link] of this.#links) {
      this.#close(id, link);
    }
  }

  #open(id: ParticipantId, remoteRights: RemoteRights): Link {
    const link: Link = new Link({
      selfId: this.#self,
      remoteId: id,
      firstGeneration: (this.#generations.get(id) ?? 0) + 1,
      iceServers: this.#iceServers,
      tracks: this.#tracks,
      remoteRights,
      handlers: {
        sendDescription: (number, description) => this.#handlers.sendDescription(id, number, description),
        sendCandidate: (number, candidate) => this.#handlers.sendCandidate(id, number, candidate),
        changed: this.#handlers.changed,
        created: this.#handlers.generationChanged,
        opened: () => this.channel.handleOpened(id),
        closed: () => this.channel.handleClosed(id),
        received: (message) => this.channel.handleMessage(id, message),
        track: (source, track) => this.#handlers.track(id, source, track),
      },
    });
    this.#links.set(id, link);
    this.#handlers.generationChanged();
    return link;
  }

  #close(id: ParticipantId, link: Link): void {
    this.#links.delete(id);
    this.#generations.set(id, link.generation);
    link.close();
  }

  /** Statistics cost something, and nobody looks at a hidden page. */
  #readPaths(): void {
    if (document.visibilityState === 'visible') {
      for (const link of this.#links.values()) {
        void link.readPath();
      }
    }
  }
}
