import { applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness';
import type { Awareness } from 'y-protocols/awareness';
import { decodeAwareness, encodeAwareness } from './awareness';
import type { AwarenessEntry } from './awareness';

/** What a change of awareness names; as y-protocols emits it. */
export interface AwarenessChange {
  readonly added: readonly number[];
  readonly updated: readonly number[];
  readonly removed: readonly number[];
}

/** Who tells of an editor: the id of a participant, or the server. */
export type Witness = string | typeof SERVER;

/** The server, which speaks for everybody. */
export const SERVER = Symbol('server');

const MOST_CLIENTS_PER_PEER = 8;
const MOST_CLIENTS_OF_SERVER = 1_024;

/**
 * Who is at the document, as participants tell of themselves and the server tells of all. An editor is there as long as
 * anybody tells of it, so that neither a lost link nor a lost socket makes a cursor blink.
 */
export class Presence {
  readonly awareness: Awareness;
  readonly #origin: object;
  readonly #clients = new Map<Witness, Set<number>>();

  /** `origin` marks what others told. */
  constructor(awareness: Awareness, origin: object) {
    this.awareness = awareness;
    this.#origin = origin;
  }

  /** What to tell others of oneself; null: nothing. */
  encodeOwn(): Uint8Array | null {
    const own = this.awareness.clientID;
    return this.awareness.meta.has(own) ? encodeAwarenessUpdate(this.awareness, [own]) : null;
  }

  /** Whether a change is about oneself. */
  concernsOwn({ added, updated, removed }: AwarenessChange): boolean {
    return [...added, ...updated, ...removed].includes(this.awareness.clientID);
  }

  /** Tells again what was told before, as news: those who took the editor for gone would not believe the old. */
  renew(): void {
    const state = this.awareness.getLocalState();
    if (state !== null) {
      this.awareness.setLocalState(state);
    }
  }

  /** Takes in what a witness tells. Throws on anything malformed. */
  apply(witness: Witness, update: Uint8Array): void {
    const entries = decodeAwareness(update).filter((entry) => this.#believe(witness, entry));
    applyAwarenessUpdate(this.awareness, encodeAwareness(entries), this.#origin);
  }

  /** A witness is gone: so is everybody of whom nobody else tells. */
  drop(witness: Witness): void {
    const clients = this.#clients.get(witness) ?? new Set();
    this.#clients.delete(witness);
    const gone = [...clients].filter((client) => !this.#hasWitness(client));
    for (const client of gone) {
      // With its clock: else the very same state would be taken for an old one when the witness comes back.
      this.awareness.meta.delete(client);
    }
    removeAwarenessStates(this.awareness, gone, this.#origin);
  }

  /** Notes who tells of whom; false: it is not to be believed. */
  #believe(witness: Witness, { clientId, state }: AwarenessEntry): boolean {
    if (clientId === this.awareness.clientID) {
      return false;
    }
    const clients = this.#clients.get(witness) ?? new Set();
    this.#clients.set(witness, clients);
    if (state === null) {
      // The server may lose sight of somebody whose link works: they are still there.
      return clients.delete(clientId) && (witness !== SERVER || !this.#hasWitness(clientId));
    }
    const most = witness === SERVER ? MOST_CLIENTS_OF_SERVER : MOST_CLIENTS_PER_PEER;
    if (!clients.has(clientId) && clients.size >= most) {
      return false;
    }
    clients.add(clientId);
    return true;
  }

  #hasWitness(client: number): boolean {
    return [...this.#clients.values()].some((clients) => clients.has(client));
  }
}
