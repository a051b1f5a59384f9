import { BUFFERED_HIGH_BYTES, ChunkQueue, ChunkReader } from './chunks';

/** What happens on a data port. */
export interface DataPortHandlers {
  readonly opened: () => void;
  readonly closed: () => void;
  readonly received: (message: Uint8Array) => void;
}

/** Drives one RTCDataChannel: cuts messages into chunks, keeps the browser's buffer short, joins what arrives. */
export class DataPort {
  readonly #channel: RTCDataChannel;
  readonly #queue = new ChunkQueue();
  readonly #reader = new ChunkReader();
  readonly #handlers: DataPortHandlers;
  #isOpen = false;
  #isDetached = false;

  constructor(connection: RTCPeerConnection, label: string, handlers: DataPortHandlers) {
    this.#handlers = handlers;
    // Negotiated by the protocol: both sides make it with the same id, so neither waits for the other's.
    this.#channel = connection.createDataChannel(label, { negotiated: true, id: 0, ordered: true });
    this.#channel.binaryType = 'arraybuffer';
    this.#channel.bufferedAmountLowThreshold = BUFFERED_HIGH_BYTES / 4;
    this.#channel.onopen = () => this.#handleOpen();
    this.#channel.onclose = () => this.detach();
    this.#channel.onbufferedamountlow = () => this.#pump();
    this.#channel.onmessage = (event: MessageEvent<unknown>) => this.#handleMessage(event.data);
  }

  /** Whether messages pass. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends a message; false: not open, too large, or too much waits. */
  send(message: Uint8Array): boolean {
    if (!this.#isOpen || !this.#queue.push(message)) {
      return false;
    }
    this.#pump();
    return true;
  }

  /** Ends it. `closed` is told at once: the browser's own event may come late or, after `close()`, never. */
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
    if (this.#isDetached || !(data instanceof ArrayBuffer)) {
      return;
    }
    const message = this.#reader.push(new Uint8Array(data));
    if (message !== null) {
      this.#handlers.received(message);
    }
  }

  #pump(): void {
    while (this.#channel.readyState === 'open') {
      const chunk = this.#queue.take(this.#channel.bufferedAmount);
      if (chunk === null) {
        return;
      }
      this.#channel.send(chunk);
    }
  }
}
