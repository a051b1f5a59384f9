import { Emitter } from './events';
import type { ParticipantId } from './roster';

/** Reliable, ordered messages of any size up to 16 MiB to every linked participant. */
export interface RoomChannel {
  /** With whom it is open right now. */
  readonly peers: ReadonlySet<ParticipantId>;
  /** Sends to one; false: not open, larger than 16 MiB, or its bounded queue (32 MiB) is full. */
  send(to: ParticipantId, bytes: Uint8Array): boolean;
  /** Sends to everybody with whom it is open; whoever's queue is full misses it. */
  broadcast(bytes: Uint8Array): void;
  /** Calls `handler` until the returned function is called. */
  on(event: 'open' | 'close', handler: (peer: ParticipantId) => void): () => void;
  on(event: 'message', handler: (peer: ParticipantId, bytes: Uint8Array) => void): () => void;
}

interface ChannelEvents {
  open: (peer: ParticipantId) => void;
  close: (peer: ParticipantId) => void;
  message: (peer: ParticipantId, bytes: Uint8Array) => void;
}

/** The channel over the data ports of all links. */
export class MeshChannel implements RoomChannel {
  readonly #peers = new Set<ParticipantId>();
  readonly #events = new Emitter<ChannelEvents>();
  readonly #send: (to: ParticipantId, bytes: Uint8Array) => boolean;

  constructor(send: (to: ParticipantId, bytes: Uint8Array) => boolean) {
    this.#send = send;
  }

  get peers(): ReadonlySet<ParticipantId> {
    return this.#peers;
  }

  send(to: ParticipantId, bytes: Uint8Array): boolean {
    return this.#peers.has(to) && this.#send(to, bytes);
  }

  broadcast(bytes: Uint8Array): void {
    for (const peer of this.#peers) {
      this.#send(peer, bytes);
    }
  }

  on(event: 'open' | 'close', handler: (peer: ParticipantId) => void): () => void;
  on(event: 'message', handler: (peer: ParticipantId, bytes: Uint8Array) => void): () => void;
  on<K extends keyof ChannelEvents>(event: K, handler: ChannelEvents[K]): () => void {
    return this.#events.on(event, handler);
  }

  /** The data port of a participant opened. */
  handleOpened(peer: ParticipantId): void {
    this.#peers.add(peer);
    this.#events.emit('open', peer);
  }

  /** The data port of a participant closed; it may open again. */
  handleClosed(peer: ParticipantId): void {
    if (this.#peers.delete(peer)) {
      this.#events.emit('close', peer);
    }
  }

  /** A message came in. */
  handleMessage(peer: ParticipantId, bytes: Uint8Array): void {
    this.#events.emit('message', peer, bytes);
  }
}
