import * as Y from 'yjs';
import { Content } from './content';
import { decodeServerFrame, encodeFrame } from './frames';
import type { Access, ClientFrame, ServerFrame } from './frames';
import { Ledger } from './ledger';
import type { Upload } from './ledger';
import { SERVER } from './presence';
import type { AwarenessChange, Presence } from './presence';

/** How the document stands with the server; true at every moment. */
export type SaveState =
  /** Something is not known to be on the server's disk, and on its way there. */
  | 'saving'
  /** Everything in the document is on the server's disk. */
  | 'saved'
  /** The server is not reached. */
  | 'offline'
  /** One may not write, so that nothing of one's own can be saved. */
  | 'read-only'
  /** The server does not take something, or the document is closed to one; see `refusal`. */
  | 'refused'
  /** The server's disk takes nothing at the moment. */
  | 'storage-failing';

/** Why the server does not take something. */
export interface Refusal {
  /** `update`: something that was written. `document`: following it at all. */
  readonly of: 'update' | 'document';
  /** As in the protocol. */
  readonly code: number;
  readonly message: string;
}

/** A frame for the server. */
export interface ServerMessage {
  readonly kind: ClientFrame['kind'];
  readonly bytes: Uint8Array;
  /** What it carries of the document; null: nothing that the server counts. */
  readonly content: Content | null;
}

type Phase =
  /** The copy is not loaded. */
  | 'idle'
  | 'offline'
  | 'opening'
  /** Followed; waits until the epoch is kept. */
  | 'keeping'
  | 'following'
  /** The server stopped it. */
  | 'closed'
  /** The copy belongs to a document that was erased. */
  | 'gone';

/** Codes of `closed`. */
const GONE = 1;
const FORBIDDEN = 2;
const TOO_MANY = 3;
const UNAVAILABLE = 5;
const RESTARTING = 6;
/** Code of `refused`. */
const READ_ONLY = 1;

/** How long to wait before the document is opened again; absent: there is no use. */
const REOPEN_MS: Partial<Record<number, number>> = {
  [GONE]: 0,
  [TOO_MANY]: 5_000,
  [UNAVAILABLE]: 2_000,
  [RESTARTING]: 1_000,
};
const LONGEST_REOPEN_MS = 60_000;
/** After a refusal by the port, which is full. */
const RETRY_MS = 250;
/** Frames that may come while the epoch is being kept; it takes milliseconds. */
const MOST_HELD_FRAMES = 1_000;

/**
 * Keeps a document and its awareness in step with the server, and keeps account of what is on the server's disk.
 * Decides; the provider owns the port.
 */
export class ServerSync {
  readonly #name: string;
  readonly #doc: Y.Doc;
  readonly #presence: Presence;
  readonly #origin: object;
  readonly #ledger: Ledger;
  #phase: Phase = 'idle';
  #epoch = 0;
  #access: Access | null = null;
  #storage = 0;
  /** Why the server stopped it. */
  #closed: { readonly code: number; readonly message: string } | null = null;
  #isSynced = false;
  /** Whether the server's question was answered on this connection; later updates then complete the answer. */
  #isAnswered = false;
  #isApplying = false;
  #reopenAtMs = Infinity;
  #reopens = 0;
  /** When the awareness, which could not be sent, is to be sent again. */
  #awarenessAtMs = Infinity;
  #held: Uint8Array[] = [];
  #outgoing: ServerMessage[] = [];
  #malformed = 0;

  /** `origin` marks the transactions that apply what others sent. */
  constructor(name: string, doc: Y.Doc, presence: Presence, origin: object) {
    this.#name = name;
    this.#doc = doc;
    this.#presence = presence;
    this.#origin = origin;
    this.#ledger = new Ledger(doc);
  }

  /** The epoch of the copy; 0: not known. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether the epoch is to be kept before content comes in, see `handleEpochKept`. */
  get isEpochNew(): boolean {
    return this.#phase === 'keeping';
  }

  /** Whether the copy belongs to a document that was erased: it must not meet the one that was begun anew. */
  get isGone(): boolean {
    return this.#phase === 'gone';
  }

