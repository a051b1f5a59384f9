/** Largest frame that is sent or taken, in bytes. */
export const LARGEST_FRAME_BYTES = 64 * 1024 * 1024;
/** Largest message of a socket with its first byte. */
export const MESSAGE_BYTES = 60 * 1024;

const WHOLE = 0;
const PART = 1;
const LAST_PART = 2;
const BODY_BYTES = MESSAGE_BYTES - 1;

/** Cuts a frame into the messages that carry it: one byte that says what follows, and a body. */
export function* cutFrame(frame: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  let offset = 0;
  do {
    const body = frame.subarray(offset, offset + BODY_BYTES);
    offset += body.length;
    const message = new Uint8Array(body.length + 1);
    message[0] = kindOf(body.length === frame.length, offset === frame.length);
    message.set(body, 1);
    yield message;
  } while (offset < frame.length);
}

function kindOf(isWhole: boolean, isLast: boolean): number {
  if (isWhole) {
    return WHOLE;
  }
  return isLast ? LAST_PART : PART;
}

/** Puts the messages of one socket together to frames again; holds at most one frame of the largest size. */
export class FrameReader {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isDiscarding = false;
  #dropped = 0;

  /** Frames that were too large, and messages that made no sense. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a message; returns the frame if this completes one. */
  push(message: Uint8Array): Uint8Array | null {
    const kind = message[0];
    const body = message.subarray(1);
    switch (kind) {
      case WHOLE:
        if (this.#parts.length > 0) {
          this.#discard();
        }
        this.#isDiscarding = false;
        return body;
      case PART:
        this.#add(body);
        return null;
      case LAST_PART:
        this.#add(body);
        return this.#finish();
      default:
        this.#discard();
        return null;
    }
  }

  #add(body: Uint8Array): void {
    if (this.#isDiscarding) {
      return;
    }
    this.#bytes += body.length;
    if (this.#bytes > LARGEST_FRAME_BYTES) {
      this.#discard();
    } else {
      this.#parts.push(body);
    }
  }

  #finish(): Uint8Array | null {
    const isGood = !this.#isDiscarding;
    const frame = new Uint8Array(isGood ? this.#bytes : 0);
    let offset = 0;
    for (const part of this.#parts) {
      frame.set(part, offset);
      offset += part.length;
    }
    this.#parts = [];
    this.#bytes = 0;
    this.#isDiscarding = false;
    return isGood ? frame : null;
  }

  /** Forgets the frame under way, and what is still to come of it. */
  #discard(): void {
    this.#dropped += 1;
    this.#parts = [];
    this.#bytes = 0;
    this.#isDiscarding = true;
  }
}
