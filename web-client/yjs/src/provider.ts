import type { DocumentsPort, ParticipantId, Room, RoomChannel, RoomSnapshot } from '@stoa/client';
import { Awareness, removeAwarenessStates } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import type { Access } from './frames';
import { PeerSync } from './peer-sync';
import { Presence } from './presence';
import type { AwarenessChange } from './presence';
import { ownDocuments, rightsIn, rightsKeys } from './rights';
import { ServerSync } from './server-sync';
import type { Refusal, SaveState } from './server-sync';

/** How the document stands with the others. */
export type ProviderStatus = 'connecting' | 'connected' | 'disconnected';

/** The events of a provider, named and shaped as those of y-websocket where it has them. */
export interface ProviderEvents {
  sync: (synced: boolean) => void;
  synced: (synced: boolean) => void;
  status: (event: { status: ProviderStatus }) => void;
  /** `peers` changed. */
  peers: (peers: ReadonlySet<ParticipantId>) => void;
  /** `saved` changed. */
  saved: (saved: boolean) => void;
  /** `saveState`, `pending`, `access` or `refusal` changed. */
  saveState: (state: SaveState) => void;
  /** The document was erased and begun anew: see `isGone`. */
  gone: () => void;
}

/** The part of a `Room` that a provider uses. */
export type ProviderRoom = Pick<Room, 'state' | 'subscribe' | 'documents'> & { channel(label: 'docs'): RoomChannel };

/** Where the document is kept in this browser between visits. */
export interface ProviderCopy {
  /** Resolves with the epoch of what was kept, once all of it is in the document; 0: it has none. */
  readonly loaded: Promise<number>;
  /** Resolves once the epoch is kept, or cannot be; content of others comes in only then. */
  keepEpoch(epoch: number): Promise<void>;
}

/** Options of a provider. */
export interface StoaProviderOptions {
  /** Cursors and names; absent: the provider makes its own and destroys it. */
  readonly awareness?: Awareness;
  /** Absent: the document begins as it is, and ends with the page. */
  readonly copy?: ProviderCopy;
  /** Up to so many participants, oneself included, edits also go directly to everybody; above, through the server alone. */
  readonly meshParticipants?: number;
}

/** In a mesh everybody sends every edit to everybody, so the uploads of one grow with the room. */
export const MESH_PARTICIPANTS = 8;

type Handlers = { [K in keyof ProviderEvents]: Set<ProviderEvents[K]> };

/**
 * Keeps a Yjs document in step with the server, which saves it, and in a room also with everybody who has the same
 * document open, over the direct links. A drop-in for y-websocket's provider as far as editors are concerned. The
 * constructor connects.
 */