  /** Whether the server's whole state has arrived on this connection. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Whether the document is followed right now. */
  get isFollowing(): boolean {
    return this.#phase === 'following';
  }

  /** What one may do; null: the server has not said. */
  get access(): Access | 'none' | null {
    return this.#closed?.code === FORBIDDEN ? 'none' : this.#access;
  }

  /** Why the server does not take something; null: it takes everything. */
  get refusal(): Refusal | null {
    if (this.#closed !== null) {
      return { of: 'document', ...this.#closed };
    }
    const { refusal } = this.#ledger;
    return refusal === null ? null : { of: 'update', ...refusal };
  }

  /** Whether everything in the document is known to be on the server's disk. */
  get isSaved(): boolean {
    return this.#ledger.isSaved;
  }

  /** How much of the document is not known to be on the server's disk: what was inserted and deleted, in characters. */
  get pending(): number {
    return this.#ledger.pending;
  }

  /** Whether something is in the document that the server is not known to have at all, on disk or not. */
  get isOnlyHere(): boolean {
    return this.#ledger.isOnlyHere;
  }

  /** See `SaveState`. */
  get saveState(): SaveState {
    if (this.#closed !== null) {
      return this.#closed.code === UNAVAILABLE ? 'storage-failing' : 'refused';
    }
    if (this.#phase !== 'following') {
      return 'offline';
    }
    if (this.#access !== 'write') {
      return 'read-only';
    }
    if (this.#storage !== 0) {
      return 'storage-failing';
    }
    if (this.#ledger.refusal !== null) {
      return 'refused';
    }
    return this.#ledger.isAccountedNow && this.isSaved ? 'saved' : 'saving';
  }

  /** Frames that were dropped because they made no sense. */
  get malformed(): number {
    return this.#malformed;
  }

  /** The copy is in the document. `epoch` is its; 0: it has none. */
  start(epoch: number): void {
    if (this.#phase === 'idle') {
      this.#phase = 'offline';
      this.#epoch = epoch;
      this.#ledger.start();
    }
  }

  /** The port opened. */
  handleOpen(): void {
    if (this.#phase === 'offline') {
      this.#reopens = 0;
      this.#open();
    }
  }

  /** The port closed: the server has forgotten everything but what it has on disk. */
  handleClose(): void {
    if (this.#phase !== 'idle' && this.#phase !== 'gone') {
      this.#forget('offline');
    }
  }

  /** One's rights may have changed. */
  handleRights(): void {
    if (this.#phase === 'closed' && this.#closed?.code === FORBIDDEN) {
      this.#open();
    }
  }

  /** Stops following; the port stays as it is. */
  stop(): void {
    if (this.#isOpen()) {
      this.#send({ kind: 'close' });
    }
    if (this.#phase !== 'gone') {
      this.#forget('idle');
    }
  }

  /** A frame came in. Never throws: what makes no sense is dropped and counted. */
  handleFrame(bytes: Uint8Array, nowMs: number): void {
    try {
      const frame = decodeServerFrame(this.#name, bytes);
      if (frame === 'other') {
        return;
      }
      if (this.#phase === 'keeping' && frame.kind !== 'closed') {
        this.#hold(bytes, nowMs);
      } else {
        this.#handle(frame, nowMs);
      }
    } catch {
      this.#malformed += 1;
    }
  }

  /** The epoch is kept with the copy: from now on content of others may come in. */
  handleEpochKept(nowMs: number): void {
    if (this.#phase === 'keeping') {
      this.#follow();
      for (const bytes of this.#held.splice(0)) {
        this.handleFrame(bytes, nowMs);
      }
    }
  }

  /** The document changed. */
  handleUpdate(update: Uint8Array, transaction: Y.Transaction, nowMs: number): void {
    const content = Content.ofTransaction(transaction);
    this.#ledger.handleChange(content, this.#isApplying, nowMs);
    if (transaction.origin !== this.#origin) {
      this.#uploadOwn({ update, content }, nowMs);
    } else if (!this.#isApplying && this.#mayUpload()) {
      this.#ledger.keep(content, update, nowMs);
    }
  }

  /** The awareness changed. */
  handleAwareness(change: AwarenessChange): void {
    if (this.#phase === 'following' && this.#presence.concernsOwn(change)) {
      this.#sendAwareness();
    }
  }

  /** A message left. */
  handleSent({ content }: ServerMessage, nowMs: number): void {
    if (content !== null) {
      this.#ledger.handleSent(content, nowMs);
    }
  }

  /** A message could not be sent, because too much waits. */
  handleUnsent({ kind, content }: ServerMessage, nowMs: number): void {
    if (content !== null) {
      this.#ledger.owe(nowMs + RETRY_MS);
    } else if (kind === 'awareness') {
      this.#awarenessAtMs = nowMs + RETRY_MS;
    } else if (kind === 'open' || kind === 'step1') {
      this.#closeAndReopen(nowMs + RETRY_MS);
    }
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    if (this.#phase === 'closed' && nowMs >= this.#reopenAtMs) {
      this.#open();
    }
    if (this.#phase === 'following' && nowMs >= this.#awarenessAtMs) {
      this.#awarenessAtMs = Infinity;
      this.#sendAwareness();
    }
    if (this.#mayUpload()) {
      this.#ledger.takeDue(nowMs).forEach((upload) => this.#upload('update', upload));
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    const reopenMs = this.#phase === 'closed' ? this.#reopenAtMs : Infinity;
    const awarenessMs = this.#phase === 'following' ? this.#awarenessAtMs : Infinity;
    const dueMs = Math.min(reopenMs, awarenessMs, this.#mayUpload() ? this.#ledger.dueMs : Infinity);
    return dueMs === Infinity ? undefined : dueMs;
  }

  /** What to send now, in order; each message is handed out once. */
  takeOutgoing(): ServerMessage[] {
    return this.#outgoing.splice(0);
  }

  #handle(frame: ServerFrame, nowMs: number): void {
    if (frame.kind === 'opened') {
      this.#handleOpened(frame);
    } else if (frame.kind === 'closed') {
      this.#handleClosed(frame, nowMs);
    } else if (this.#phase === 'following') {
      this.#handleFollowed(frame, nowMs);
    }
  }

  #handleFollowed(frame: Exclude<ServerFrame, { kind: 'opened' | 'closed' }>, nowMs: number): void {
    switch (frame.kind) {
      case 'step1':
        this.#answer(frame.stateVector, nowMs);
        break;
      case 'step2':
      case 'update':
        this.#apply(frame.update);
        this.#isSynced ||= frame.kind === 'step2';
        break;
      case 'awareness':
        this.#presence.apply(SERVER, frame.update);
        break;
      case 'query':
        this.#sendAwareness();
        break;
      case 'ack':
        this.#ledger.handleAck(frame.count, nowMs);
        break;
      case 'durable':
        this.#ledger.handleDurable(frame.content, nowMs);
        break;
      case 'storage':
        this.#handleStorage(frame.storage, nowMs);
        break;
      case 'refused':
        this.#handleRefused(frame, nowMs);
        break;
      case 'access':
        this.#handleAccess(frame.access, nowMs);
    }
  }

  #handleOpened({ epoch, access, storage }: ServerFrame & { kind: 'opened' }): void {
    if (this.#phase !== 'opening') {
      return;
    }
    if (this.#epoch !== 0 && epoch !== this.#epoch) {
      this.#send({ kind: 'close' });
      this.#forget('gone');
      return;
    }
    this.#access = access;
    this.#storage = storage;
    if (this.#epoch === 0) {
      this.#epoch = epoch;
      this.#phase = 'keeping';
    } else {
      this.#follow();
    }
  }

  #handleClosed({ code, message }: ServerFrame & { kind: 'closed' }, nowMs: number): void {
    if (!this.#isOpen()) {
      return;
    }
    if (code === GONE && this.#epoch !== 0) {
      this.#forget('gone');
      return;
    }
    this.#forget('closed');
    const waitMs = (REOPEN_MS[code] ?? Infinity) * 2 ** this.#reopens;
    this.#reopenAtMs = waitMs === Infinity ? Infinity : nowMs + Math.min(waitMs, LONGEST_REOPEN_MS);
    this.#reopens += 1;
    this.#closed = code === GONE || code === RESTARTING ? null : { code, message };
  }

