import type { ParticipantId, Room, RoomChannel } from '@stoa/client';
import { Awareness, removeAwarenessStates } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import { DocSync } from './sync';
import type { AwarenessChange } from './sync';

/** How the document stands with the others. */
export type ProviderStatus = 'connecting' | 'connected' | 'disconnected';

/** The events of a provider, named and shaped as those of y-websocket. */
export interface ProviderEvents {
  sync: (synced: boolean) => void;
  synced: (synced: boolean) => void;
  status: (event: { status: ProviderStatus }) => void;
  /** `peers` changed. */
  peers: (peers: ReadonlySet<ParticipantId>) => void;
}

/** The part of a `Room` that a provider uses. */
export type ProviderRoom = Pick<Room, 'state' | 'subscribe'> & { channel(label: 'docs'): RoomChannel };

/** Options of a provider. */
export interface StoaProviderOptions {
  /** Cursors and names; absent: the provider makes its own and destroys it. */
  readonly awareness?: Awareness;
}

/**
 * Keeps a Yjs document in step with everybody in a room who has the same document open, over the direct links. A
 * drop-in for y-websocket's provider as far as editors are concerned. The constructor connects.
 */
export class StoaProvider {
  /** The document. */
  readonly doc: Y.Doc;
  /** Cursors and names; the states of others are made safe before they get here. */
  readonly awareness: Awareness;
  /** Resolves when `synced` is true for the first time; never, if the provider is destroyed before. */
  readonly whenSynced: Promise<void>;
  readonly #room: ProviderRoom;
  readonly #channel: RoomChannel;
  readonly #sync: DocSync;
  readonly #ownsAwareness: boolean;
  readonly #handlers: { [K in keyof ProviderEvents]: Set<ProviderEvents[K]> } = {
    sync: new Set(),
    synced: new Set(),
    status: new Set(),
    peers: new Set(),
  };
  #unsubscribe: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resolveSynced: () => void = () => undefined;
  /** The own cursor while the page is hidden away. */
  #hidden: Record<string, unknown> | null = null;
  #isAttached = false;
  #isDestroyed = false;
  #synced = false;
  #status: ProviderStatus = 'disconnected';
  #peers: ReadonlySet<ParticipantId> = new Set();

  /** `name` must be the same at everybody; one room carries any number of documents. */
  constructor(room: ProviderRoom, name: string, doc: Y.Doc, options: StoaProviderOptions = {}) {
    this.#room = room;
    this.#channel = room.channel('docs');
    this.doc = doc;
    this.#ownsAwareness = options.awareness === undefined;
    this.awareness = options.awareness ?? new Awareness(doc);
    this.#sync = new DocSync(name, doc, this.awareness, this);
    this.whenSynced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
    this.connect();
  }

  /** Whether the state of at least one participant has arrived since its channel opened, or nobody else has it. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether the provider is attached and its room is neither left nor failed. */
  get connected(): boolean {
    return this.#isAttached && isOpen(this.#room);
  }

  /** Whoever has this document open and is reached right now. */
  get peers(): ReadonlySet<ParticipantId> {
    return this.#peers;
  }

  /** Frames of others that were dropped because they made no sense. */
  get malformedFrames(): number {
    return this.#sync.malformed;
  }

  /** Starts exchanging; done by the constructor, needed only after `disconnect`. */
  connect(): void {
    if (this.#isAttached || this.#isDestroyed) {
      return;
    }
    this.#isAttached = true;
    const channel = this.#channel;
    this.doc.on('update', this.#onUpdate);
    this.awareness.on('update', this.#onAwareness);
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
    this.#unsubscribe = [
      channel.on('open', (peer) => this.#run((nowMs) => this.#sync.handleOpen(peer, nowMs))),
      channel.on('close', (peer) => this.#run(() => this.#sync.handleClose(peer))),
      channel.on('message', (peer, bytes) => this.#run(() => this.#sync.handleFrame(peer, bytes))),
      this.#room.subscribe(() => this.#refresh()),
    ];
    this.#run((nowMs) => {
      for (const peer of channel.peers) {
        this.#sync.handleOpen(peer, nowMs);
      }
    });
  }

  /** Stops exchanging; the others see the own cursor go. */
  disconnect(): void {
    if (!this.#isAttached) {
      return;
    }
    const state = this.awareness.getLocalState();
    this.#hideSelf('disconnect');
    this.#isAttached = false;
    this.doc.off('update', this.#onUpdate);
    this.awareness.off('update', this.#onAwareness);
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    for (const unsubscribe of this.#unsubscribe.splice(0)) {
      unsubscribe();
    }
    clearTimeout(this.#timer);
    this.#sync.reset();
    // For the editor here, and for the next `connect`: only the others lose sight of it.
    this.awareness.setLocalState(state);
    this.#refresh();
  }

  /** Disconnects for good. Idempotent. */
  destroy(): void {
    if (this.#isDestroyed) {
      return;
    }
    this.disconnect();
    this.#isDestroyed = true;
    if (this.#ownsAwareness) {
      this.awareness.destroy();
    }
  }

  /** Calls `handler` at every `event` until the returned function, or `off`, is called. */
  on<K extends keyof ProviderEvents>(event: K, handler: ProviderEvents[K]): () => void {
    this.#handlers[event].add(handler);
    return () => this.off(event, handler);
  }

  /** Undoes `on`. */
  off<K extends keyof ProviderEvents>(event: K, handler: ProviderEvents[K]): void {
    this.#handlers[event].delete(handler);
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    this.#run(() => this.#sync.handleUpdate(update, origin));
  };

  readonly #onAwareness = (change: AwarenessChange): void => {
    this.#run(() => this.#sync.handleAwareness(change));
  };

  readonly #onPageHide = (): void => {
    this.#hidden = this.awareness.getLocalState();
    this.#hideSelf('pagehide');
  };

  /** The page came back with "back" as it was: so does the cursor. */
  readonly #onPageShow = (): void => {
    if (this.#hidden !== null) {
      this.awareness.setLocalState(this.#hidden);
      this.#hidden = null;
    }
  };

  #hideSelf(origin: string): void {
    removeAwarenessStates(this.awareness, [this.awareness.clientID], origin);
  }

  #run(step: (nowMs: number) => void): void {
    step(performance.now());
    for (const { to, bytes } of this.#sync.takeOutgoing()) {
      if (!this.#channel.send(to, bytes)) {
        this.#sync.handleRefused(to);
      }
    }
    this.#refresh();
  }

  /** Works out what has changed for the outside, and tells it. */
  #refresh(): void {
    const nowMs = performance.now();
    const isSynced = this.connected && (this.#sync.hasSynced || !this.#isAwaited(nowMs));
    const status = this.#statusNow();
    const peers = this.#sync.peers;
    if (!isSameSet(peers, this.#peers)) {
      this.#peers = peers;
      this.#emit('peers', peers);
    }
    if (status !== this.#status) {
      this.#status = status;
      this.#emit('status', { status });
    }
    if (isSynced !== this.#synced) {
      this.#synced = isSynced;
      if (isSynced) {
        this.#resolveSynced();
      }
      this.#emit('sync', isSynced);
      this.#emit('synced', isSynced);
    }
    clearTimeout(this.#timer);
    const dueMs = this.#isAttached ? this.#sync.nextTickMs(nowMs) : undefined;
    if (dueMs !== undefined) {
      this.#timer = setTimeout(() => this.#refresh(), dueMs - nowMs + 1);
    }
  }

  /** Whether somebody's state may still come: asked and not answered, or the link is not there yet. */
  #isAwaited(nowMs: number): boolean {
    const isLinking = this.#room.state.participants.some(
      ({ id, isSelf, connected, link }) => !isSelf && connected && link !== 'failed' && !this.#channel.peers.has(id),
    );
    return isLinking || this.#sync.isWaiting(nowMs);
  }

  #statusNow(): ProviderStatus {
    if (!this.connected) {
      return 'disconnected';
    }
    const isCutOff = this.#room.state.status === 'reconnecting' && this.#peers.size === 0;
    return isCutOff ? 'connecting' : 'connected';
  }

  #emit<K extends keyof ProviderEvents>(event: K, ...args: Parameters<ProviderEvents[K]>): void {
    for (const handler of [...this.#handlers[event]] as ((...args: Parameters<ProviderEvents[K]>) => void)[]) {
      handler(...args);
    }
  }
}

function isOpen(room: ProviderRoom): boolean {
  return room.state.status === 'connected' || room.state.status === 'reconnecting';
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}