export class StoaProvider {
  /** The document. */
  readonly doc: Y.Doc;
  /** Cursors and names; the states of others are made safe before they get here. */
  readonly awareness: Awareness;
  /** Resolves when `synced` is true for the first time; never, if the provider is destroyed before. */
  readonly whenSynced: Promise<void>;
  readonly #name: string;
  readonly #port: DocumentsPort;
  readonly #room: ProviderRoom | null;
  readonly #copy: ProviderCopy | null;
  readonly #meshParticipants: number;
  readonly #presence: Presence;
  readonly #server: ServerSync;
  readonly #ownsAwareness: boolean;
  readonly #handlers: Handlers = {
    sync: new Set(),
    synced: new Set(),
    status: new Set(),
    peers: new Set(),
    saved: new Set(),
    saveState: new Set(),
    gone: new Set(),
  };
  /** Null until the epoch is known: copies of different epochs must not meet. */
  #peerSync: PeerSync | null = null;
  #rights = new Map<ParticipantId, string>();
  #unsubscribe: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resolveSynced: () => void = () => undefined;
  /** The own cursor while the page is hidden away. */
  #hidden: Record<string, unknown> | null = null;
  #isAttached = false;
  #isDestroyed = false;
  #isKeepingEpoch = false;
  #synced = false;
  #saved = false;
  #account = '';
  #isGone = false;
  #status: ProviderStatus = 'disconnected';
  #peers: ReadonlySet<ParticipantId> = new Set();

  /**
   * `way` is a joined room, or a `DocSocket` for the same document. `name` must be the same at everybody; one room carries
   * any number of documents.
   */
  constructor(way: ProviderRoom | DocumentsPort, name: string, doc: Y.Doc, options: StoaProviderOptions = {}) {
    this.#room = 'documents' in way ? way : null;
    this.#port = 'documents' in way ? way.documents : way;
    this.#name = name;
    this.doc = doc;
    this.#copy = options.copy ?? null;
    this.#meshParticipants = options.meshParticipants ?? MESH_PARTICIPANTS;
    this.#ownsAwareness = options.awareness === undefined;
    this.awareness = options.awareness ?? new Awareness(doc);
    this.#presence = new Presence(this.awareness, this);
    this.#server = new ServerSync(name, doc, this.#presence, this);
    this.whenSynced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
    this.connect();
  }

  /** Whether the server's state has arrived since it is reached, or that of a participant while it is not. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether the provider is attached and its room is neither left nor failed. */
  get connected(): boolean {
    return this.#isAttached && !this.#isRoomOver();
  }

  /** How the document stands with the others. */
  get status(): ProviderStatus {
    return this.#status;
  }

  /** Whoever has this document open and is reached directly right now. */
  get peers(): ReadonlySet<ParticipantId> {
    return this.#peers;
  }

  /** Whether everything in the document is known to be on the server's disk. */
  get saved(): boolean {
    return this.#server.isSaved;
  }

  /** How the document stands with the server. */
  get saveState(): SaveState {
    return this.#server.saveState;
  }

  /** How much of the document is not known to be on the server's disk: what was inserted and deleted, in characters. */
  get pending(): number {
    return this.#server.pending;
  }

  /** Whether something is in the document that the server is not known to have at all, on disk or not. */
  get onlyHere(): boolean {
    return this.#server.isOnlyHere;
  }

  /** What one may do with the document; until the server says so, what the room says. */
  get access(): Access | 'none' {
    return this.#server.access ?? (this.#room === null ? 'write' : ownDocuments(this.#room.state));
  }

  /** Why the server does not take something; null: it takes everything. */
  get refusal(): Refusal | null {
    return this.#server.refusal;
  }

  /**
   * Whether the document was erased and begun anew since this copy met the server. Then the provider has stopped: begin
   * with an empty document and another provider.
   */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Frames of others that were dropped because they made no sense. */
  get malformedFrames(): number {
    return this.#server.malformed + (this.#peerSync?.malformed ?? 0);
  }

  /** Starts exchanging; done by the constructor, needed only after `disconnect`. */
  connect(): void {
    if (this.#isAttached || this.#isDestroyed || this.#isGone) {
      return;
    }
    this.#isAttached = true;
    const port = this.#port;
    this.doc.on('update', this.#onUpdate);
    this.awareness.on('update', this.#onAwareness);
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
    this.#unsubscribe = [
      port.on('open', () => this.#run(() => this.#server.handleOpen())),
      port.on('close', () => this.#run(() => this.#server.handleClose())),
      port.on('message', (bytes) => this.#run((nowMs) => this.#server.handleFrame(bytes, nowMs))),
      ...this.#subscribeRoom(),
    ];
    const unsubscribe = this.#unsubscribe;
    const begin = (epoch: number): void => {
      // Not if it was disconnected meanwhile, perhaps to be connected again.
      if (this.#unsubscribe === unsubscribe && this.#isAttached) {
        this.#begin(epoch);
      }
    };
    if (this.#copy === null) {
      begin(this.#server.epoch);
    } else {
      void this.#copy.loaded.then((epoch) => begin(this.#server.epoch === 0 ? epoch : this.#server.epoch));
    }
    this.#refresh();
  }

  /** Stops exchanging; the others see the own cursor go. */
  disconnect(): void {
    if (!this.#isAttached) {
      return;
    }
    const state = this.awareness.getLocalState();
    this.#hideSelf('disconnect');
    this.#run(() => this.#server.stop());
    this.#isAttached = false;
    this.doc.off('update', this.#onUpdate);
    this.awareness.off('update', this.#onAwareness);
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    for (const unsubscribe of this.#unsubscribe.splice(0)) {
      unsubscribe();
    }
    clearTimeout(this.#timer);
    this.#leavePeers();
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

  #subscribeRoom(): (() => void)[] {
    const room = this.#room;
    if (room === null) {
      return [];
    }
    const channel = room.channel('docs');
    this.#rights = rightsKeys(room.state);
    return [
      channel.on('open', (peer) => this.#run(() => this.#peerSync?.handleOpen(peer))),
      channel.on('close', (peer) => this.#run(() => this.#peerSync?.handleClose(peer))),
      channel.on('message', (peer, bytes) => this.#run(() => this.#peerSync?.handleFrame(peer, bytes))),
      room.subscribe(() => this.#run(() => this.#followRights(room))),
    ];
  }

  /** The copy is in the document. */
  #begin(epoch: number): void {
    this.#run(() => {
      this.#server.start(epoch);
      if (this.#port.isOpen) {
        this.#server.handleOpen();
      }
    });
  }

  /** Speaks to participants from the moment on that the epoch is known. */
  #meetPeers(): void {
    const room = this.#room;
    const { epoch } = this.#server;
    const isTooLarge = room !== null && countParticipants(room.state) > this.#meshParticipants;
    if (isTooLarge) {
      this.#leavePeers();
    }
    const isEarly = epoch === 0 || this.#server.isEpochNew || !this.#isAttached;
    if (room === null || this.#peerSync !== null || isTooLarge || isEarly) {
      return;
    }
    const rights = rightsIn(() => room.state);
    const sync = new PeerSync(`${this.#name}#${epoch}`, this.doc, this.#presence, this, rights);
    this.#peerSync = sync;
    for (const peer of room.channel('docs').peers) {
      sync.handleOpen(peer);
    }
  }

  #leavePeers(): void {
    this.#peerSync?.reset();
    this.#peerSync = null;
  }

  #followRights(room: ProviderRoom): void {
    const before = this.#rights;
    const now = rightsKeys(room.state);
    this.#rights = now;
    const { self } = room.state;
    const isOwnNew = before.get(self) !== now.get(self);
    if (isOwnNew) {
      this.#server.handleRights();
    }
    const concerned = [...now.keys()].filter((id) => isOwnNew || (before.has(id) && before.get(id) !== now.get(id)));
    this.#peerSync?.handleRights(concerned);
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown, _doc: Y.Doc, transaction: Y.Transaction): void => {
    this.#run((nowMs) => {
      this.#peerSync?.handleUpdate(update, origin);
      this.#server.handleUpdate(update, transaction, nowMs);
    });
  };

  readonly #onAwareness = (change: AwarenessChange): void => {
    this.#run(() => {
      this.#peerSync?.handleAwareness(change);
      this.#server.handleAwareness(change);
    });
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
    const nowMs = performance.now();
    step(nowMs);
    this.#meetPeers();
    this.#flush(nowMs);
    this.#keepEpoch();
    this.#refresh();
  }

  #flush(nowMs: number): void {
    for (const message of this.#server.takeOutgoing()) {
      if (this.#port.send(message.bytes)) {
        this.#server.handleSent(message, nowMs);
      } else {
        this.#server.handleUnsent(message, nowMs);
      }
    }
    const sync = this.#peerSync;
    for (const { to, bytes } of sync?.takeOutgoing() ?? []) {
      if (this.#room?.channel('docs').send(to, bytes) !== true) {
        sync?.handleUnsent(to);
      }
    }
  }

  #keepEpoch(): void {
    if (!this.#server.isEpochNew || this.#isKeepingEpoch) {
      return;
    }
    this.#isKeepingEpoch = true;
    const { epoch } = this.#server;
    const goOn = (): void => {
      this.#isKeepingEpoch = false;
      if (this.#isAttached) {
        this.#run((nowMs) => this.#server.handleEpochKept(nowMs));
      }
    };
    if (this.#copy === null) {
      goOn();
    } else {
      this.#copy.keepEpoch(epoch).then(goOn, goOn);
    }
  }

  /** Works out what has changed for the outside, and tells it. */
  #refresh(): void {
    if (this.#server.isGone && !this.#isGone) {
      this.#isGone = true;
      this.disconnect();
      this.#emit('gone');
      return;
    }
    this.#refreshPeers();
    this.#refreshSaved();
    const isSynced = this.connected && (this.#server.isSynced || this.#hasSyncedWithoutServer());
    if (isSynced !== this.#synced) {
      this.#synced = isSynced;
      if (isSynced) {
        this.#resolveSynced();
      }
      this.#emit('sync', isSynced);
      this.#emit('synced', isSynced);
    }
    this.#schedule();
  }

  #refreshPeers(): void {
    const peers = this.#peerSync?.peers ?? new Set();
    if (!isSameSet(peers, this.#peers)) {
      this.#peers = peers;
      this.#emit('peers', peers);
    }
    const status = this.#statusNow();
    if (status !== this.#status) {
      this.#status = status;
      this.#emit('status', { status });
    }
  }

  #refreshSaved(): void {
    const { isSaved, saveState, pending, refusal } = this.#server;
    const account = [saveState, pending, this.access, refusal?.of, refusal?.code].join();
    if (account !== this.#account) {
      this.#account = account;
      this.#emit('saveState', saveState);
    }
    if (isSaved !== this.#saved) {
      this.#saved = isSaved;
      this.#emit('saved', isSaved);
    }
  }

  #hasSyncedWithoutServer(): boolean {
    return !this.#port.isOpen && (this.#peerSync?.hasSynced ?? false);
  }

  #statusNow(): ProviderStatus {
    if (!this.connected) {
      return 'disconnected';
    }
    return this.#server.isFollowing || this.#peers.size > 0 ? 'connected' : 'connecting';
  }

  #isRoomOver(): boolean {
    const status = this.#room?.state.status;
    return status === 'left' || status === 'failed';
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const dueMs = this.#isAttached ? this.#server.nextTickMs() : undefined;
    if (dueMs !== undefined) {
      // A timer may come a little early.
      const waitMs = Math.max(0, dueMs - performance.now()) + 1;
      this.#timer = setTimeout(() => this.#run((nowMs) => this.#server.handleTick(nowMs)), waitMs);
    }
  }

  #emit<K extends keyof ProviderEvents>(event: K, ...args: Parameters<ProviderEvents[K]>): void {
    for (const handler of [...this.#handlers[event]] as ((...args: Parameters<ProviderEvents[K]>) => void)[]) {
      handler(...args);
    }
  }
}

function countParticipants({ participants, self }: RoomSnapshot): number {
  return new Set([self, ...participants.map(({ id }) => id)]).size;
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}