  #handleStorage(storage: number, nowMs: number): void {
    this.#storage = storage;
    if (storage === 0) {
      this.#ledger.distrust(nowMs);
    }
  }

  #handleRefused({ number, code, message }: ServerFrame & { kind: 'refused' }, nowMs: number): void {
    const isReadOnly = code === READ_ONLY;
    this.#access = isReadOnly ? 'read' : this.#access;
    this.#ledger.handleRefused(number, isReadOnly ? null : { code, message }, nowMs);
  }

  #handleAccess(access: Access, nowMs: number): void {
    const isNew = access === 'write' && this.#access !== 'write';
    this.#access = access;
    if (isNew) {
      // The server may ask again or not; what it lacks is known well enough.
      this.#isAnswered = true;
      this.#ledger.distrust(nowMs);
    }
  }

  #open(): void {
    this.#phase = 'opening';
    this.#reopenAtMs = Infinity;
    this.#send({ kind: 'open', epoch: this.#epoch });
  }

  #follow(): void {
    this.#phase = 'following';
    this.#closed = null;
    this.#reopens = 0;
    this.#send({ kind: 'step1', stateVector: Y.encodeStateVector(this.#doc) });
    // Comes back as a change of the awareness, and is sent with it.
    this.#presence.renew();
  }

  /** The connection, or the following of the document on it, is over. */
  #forget(phase: Phase): void {
    this.#phase = phase;
    this.#closed = null;
    this.#reopenAtMs = Infinity;
    this.#awarenessAtMs = Infinity;
    this.#isSynced = false;
    this.#isAnswered = false;
    this.#held = [];
    this.#ledger.forgetConnection();
    this.#outgoing = this.#outgoing.filter(({ kind }) => kind === 'close' || kind === 'awareness');
    this.#presence.drop(SERVER);
  }

  #closeAndReopen(atMs: number): void {
    this.#send({ kind: 'close' });
    this.#forget('closed');
    this.#reopenAtMs = atMs;
  }

  #hold(bytes: Uint8Array, nowMs: number): void {
    if (this.#held.length < MOST_HELD_FRAMES) {
      this.#held.push(bytes);
    } else {
      this.#closeAndReopen(nowMs + LONGEST_REOPEN_MS);
    }
  }

  #apply(update: Uint8Array): void {
    this.#isApplying = true;
    try {
      Y.applyUpdate(this.#doc, update, this.#origin);
    } finally {
      this.#isApplying = false;
    }
    this.#ledger.handleServerUpdate(update);
  }

  /** The server asks for what it lacks. */
  #answer(stateVector: Uint8Array, nowMs: number): void {
    this.#isAnswered = true;
    if (this.#mayUpload()) {
      this.#upload('step2', this.#ledger.answer(stateVector));
    } else {
      this.#ledger.owe(nowMs);
    }
  }

  #uploadOwn(upload: Upload, nowMs: number): void {
    if (!this.#mayUpload()) {
      this.#ledger.owe(nowMs);
    } else if (this.#ledger.isFree) {
      this.#upload('update', upload);
    } else if (!this.#ledger.isOwed) {
      this.#ledger.owe(nowMs);
    }
  }

  #mayUpload(): boolean {
    return this.#phase === 'following' && this.#isAnswered && this.#access === 'write' && this.#storage === 0;
  }

  #isOpen(): boolean {
    return this.#phase === 'opening' || this.#phase === 'keeping' || this.#phase === 'following';
  }

  #upload(kind: 'step2' | 'update', { update, content }: Upload): void {
    this.#send({ kind, update }, content);
  }

  #sendAwareness(): void {
    const update = this.#presence.encodeOwn();
    if (update !== null) {
      this.#send({ kind: 'awareness', update });
    }
  }

  #send(frame: ClientFrame, content: Content | null = null): void {
    this.#outgoing.push({ kind: frame.kind, bytes: encodeFrame(this.#name, frame), content });
  }
}
