/** Largest message that a channel carries, in bytes. */
export const LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Size of one chunk with its header: below the 256 KiB that both engines accept, and fair to other messages. */
export const CHUNK_BYTES = 64 * 1024;
/** Most that may wait in a queue: one message of the largest size and as much again. */
export const LARGEST_QUEUE_BYTES = 2 * LARGEST_MESSAGE_BYTES;
/** The browser's own buffer is filled up to here; beyond it Chromium closes the channel at 16 MiB. */
export const BUFFERED_HIGH_BYTES = 1024 * 1024;

const HEADER_LAST = 0;
const HEADER_MORE = 1;

/** Messages waiting for a data channel, handed out as chunks: one header byte (0 last, 1 more follow) and payload. */
export class ChunkQueue {
  readonly #payloadBytes: number;
  #messages: Uint8Array[] = [];
  #offset = 0;
  #waitingBytes = 0;

  /** `chunkBytes`: size of a chunk with its header. */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.#payloadBytes = chunkBytes - 1;
  }

  /** Whether the next chunk is the first of its message. */
  get isAtBeginning(): boolean {
    return this.#offset === 0;
  }

  /** Bytes that wait, without headers. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes a message. False: it is too large, or too much waits already; nothing of it will be sent. */
  push(message: Uint8Array): boolean {
    if (message.length > LARGEST_MESSAGE_BYTES || this.#waitingBytes + message.length > LARGEST_QUEUE_BYTES) {
      return false;
    }
    // A copy: the caller may reuse its buffer before the last chunk is cut.
    this.#messages.push(message.slice());
    this.#waitingBytes += message.length;
    return true;
  }

  /** The next chunk, or null when nothing waits or the browser has enough to do (`bufferedBytes`). */
  take(bufferedBytes: number): Uint8Array<ArrayBuffer> | null {
    const message = this.#messages[0];
    if (message === undefined || bufferedBytes >= BUFFERED_HIGH_BYTES) {
      return null;
    }
    const payload = message.subarray(this.#offset, this.#offset + this.#payloadBytes);
    const isLast = this.#offset + payload.length === message.length;
    const chunk = new Uint8Array(payload.length + 1);
    chunk[0] = isLast ? HEADER_LAST : HEADER_MORE;
    chunk.set(payload, 1);
    this.#waitingBytes -= payload.length;
    this.#offset += payload.length;
    if (isLast) {
      this.#messages.shift();
      this.#offset = 0;
    }
    return chunk;
  }
}

/** Puts the chunks of one sender together again; holds at most one message of the largest size. */
export class ChunkReader {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isDiscarding = false;
  #dropped = 0;

  /** Messages that were too large or malformed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a chunk; returns the message if this was its last one. */
  push(chunk: Uint8Array): Uint8Array | null {
    const header = chunk[0];
    if (header !== HEADER_LAST && header !== HEADER_MORE) {
      this.#discard();
      return null;
    }
    if (!this.#isDiscarding) {
      this.#bytes += chunk.length - 1;
      if (this.#bytes > LARGEST_MESSAGE_BYTES) {
        this.#discard();
      } else {
        this.#parts.push(chunk.subarray(1));
      }
    }
    if (header === HEADER_MORE) {
      return null;
    }
    const message = this.#isDiscarding ? null : this.#join();
    this.#parts = [];
    this.#bytes = 0;
    this.#isDiscarding = false;
    return message;
  }

  /** Forgets the message under way: chunks of it were lost. What comes next begins one. */
  reset(): void {
    this.#parts = [];
    this.#bytes = 0;
    this.#isDiscarding = false;
  }

  /** Forgets the message under way, and what is still to come of it. */
  #discard(): void {
    if (!this.#isDiscarding) {
      this.#dropped += 1;
    }
    this.#parts = [];
    this.#bytes = 0;
    this.#isDiscarding = true;
  }

  #join(): Uint8Array {
    const message = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const part of this.#parts) {
      message.set(part, offset);
      offset += part.length;
    }
    return message;
  }
}
