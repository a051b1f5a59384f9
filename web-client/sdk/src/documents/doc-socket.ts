import { Emitter } from '../events';
import { Doubt, isServerUp } from '../signal/probe';
import type { DocumentsPort } from './port';
import { SocketKeeper } from './socket-keeper';
import type { DocSocketFailure, SocketAction } from './socket-keeper';
import { SocketPort } from './socket-port';

export type { DocSocketFailure } from './socket-keeper';

/** The subprotocol of the WebSocket; the number is that of the wire protocol. */
const SUBPROTOCOL = 'stoa.v1.docs';
const MESSAGE_AWARENESS_QUERY = 3;
const MESSAGE_OPENED = 101;
const MESSAGE_CLOSED = 107;

/** How to reach a document without a room. */
export interface DocSocketOptions {
  /** `ws(s)://host`, of which the path is left out. */
  readonly url: string;
  /** Name of the document. */
  readonly doc: string;
  /** Proof of rights, when the server asks for one. */
  readonly token?: string;
}

/**
 * The way to the server for one document, over a socket of its own. Comes back by itself after every loss, until it is
 * closed or the server says that there is no use.
 */
export class DocSocket implements DocumentsPort {
  readonly #url: string;
  readonly #question: Uint8Array;
  readonly #keeper = new SocketKeeper(Math.random);
  readonly #port = new SocketPort(() => this.#run((nowMs) => this.#keeper.handleAlive(nowMs)));
  readonly #events = new Emitter<{ failed: (failure: DocSocketFailure) => void }>();
  readonly #doubt = new Doubt();
  #asking: AbortController | null = null;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins at once. */
  constructor({ url, doc, token }: DocSocketOptions) {
    const address = new URL(`/yjs/${encodeURIComponent(doc)}`, url);
    if (token !== undefined) {
      address.searchParams.set('token', token);
    }
    this.#url = address.href;
    this.#question = awarenessQuery(doc);
    this.#port.on('message', (frame) => this.#noteService(frame));
    globalThis.addEventListener('online', this.#onOnline);
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
    this.#run((nowMs) => this.#keeper.start(nowMs));
  }

  get isOpen(): boolean {
    return this.#port.isOpen;
  }

  /** Why there will be no other socket; null: it goes on. */
  get failure(): DocSocketFailure | null {
    return this.#keeper.failure;
  }

  send(frame: Uint8Array): boolean {
    return this.#port.send(frame);
  }

  on(event: 'open' | 'close', handler: () => void): () => void;
  on(event: 'message', handler: (frame: Uint8Array) => void): () => void;
  on(event: 'failed', handler: (failure: DocSocketFailure) => void): () => void;
  on(event: 'open' | 'close' | 'message' | 'failed', handler: (...args: never[]) => void): () => void {
    if (event === 'failed') {
      return this.#events.on(event, handler as (failure: DocSocketFailure) => void);
    }
    return this.#port.on(event as 'message', handler as (frame: Uint8Array) => void);
  }

  /** Closes it for good. Idempotent. */
  close(): void {
    globalThis.removeEventListener('online', this.#onOnline);
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    this.#run(() => this.#keeper.close());
  }

  readonly #onOnline = (): void => {
    this.#run((nowMs) => this.#keeper.handleOnline(nowMs));
  };

  readonly #onPageHide = (): void => {
    this.#run(() => this.#keeper.handlePageHide());
  };

  readonly #onPageShow = (): void => {
    this.#run((nowMs) => this.#keeper.handlePageShow(nowMs));
  };

  #run(step: (nowMs: number) => void): void {
    step(performance.now());
    for (const action of this.#keeper.takeActions()) {
      this.#perform(action);
    }
    clearTimeout(this.#timer);
    const dueMs = this.#keeper.nextTickMs();
    if (dueMs !== undefined) {
      const waitMs = Math.max(0, dueMs - performance.now());
      this.#timer = setTimeout(() => this.#run((nowMs) => this.#keeper.handleTick(nowMs)), waitMs);
    }
  }

  #perform(action: SocketAction): void {
    switch (action.kind) {
      case 'open':
        this.#drop(1000);
        if (this.#doubt.shallAsk()) {
          void this.#connectIfUp();
        } else {
          this.#connect();
        }
        break;
      case 'close':
        this.#drop(action.code);
        break;
      case 'ask':
        this.#port.send(this.#question);
    }
  }

  /** Opens a socket only if the server is there. */
  async #connectIfUp(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    const isUp = await isServerUp(new URL('/v1/ws', this.#url).href, asking.signal);
    if (asking.signal.aborted) {
      return;
    }
    if (isUp) {
      this.#connect();
    } else {
      this.#doubt.handleNo();
      this.#run((nowMs) => this.#keeper.handleClose(1006, '', nowMs));
    }
  }

  #connect(): void {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, SUBPROTOCOL);
    } catch {
      queueMicrotask(() => this.#run((nowMs) => this.#keeper.handleClose(1006, '', nowMs)));
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    let hasOpened = false;
    socket.onopen = () => {
      hasOpened = true;
      this.#doubt.handleOpened();
      if (this.#socket === socket) {
        this.#run((nowMs) => this.#keeper.handleOpen(nowMs));
        this.#port.attach(socket);
      }
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#socket === socket && data instanceof ArrayBuffer) {
        this.#run((nowMs) => this.#keeper.handleAlive(nowMs));
        this.#port.receive(new Uint8Array(data));
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (!hasOpened) {
        this.#doubt.handleFailed();
      }
      if (this.#socket === socket) {
        this.#handleClose(code, reason);
      }
    };
  }

  #handleClose(code: number, reason: string): void {
    this.#socket = null;
    this.#run((nowMs) => this.#keeper.handleClose(code, reason, nowMs));
    this.#port.detach();
    if (this.#keeper.failure !== null) {
      this.#events.emit('failed', this.#keeper.failure);
    }
  }

  /** All frames are about the one document, so that the type stands where that of the question does. */
  #noteService(frame: Uint8Array): void {
    const type = frame[this.#question.length - 1];
    if (type === MESSAGE_OPENED || type === MESSAGE_CLOSED) {
      this.#run(() => this.#keeper.setAnswering(type === MESSAGE_OPENED));
    }
  }

  #drop(code: number): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#asking?.abort();
    this.#asking = null;
    this.#port.detach();
    socket?.close(code);
  }
}

/** A question that the server answers about a document that is followed. */
function awarenessQuery(doc: string): Uint8Array {
  const name = new TextEncoder().encode(doc);
  const bytes: number[] = [];
  let length = name.length;
  for (; length > 0x7f; length >>>= 7) {
    bytes.push((length & 0x7f) | 0x80);
  }
  return Uint8Array.from([...bytes, length, ...name, MESSAGE_AWARENESS_QUERY]);
}
