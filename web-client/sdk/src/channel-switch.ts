import type { RoomChannel } from './channel';
import { Emitter } from './events';
import type { ParticipantId } from './roster';

interface ChannelEvents {
  open: (peer: ParticipantId) => void;
  close: (peer: ParticipantId) => void;
  message: (peer: ParticipantId, bytes: Uint8Array) => void;
}

/** The data channel to the server, as far as the switch needs it. */
export interface StarPort {
  readonly isOpen: boolean;
  send(to: ParticipantId, message: Uint8Array): boolean;
}

/** In larger rooms edits between documents take the way through the server's replica: what each says to each grows fast. */
const MOST_STAR_PEERS = 8;

/**
 * The room's channel, over links or over the star. Whoever changes from one to the other is closed and opened again:
 * what was under way on the old path may be lost, and documents then compare what they have.
 */
export class SwitchedChannel implements RoomChannel {
  readonly #links: RoomChannel;
  readonly #events = new Emitter<ChannelEvents>();
  readonly #routes = new Map<ParticipantId, 'link' | 'star'>();
  #star: StarPort | null = null;
  #present: ReadonlySet<ParticipantId> = new Set();
  #mute: ReadonlySet<ParticipantId> = new Set();

  constructor(links: RoomChannel) {
    this.#links = links;
    links.on('open', () => this.#update());
    links.on('close', () => this.#update());
    links.on('message', (peer, bytes) => {
      if (this.#routes.has(peer)) {
        this.#events.emit('message', peer, bytes);
      }
    });
  }

  get peers(): ReadonlySet<ParticipantId> {
    return new Set(this.#routes.keys());
  }

  send(to: ParticipantId, bytes: Uint8Array): boolean {
    const route = this.#routes.get(to);
    if (route === 'star') {
      return this.#star?.send(to, bytes) ?? false;
    }
    return route === 'link' && this.#links.send(to, bytes);
  }

  broadcast(bytes: Uint8Array): void {
    for (const peer of this.#routes.keys()) {
      this.send(peer, bytes);
    }
  }

  on(event: 'open' | 'close', handler: (peer: ParticipantId) => void): () => void;
  on(event: 'message', handler: (peer: ParticipantId, bytes: Uint8Array) => void): () => void;
  on<K extends keyof ChannelEvents>(event: K, handler: ChannelEvents[K]): () => void {
    return this.#events.on(event, handler);
  }

  /** The star to use where it is open; null: links only. */
  setStar(star: StarPort | null): void {
    this.#star = star;
    this.#update();
  }

  /** Who is there, and who of them may not send data: the star tells neither. */
  setPresent(present: ReadonlySet<ParticipantId>, mute: ReadonlySet<ParticipantId>): void {
    this.#present = present;
    this.#mute = mute;
    this.#update();
  }

  /** A message came over the star. */
  handleStarMessage(peer: ParticipantId, bytes: Uint8Array): void {
    if (this.#routes.has(peer) && !this.#mute.has(peer)) {
      this.#events.emit('message', peer, bytes);
    }
  }

  /** Messages of this participant were lost on the star. */
  handleStarGap(peer: ParticipantId): void {
    if (this.#routes.get(peer) === 'star') {
      this.#events.emit('close', peer);
      this.#events.emit('open', peer);
    }
  }

  #update(): void {
    const isStar = this.#star !== null && this.#star.isOpen && this.#present.size <= MOST_STAR_PEERS;
    const linked = this.#links.peers;
    for (const peer of new Set([...this.#routes.keys(), ...linked, ...this.#present])) {
      const isOnStar = isStar && this.#present.has(peer);
      const route = isOnStar ? 'star' : linked.has(peer) ? 'link' : undefined;
      this.#setRoute(peer, route);
    }
  }

  #setRoute(peer: ParticipantId, route: 'link' | 'star' | undefined): void {
    const former = this.#routes.get(peer);
    if (route === former) {
      return;
    }
    if (former !== undefined) {
      this.#routes.delete(peer);
      this.#events.emit('close', peer);
    }
    if (route !== undefined) {
      this.#routes.set(peer, route);
      this.#events.emit('open', peer);
    }
  }
}
