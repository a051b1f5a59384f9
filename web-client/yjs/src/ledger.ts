import * as Y from 'yjs';
import { Content } from './content';
import { Custody, CUSTODY_MS, Uploads } from './uploads';

/** An update for the server, and what is in it. */
export interface Upload {
  readonly update: Uint8Array;
  readonly content: Content;
}

/** Why the server did not take an update. */
export interface UpdateRefusal {
  readonly code: number;
  readonly message: string;
}

const REFUSED_TOO_LARGE = 2;

/** What the server got otherwise and does not report as committed in this time is given to it again. */
const HEAL_MS = 5_000;
const LONGEST_HEAL_MS = 300_000;
/** Clients that miss the same thing shall not all speak at once. */
const HEAL_SPREAD_MS = 2_000;
/** More than so many unanswered uploads are not made; what follows goes as one when there is an answer. */
const MOST_UPLOADS = 1_000;
/** Larger ones the server refuses. */
const LARGEST_UPDATE_BYTES = 8 * 1024 * 1024;

/**
 * The account of one document: what in it is not known to be on the server's disk, what of that is on its way there, and
 * what is to be sent when. Whatever happens to a message, what it carried stays in the account until the server says
 * that it is on disk.
 */
export class Ledger {
  readonly #doc: Y.Doc;
  readonly #uploads = new Uploads();
  readonly #custody = new Custody();
  #unsaved = new Content();
  /** What the server told on this connection to have on disk, also of what has not come in yet. */
  #durable = new Content();
  /** What the server sent on this connection. */
  #received = new Content();
  /** Whether the server ever told everything that it has on disk. */
  #isAccounted = false;
  #isAccountedNow = false;
  #refusal: UpdateRefusal | null = null;
  /** Whether something was not sent when it could not be: goes as one update later. */
  #isOwed = false;
  #oweAtMs = 0;
  #healAtMs = Infinity;
  #heals = 0;

  constructor(doc: Y.Doc) {
    this.#doc = doc;
  }

  /** Whether everything in the document is known to be on the server's disk. */
  get isSaved(): boolean {
    return this.#isAccounted && this.#unsaved.isEmpty;
  }

  /** Whether the server told on this connection what it has on disk. */
  get isAccountedNow(): boolean {
    return this.#isAccountedNow;
  }

  /** How much is not known to be there. */
  get pending(): number {
    return this.#unsaved.size;
  }

  /** Whether something is in the document that the server is not known to have at all, on disk or not. */
  get isOnlyHere(): boolean {
    const rest = this.#unsaved.copy();
    rest.removeAll(this.#received);
    return !rest.isEmpty;
  }

  /** Why the server did not take an update of this connection, as long as something is pending. */
  get refusal(): UpdateRefusal | null {
    return this.#refusal;
  }

  /** Whether an update may be sent at once: nothing waits before it. */
  get isFree(): boolean {
    return !this.#isOwed && !this.#isFull;
  }

  /** Whether something waits to be sent as one with what follows. */
  get isOwed(): boolean {
    return this.#isOwed;
  }

  get #isFull(): boolean {
    return this.#uploads.length >= MOST_UPLOADS;
  }

  /** The document is complete as far as this browser has it. */
  start(): void {
    this.#unsaved = Content.ofDoc(this.#doc);
  }

  /** The connection is over: what was on its way may be lost. */
  forgetConnection(): void {
    this.#isAccountedNow = false;
    this.#durable = new Content();
    this.#received = new Content();
    this.#isOwed = false;
    this.#healAtMs = Infinity;
    this.#heals = 0;
    this.#refusal = null;
    this.#uploads.reset();
    this.#custody.clear();
  }

  /** The document changed, perhaps by what the server sent. */
  handleChange(content: Content, isReceived: boolean, nowMs: number): void {
    if (isReceived) {
      this.#received.addAll(content);
    }
    const wasEmpty = this.#unsaved.isEmpty;
    this.#unsaved.addAll(content);
    this.#unsaved.removeAll(this.#durable);
    if (wasEmpty) {
      this.#noteProgress(nowMs);
    }
    if (this.#refusal !== null && !content.deletes.isEmpty) {
      // What was too large may be so no longer.
      this.#healAtMs = Math.min(this.#healAtMs, nowMs + HEAL_MS);
    }
  }

  /** An update of a participant came in: it is given to the server if they do not do so themselves. */
  keep(content: Content, update: Uint8Array, nowMs: number): void {
    if (!this.#custody.add(content, update, nowMs)) {
      this.#custody.clear();
      this.owe(nowMs + CUSTODY_MS);
    }
  }

  /** The server sent an update: what is in it, it need not be given. */
  handleServerUpdate(update: Uint8Array): void {
    if (!this.#custody.isEmpty) {
      this.#custody.remove(Content.ofUpdate(update));
    }
  }

  /** Everything that is neither saved nor on its way is to be sent at `atMs`. */
  owe(atMs: number): void {
    this.#isOwed = true;
    this.#oweAtMs = atMs;
  }

