import type { ParticipantId } from '@stoa/client';
import * as Y from 'yjs';
import { decodePeerFrame, encodeFrame } from './frames';
import type { SharedFrame, SyncFrame } from './frames';
import type { AwarenessChange, Presence } from './presence';

/** A frame to send to one participant. */
export interface PeerMessage {
  readonly to: ParticipantId;
  readonly bytes: Uint8Array;
}

/** Who may do what with the document. What others send directly the server does not see, so each checks for itself. */
export interface PeerRights {
  /** Whether a participant may see it. */
  mayRead(id: ParticipantId): boolean;
  /** Whether a participant may change it. */
  mayWrite(id: ParticipantId): boolean;
  /** Whether oneself may send anything at all. */
  readonly mayTalk: boolean;
  /** Whether oneself may change it. */
  readonly mayWriteOneself: boolean;
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
}

/**
 * Keeps one document and its awareness in step with the same document at other participants, of which each reaches
 * each: what comes from one is therefore not passed on to the others. Decides; the provider owns the channel.
 */
export class PeerSync {
  readonly #name: string;
  readonly #doc: Y.Doc;
  readonly #presence: Presence;
  readonly #origin: object;
  readonly #rights: PeerRights;
  readonly #peers = new Map<ParticipantId, Peer>();
  #outgoing: PeerMessage[] = [];
  #malformed = 0;

  /** `name` tells the document and its epoch; `origin` marks the transactions that apply what others sent. */
  constructor(name: string, doc: Y.Doc, presence: Presence, origin: object, rights: PeerRights) {
    this.#name = name;
    this.#doc = doc;
    this.#presence = presence;
    this.#origin = origin;
    this.#rights = rights;
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

  /** The channel to a participant opened, perhaps again. */
  handleOpen(id: ParticipantId): void {
    this.#peers.set(id, { isPresent: false, isSynced: false, isAnswered: false, owed: null, stateVector: null });
    this.#ask(id, false);
    this.#sendAwareness(id);
  }

  /** The channel to a participant closed: its cursors go, and come back with it. */
  handleClose(id: ParticipantId): void {
    this.#peers.delete(id);
    this.#presence.drop(id);
  }

  /** Somebody's rights changed, perhaps one's own: begins anew with everybody whom that concerns. */
  handleRights(ids: Iterable<ParticipantId>): void {
    for (const id of ids) {
      if (this.#peers.has(id)) {
        this.handleClose(id);
        this.handleOpen(id);
      }
    }
  }

  /** A frame came in. Never throws: what makes no sense is dropped and counted. */
  handleFrame(id: ParticipantId, bytes: Uint8Array): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || !this.#rights.mayRead(id)) {
      return;
    }
    try {
      const frame = decodePeerFrame(this.#name, bytes);
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
  handleAwareness(change: AwarenessChange): void {
    if (this.#presence.concernsOwn(change)) {
      for (const id of this.#peers.keys()) {
        this.#sendAwareness(id);
      }
    }
  }

  /** A frame could not be sent because too much waits: the participant gets what it missed later. */
  handleUnsent(id: ParticipantId): void {
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
  takeOutgoing(): PeerMessage[] {
    return this.#outgoing.splice(0);
  }

  #handle(id: ParticipantId, peer: Peer, frame: SharedFrame): void {
    switch (frame.kind) {
      case 'step1':
        this.#answer(id, peer, frame);
        break;
      case 'step2':
      case 'update':
        if (this.#rights.mayWrite(id)) {
          Y.applyUpdate(this.#doc, frame.update, this.#origin);
          peer.isSynced ||= frame.kind === 'step2';
        }
        break;
      case 'awareness':
        this.#presence.apply(id, frame.update);
        break;
      case 'query':
        this.#sendAwareness(id);
    }
  }

  #answer(id: ParticipantId, peer: Peer, frame: SyncFrame & { kind: 'step1' }): void {
    const isQuestionBack = frame.isQuestionBack ?? false;
    if (isQuestionBack && peer.isAnswered) {
      // Has everything: the answer to its first question, and each update since.
      return;
    }
    const update = Y.encodeStateAsUpdate(this.#doc, frame.stateVector);
    peer.isAnswered = true;
    peer.stateVector = frame.stateVector;
    peer.owed = null;
    this.#send(id, { kind: 'step2', update });
    if (!isQuestionBack) {
      // It may have opened the document only now, so that our own first question was lost on it.
      this.#ask(id, true);
      this.#sendAwareness(id);
    }
  }

  #ask(id: ParticipantId, isQuestionBack: boolean): void {
    this.#send(id, { kind: 'step1', stateVector: Y.encodeStateVector(this.#doc), isQuestionBack });
  }

  #sendAwareness(id: ParticipantId): void {
    const update = this.#presence.encodeOwn();
    if (update !== null) {
      this.#send(id, { kind: 'awareness', update });
    }
  }

  #send(to: ParticipantId, frame: SharedFrame): void {
    const peer = this.#peers.get(to);
    if (peer === undefined || !this.#maySend(to, frame)) {
      return;
    }
    if (peer.owed !== null && this.#rights.mayWriteOneself) {
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

  #maySend(to: ParticipantId, frame: SharedFrame): boolean {
    const isAllowed = this.#rights.mayWriteOneself || frame.kind === 'awareness';
    return isAllowed && this.#rights.mayTalk && this.#rights.mayRead(to);
  }
}
