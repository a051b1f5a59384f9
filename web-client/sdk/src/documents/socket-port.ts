import { Emitter } from '../events';
import { cutFrame, FrameReader, LARGEST_FRAME_BYTES } from './messages';
import type { DocumentsPort } from './port';

/** Beyond so much that waits, nothing more is taken. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;
/** The browser's own buffer is filled up to here, so that a text message sent meanwhile does not wait for long. */
const BUFFERED_HIGH_BYTES = 256 * 1024;
/** A socket does not tell when its buffer shrinks. */
const PUMP_MS = 10;

/** The part of a WebSocket that carries frames. */
export type FrameSocket = Pick<WebSocket, 'readyState' | 'bufferedAmount' | 'send'>;

interface PortEvents {
  open: () => void;
  close: () => void;
  message: (frame: Uint8Array) => void;
}

const OPEN = 1;

/** The documents of one socket after the other; whoever owns the socket attaches it, and passes on what it receives. */
export class SocketPort implements DocumentsPort {
  readonly #events = new Emitter<PortEvents>();
  readonly #handleProgress: () => void;
  #socket: FrameSocket | null = null;
  #reader = new FrameReader();
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;
  #bufferedBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `handleProgress` is called while a large frame leaves: what the browser gets rid of, the network has taken. */
  constructor(handleProgress: () => void = () => undefined) {
    this.#handleProgress = handleProgress;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  send(frame: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === null || socket.readyState !== OPEN || frame.length > LARGEST_FRAME_BYTES) {
      return false;
    }
    if (this.#waitingBytes + socket.bufferedAmount > MOST_WAITING_BYTES) {
      return false;
    }
    for (const message of cutFrame(frame)) {
      this.#waiting.push(message);
      this.#waitingBytes += message.length;
    }
    this.#pump(socket);
    return true;
  }

  on(event: 'open' | 'close', handler: () => void): () => void;
  on(event: 'message', handler: (frame: Uint8Array) => void): () => void;
  on<K extends keyof PortEvents>(event: K, handler: PortEvents[K]): () => void {
    return this.#events.on(event, handler);
  }

  /** The server listens on this socket from now on. */
  attach(socket: FrameSocket): void {
    this.detach();
    this.#socket = socket;
    this.#events.emit('open');
  }

  /** The socket is of no use any more. */
  detach(): void {
    if (this.#socket === null) {
      return;
    }
    this.#socket = null;
    this.#reader = new FrameReader();
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#bufferedBytes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#events.emit('close');
  }

  /** A binary message came in. */
  receive(message: Uint8Array): void {
    if (this.#socket === null) {
      return;
    }
    const frame = this.#reader.push(message);
    if (frame !== null) {
      this.#events.emit('message', frame);
    }
  }

  #pump(socket: FrameSocket): void {
    if (socket.bufferedAmount < this.#bufferedBytes) {
      this.#handleProgress();
    }
    let sent = 0;
    for (const message of this.#waiting) {
      if (socket.bufferedAmount >= BUFFERED_HIGH_BYTES || socket.readyState !== OPEN) {
        break;
      }
      socket.send(message);
      this.#waitingBytes -= message.length;
      sent += 1;
    }
    this.#waiting.splice(0, sent);
    this.#bufferedBytes = socket.bufferedAmount;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) {
      this.#timer = setTimeout(() => this.#pump(socket), PUMP_MS);
    }
  }
}
