import { ChunkQueue, ChunkReader } from '../link/chunks';
import type { ParticipantId } from '../roster';

/** Characters of a participant's id, which the server puts before what it relays. */
const ID_BYTES = 26;
/** A relayed message with the sender's id before it has to stay below 64 KiB, and one sender must not block others. */
const CHUNK_BYTES = 16 * 1024;
const FLAG_FIRST = 1;
const HEADER_BYTES = 6;

/** What one frame on the server's data channel says. */
export interface StarFrame {
  /** Counts all frames of a sender: a gap tells that the server had to drop some. */
  readonly number: number;
  /** Whether a message begins with it. */
  readonly isFirst: boolean;
  /** Whom it is for; nobody named: everybody. */
  readonly targets: readonly ParticipantId[];
  /** As `ChunkQueue` makes it. */
  readonly chunk: Uint8Array;
}

/** Flags (1 byte), number (4, big endian), count of targets (1), their ids, chunk. */
export function encodeStarFrame({ number, isFirst, targets, chunk }: StarFrame): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER_BYTES + targets.length * ID_BYTES + chunk.length);
  frame[0] = isFirst ? FLAG_FIRST : 0;
  new DataView(frame.buffer).setUint32(1, number);
  frame[5] = targets.length;
  let offset = HEADER_BYTES;
  for (const id of targets) {
    new TextEncoder().encodeInto(id, frame.subarray(offset, offset + ID_BYTES));
    offset += ID_BYTES;
  }
  frame.set(chunk, offset);
  return frame;
}

/** Reads what the server relayed: the sender's id and a frame. Null: it makes no sense. */
export function decodeRelayed(bytes: Uint8Array): { from: ParticipantId; frame: StarFrame } | null {
  const ids = readIds(bytes, 0, 1);
  const count = bytes[ID_BYTES + 5];
  if (ids === null || count === undefined) {
    return null;
  }
  const targets = readIds(bytes, ID_BYTES + HEADER_BYTES, count);
  if (targets === null) {
    return null;
  }
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(ID_BYTES + 1);
  const isFirst = ((bytes[ID_BYTES] ?? 0) & FLAG_FIRST) !== 0;
  const chunk = bytes.subarray(ID_BYTES + HEADER_BYTES + count * ID_BYTES);
  return { from: ids[0] ?? '', frame: { number, isFirst, targets, chunk } };
}

function readIds(bytes: Uint8Array, offset: number, count: number): ParticipantId[] | null {
  if (offset + count * ID_BYTES > bytes.length) {
    return null;
  }
  return Array.from({ length: count }, (_, index) => {
    const start = offset + index * ID_BYTES;
    return String.fromCharCode(...bytes.subarray(start, start + ID_BYTES));
  });
}

/** The frames of one sender on their way to become messages again. */
export class StarReader {
  readonly #reader = new ChunkReader();
  #next: number | null = null;
  #isInside = false;

  /** Takes the next frame; `isMine`: it is for oneself. Tells the message that is complete, and whether some were lost. */
  push(frame: StarFrame, isMine: boolean): { message: Uint8Array | null; isGap: boolean } {
    const isGap = this.#next !== null && frame.number !== this.#next;
    this.#next = (frame.number + 1) >>> 0;
    if (isGap || frame.isFirst) {
      this.#reader.reset();
      this.#isInside = frame.isFirst;
    }
    const message = isMine && this.#isInside ? this.#reader.push(frame.chunk) : null;
    return { message, isGap };
  }
}

/** What happens on the star. */
export interface StarHandlers {
  readonly opened: () => void;
  readonly closed: () => void;
  readonly received: (from: ParticipantId, message: Uint8Array) => void;
  /** Messages of this participant were lost on the way. */
  readonly missed: (from: ParticipantId) => void;
}

interface Outgoing {
  readonly message: Uint8Array;
  readonly targets: ParticipantId[];
}

/**
 * The data channel to the server, which hands every message to everybody else. A message for some is one message all
 * the same: it names whom it is for, and the others pass over it.
 */
export class Star {
  readonly #channel: RTCDataChannel;
  readonly #handlers: StarHandlers;
  readonly #self: () => ParticipantId;
  readonly #queue = new ChunkQueue(CHUNK_BYTES);
  /** Whom the messages in the queue are for, in their order. */
  readonly #targets: ParticipantId[][] = [];
  readonly #readers = new Map<ParticipantId, StarReader>();
  #last: Outgoing | null = null;
  #number = 0;
  #isOpen = false;
  #isDetached = false;

  /** `self` gives the own id. */
  constructor(connection: RTCPeerConnection, self: () => ParticipantId, handlers: StarHandlers) {
    this.#handlers = handlers;
    this.#self = self;
    this.#channel = connection.createDataChannel('docs', { ordered: true });
    this.#channel.binaryType = 'arraybuffer';
    this.#channel.bufferedAmountLowThreshold = CHUNK_BYTES;
    this.#channel.onopen = () => this.#handleOpen();
    this.#channel.onclose = () => this.detach();
    this.#channel.onbufferedamountlow = () => this.#pump();
    this.#channel.onmessage = (event: MessageEvent<unknown>) => this.#handleMessage(event.data);
  }

  /** Whether messages pass. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends a message; false: not open, too large, or too much waits. The same message for several goes once. */
  send(to: ParticipantId, message: Uint8Array): boolean {
    if (!this.#isOpen) {
      return false;
    }
    const last = this.#last;
    if (last !== null && !last.targets.includes(to) && isEqual(last.message, message)) {
      last.targets.push(to);
      return true;
    }
    const targets = [to];
    if (!this.#queue.push(message)) {
      return false;
    }
    this.#targets.push(targets);
    this.#last = { message: message.slice(), targets };
    // What is sent to each of several is sent in one go; then nothing is held back.
    queueMicrotask(() => {
      this.#last = null;
      this.#pump();
    });
    return true;
  }

  /** Who is gone needs no memory. */
  keepOnly(present: ReadonlySet<ParticipantId>): void {
    for (const id of [...this.#readers.keys()]) {
      if (!present.has(id)) {
        this.#readers.delete(id);
      }
    }
  }

  /** Ends it. */
  detach(): void {
    if (this.#isDetached) {
      return;
    }
    this.#isDetached = true;
    this.#channel.close();
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#handlers.closed();
    }
  }

  #handleOpen(): void {
    if (!this.#isDetached) {
      this.#isOpen = true;
      this.#handlers.opened();
    }
  }

  #handleMessage(data: unknown): void {
    const relayed = data instanceof ArrayBuffer && !this.#isDetached ? decodeRelayed(new Uint8Array(data)) : null;
    if (relayed === null) {
      return;
    }
    const { from, frame } = relayed;
    const reader = this.#readers.get(from) ?? new StarReader();
    this.#readers.set(from, reader);
    const isMine = frame.targets.length === 0 || frame.targets.includes(this.#self());
    const { message, isGap } = reader.push(frame, isMine);
    if (isGap) {
      this.#handlers.missed(from);
    }
    if (message !== null) {
      this.#handlers.received(from, message);
    }
  }

  #pump(): void {
    while (this.#channel.readyState === 'open') {
      const isFirst = this.#queue.isAtBeginning;
      const chunk = this.#queue.take(this.#channel.bufferedAmount);
      const targets = this.#targets[0];
      if (chunk === null || targets === undefined) {
        return;
      }
      this.#channel.send(encodeStarFrame({ number: this.#number, isFirst, targets, chunk }));
      this.#number = (this.#number + 1) >>> 0;
      if (this.#queue.isAtBeginning) {
        this.#targets.shift();
      }
    }
  }
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