  /** An upload left. */
  handleSent(content: Content, nowMs: number): void {
    this.#uploads.add(content, nowMs);
  }

  /** The server settled its first `count` uploads of this connection. */
  handleAck(count: number, nowMs: number): void {
    this.#settle(this.#uploads.settle(count), nowMs);
  }

  /** The server did not take an upload. */
  handleRefused(number: number, refusal: UpdateRefusal | null, nowMs: number): void {
    this.#uploads.refuse(number);
    if (refusal !== null) {
      this.#refusal = refusal;
      this.#healAtMs = this.#healTime(nowMs);
    }
  }

  /** The server told what it has on disk: on a new connection everything, then what is new. */
  handleDurable(content: Content, nowMs: number): void {
    if (!this.#isAccountedNow) {
      // That is the truth, whatever was known before.
      this.#isAccounted = true;
      this.#isAccountedNow = true;
      this.#unsaved = Content.ofDoc(this.#doc);
    }
    this.#durable.addAll(content);
    this.#settle([content], nowMs);
    if (this.#healAtMs === Infinity) {
      this.#noteProgress(nowMs);
    }
  }

  /** The server may have dropped what is on its way. */
  distrust(nowMs: number): void {
    this.#uploads.distrust();
    this.owe(nowMs);
  }

  /** What the server lacks by its own word. */
  answer(stateVector: Uint8Array): Upload {
    this.#isOwed = false;
    this.#custody.clear();
    const content = Content.since(this.#doc, Y.decodeStateVector(stateVector));
    return { update: Y.encodeStateAsUpdate(this.#doc, stateVector), content };
  }

  /** What is due, in order. */
  takeDue(nowMs: number): Upload[] {
    if (this.#isFull) {
      return [];
    }
    const kept = this.#keptUpload(nowMs);
    const uploads = kept === null ? [] : [kept];
    const isOwedNow = this.#isOwed && nowMs >= this.#oweAtMs;
    const isHealing = nowMs >= this.#healAtMs;
    if (isHealing) {
      this.#heals += 1;
      this.#healAtMs = this.#healTime(nowMs);
    }
    if (isOwedNow) {
      this.#isOwed = false;
    }
    const rest = isOwedNow || isHealing ? this.#restUpload(nowMs) : null;
    return rest === null ? uploads : [rest];
  }

  /** When `takeDue` has something. */
  get dueMs(): number {
    if (this.#isFull) {
      return Infinity;
    }
    const healMs = this.#unsaved.isEmpty ? Infinity : this.#healAtMs;
    return Math.min(this.#isOwed ? this.#oweAtMs : Infinity, this.#custody.dueMs ?? Infinity, healMs);
  }

  /** Those updates of participants that the server did not get from them. */
  #keptUpload(nowMs: number): Upload | null {
    const due = this.#custody.takeDue(nowMs);
    const missing = due.length === 0 ? new Content() : this.#uploads.without(this.#unsaved, nowMs);
    const lacking = due.filter(({ content }) => content.overlaps(missing));
    if (lacking.length === 0) {
      return null;
    }
    const content = new Content();
    lacking.forEach((kept) => content.addAll(kept.content));
    return { update: Y.mergeUpdates(lacking.map(({ update }) => update)), content };
  }

  /** Whatever is neither saved nor on its way. */
  #restUpload(nowMs: number): Upload | null {
    const rest = this.#uploads.without(this.#unsaved, nowMs);
    if (rest.isEmpty) {
      return null;
    }
    const known = Y.decodeStateVector(Y.encodeStateVector(this.#doc));
    for (const [client, clock] of rest.structs.firsts()) {
      known.set(client, clock);
    }
    const update = Y.encodeStateAsUpdate(this.#doc, Y.encodeStateVector(known));
    if (this.#refusal?.code === REFUSED_TOO_LARGE && update.length > LARGEST_UPDATE_BYTES) {
      return null;
    }
    this.#custody.clear();
    return { update, content: Content.since(this.#doc, known) };
  }

  /** Something is on the server's disk. */
  #settle(contents: readonly Content[], nowMs: number): void {
    const before = this.#unsaved.size;
    for (const content of contents) {
      this.#unsaved.removeAll(content);
      this.#custody.remove(content);
    }
    if (this.#unsaved.isEmpty) {
      this.#refusal = null;
    }
    if (this.#unsaved.size < before && this.#refusal === null) {
      this.#noteProgress(nowMs);
    }
  }

  #noteProgress(nowMs: number): void {
    this.#heals = 0;
    this.#healAtMs = this.#healTime(nowMs);
  }

  #healTime(nowMs: number): number {
    const waitMs = Math.min(HEAL_MS * 2 ** this.#heals, LONGEST_HEAL_MS);
    return nowMs + waitMs + (this.#doc.clientID % HEAL_SPREAD_MS);
  }
}
