import type { ParticipantId } from '@stoa/client';
import { applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { decodeAwareness, encodeAwareness } from './awareness';
import { decodeFrame, encodeFrame } from './frames';
import type { DocFrame } from './frames';

/** A frame to send to one participant. */
export interface OutgoingFrame {
  readonly to: ParticipantId;
  readonly bytes: Uint8Array;
}

/** What a change of awareness names; as y-protocols emits it. */
export interface AwarenessChange {
  readonly added: readonly number[];
  readonly updated: readonly number[];
  readonly removed: readonly number[];
}

interface Peer {
  /** Whether it was heard about this document: it has the document open. */
  isPresent: boolean;
  /** Whether its whole state has arrived since its channel opened. */
  isSynced: boolean;
  /** Whether it was given our whole state; later updates then complete it. */
  isAnswered: boolean;
  /** Its last known state vector, if it missed something because its queue was full; else null. */
  owed: Uint8Array | null;
  /** What it said that it has. */
  stateVector: Uint8Array | null;
  /** Until when its silence means that it may still answer. */
  silentUntilMs: number;
}

/** A participant that does not answer about a document for so long does not have it open. */
const ANSWER_DEADLINE_MS = 3_000;
const MOST_CLIENTS_PER_PEER = 8;

/**
 * Keeps one document and its awareness in step with the same document at other participants, of which each reaches
 * each: what comes from one is therefore not passed on to the others. Decides; the provider owns the channel.
 */
export class DocSync {
  readonly #name: string;
  readonly #doc: Y.Doc;
  readonly #awareness: Awareness;
  readonly #origin: object;
  readonly #peers = new Map<ParticipantId, Peer>();
  /** Which participant speaks for which Yjs client. */
  readonly #owners = new Map<number, ParticipantId>();
  #outgoing: OutgoingFrame[] = [];
  #malformed = 0;

  /** `origin` marks the transactions that apply what others sent. */
  constructor(name: string, doc: Y.Doc, awareness: Awareness, origin: object) {
    this.#name = name;
    this.#doc = doc;
    this.#awareness = awareness;
    this.#origin = origin;
  }

  /** Participants that have this document open. */
  get peers(): ReadonlySet<ParticipantId> {
    return new Set([...this.#peers].filter(([, peer]) => peer.isPresent).map(([id]) => id));
  }

  /** Frames that were dropped because they made no sense. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Whether the whole state of some participant has arrived. */
  get hasSynced(): boolean {
    return [...this.#peers.values()].some((peer) => peer.isSynced);
  }

  /** Whether somebody may still answer. */
  isWaiting(nowMs: number): boolean {
    return [...this.#peers.values()].some((peer) => !peer.isSynced && (peer.isPresent || nowMs < peer.silentUntilMs));
  }

  /** When `isWaiting` changes by itself. */
  nextTickMs(nowMs: number): number | undefined {
    const due = [...this.#peers.values()]
      .filter((peer) => !peer.isPresent && nowMs < peer.silentUntilMs)
      .map((peer) => peer.silentUntilMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** The channel to a participant opened, perhaps again. */
  handleOpen(id: ParticipantId, nowMs: number): void {
    this.#peers.set(id, {
      isPresent: false,
      isSynced: false,
      isAnswered: false,
      owed: null,
      stateVector: null,
      silentUntilMs: nowMs + ANSWER_DEADLINE_MS,
    });
    this.#ask(id, false);
    this.#sendAwareness(id);
  }

  /** The channel to a participant closed: its cursors go, and come back with it. */
  handleClose(id: ParticipantId): void {
    this.#peers.delete(id);
    const clients = [...this.#owners].filter(([, owner]) => owner === id).map(([client]) => client);
    for (const client of clients) {
      this.#owners.delete(client);
      // With its clock: else the very same state would be taken for an old one when the channel opens again.
      this.#awareness.meta.delete(client);
    }
    removeAwarenessStates(this.#awareness, clients, this.#origin);
  }

  /** A frame came in. Never throws: what makes no sense is dropped and counted. */
  handleFrame(id: ParticipantId, bytes: Uint8Array): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) {
      return;
    }
    try {
      const frame = decodeFrame(this.#name, bytes);
      if (frame !== 'other') {
        this.#handle(id, peer, frame);
        peer.isPresent = true;
      }
    } catch {
      this.#malformed += 1;
    }
  }

  /** The document changed. */
  handleUpdate(update: Uint8Array, origin: unknown): void {
    if (origin === this.#origin) {
      return;
    }
    for (const id of this.#peers.keys()) {
      this.#send(id, { kind: 'update', update });
    }
  }

  /** The awareness changed. */
  handleAwareness({ added, updated, removed }: AwarenessChange): void {
    const own = this.#awareness.clientID;
    if ([...added, ...updated, ...removed].includes(own)) {
      for (const id of this.#peers.keys()) {
        this.#sendAwareness(id);
      }
    }
  }

  /** A frame could not be sent because too much waits: the participant gets what it missed later. */
  handleRefused(id: ParticipantId): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) {
      peer.owed = peer.stateVector ?? new Uint8Array([0]);
    }
  }

  /** Forgets everybody: the provider is disconnected. */
  reset(): void {
    for (const id of [...this.#peers.keys()]) {
      this.handleClose(id);
    }
    this.#outgoing = [];
  }

  /** What to send now, in order; each frame is handed out once. */
  takeOutgoing(): OutgoingFrame[] {
    return this.#outgoing.splice(0);
  }

  #handle(id: ParticipantId, peer: Peer, frame: DocFrame): void {
    switch (frame.kind) {
      case 'step1':
        this.#answer(id, peer, frame);
        break;
      case 'step2':
        Y.applyUpdate(this.#doc, frame.update, this.#origin);
        peer.isSynced = true;
        break;
      case 'update':
        Y.applyUpdate(this.#doc, frame.update, this.#origin);
        break;
      case 'awareness':
        this.#applyAwareness(id, frame.update);
    }
  }

  #answer(id: ParticipantId, peer: Peer, frame: DocFrame & { kind: 'step1' }): void {
    if (frame.isQuestionBack && peer.isAnswered) {
      // Has everything: the answer to its first question, and each update since.
      return;
    }
    const update = Y.encodeStateAsUpdate(this.#doc, frame.stateVector);
    peer.isAnswered = true;
    peer.stateVector = frame.stateVector;
    peer.owed = null;
    this.#send(id, { kind: 'step2', update });
    if (!frame.isQuestionBack) {
      // It may have opened the document only now, so that our own first question was lost on it.
      this.#ask(id, true);
      this.#sendAwareness(id);
    }
  }

  #applyAwareness(id: ParticipantId, update: Uint8Array): void {
    const own = this.#awareness.clientID;
    const entries = decodeAwareness(update).filter(({ clientId }) => clientId !== own && this.#claim(id, clientId));
    applyAwarenessUpdate(this.#awareness, encodeAwareness(entries), this.#origin);
  }

  /**
   * Notes that a participant speaks for a Yjs client. A later claim wins, since an editor that lost its session comes
   * back as another participant before the old one is gone.
   */
  #claim(id: ParticipantId, client: number): boolean {
    if (this.#owners.get(client) === id) {
      return true;
    }
    const claimed = [...this.#owners.values()].filter((owner) => owner === id).length;
    if (claimed >= MOST_CLIENTS_PER_PEER) {
      return false;
    }
    this.#owners.set(client, id);
    return true;
  }

  #ask(id: ParticipantId, isQuestionBack: boolean): void {
    this.#send(id, { kind: 'step1', stateVector: Y.encodeStateVector(this.#doc), isQuestionBack });
  }

  #sendAwareness(id: ParticipantId): void {
    const own = this.#awareness.clientID;
    if (this.#awareness.meta.has(own)) {
      this.#send(id, { kind: 'awareness', update: encodeAwarenessUpdate(this.#awareness, [own]) });
    }
  }

  #send(to: ParticipantId, frame: DocFrame): void {
    const peer = this.#peers.get(to);
    if (peer !== undefined && peer.owed !== null) {
      // First everything since what it last said to have. Awareness is renewed all the time, so this comes soon.
      const update = Y.encodeStateAsUpdate(this.#doc, peer.owed);
      peer.owed = null;
      this.#outgoing.push({ to, bytes: encodeFrame(this.#name, { kind: 'update', update }) });
      if (frame.kind === 'update') {
        return;
      }
    }
    this.#outgoing.push({ to, bytes: encodeFrame(this.#name, frame) });
  }
}
