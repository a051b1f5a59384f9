import { SocketPort } from '../documents/socket-port';
import { sayGoodbye } from './farewell';
import { parseServerFrame } from './parse';
import { Doubt, isServerUp } from './probe';
import type { RequestMessage } from './requests';
import type { Reply, SignalEffect } from './effects';
import type { SignalSession } from './session';

/** The subprotocol of the WebSocket; the number is that of the wire protocol. */
export const SUBPROTOCOL = 'stoa.v1.json';

/** The effects that the room deals with; the others end here. */
export type SignalEvent = Exclude<SignalEffect, { kind: 'open' | 'send' | 'close' | 'settled' | 'renew_token' }>;

/** Gets a new token. */
export type TokenSource = () => string | Promise<string>;

/** Drives a `SignalSession`: owns its socket and its timer, and nothing that needs a decision. */
export class SignalConnection {
  /** The way for documents: open from each welcome until its socket is lost. */
  readonly documents = new SocketPort(() => this.#run((nowMs) => this.#session.handleAlive(nowMs)));
  readonly #url: string;
  readonly #session: SignalSession;
  readonly #handle: (event: SignalEvent) => void;
  readonly #renewToken: TokenSource | null;
  readonly #waiting = new Map<number, (error: Error | null, reply: Reply | null) => void>();
  #isRenewing = false;
  readonly #doubt = new Doubt();
  #socket: WebSocket | null = null;
  #question: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isFlushing = false;

  constructor(
    url: string,
    session: SignalSession,
    renewToken: TokenSource | null,
    handle: (event: SignalEvent) => void,
  ) {
    this.#url = url;
    this.#session = session;
    this.#renewToken = renewToken;
    this.#handle = handle;
  }

  /** Opens the first socket. */
  start(): void {
    globalThis.addEventListener('online', this.#onOnline);
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
    this.#run((nowMs) => this.#session.start(nowMs));
  }

  /** Asks something; rejects with a `StoaError` if it is refused or the session ends before. */
  request(message: RequestMessage): Promise<Reply | null> {
    return new Promise((resolve, reject) => {
      this.#run((nowMs) => {
        const id = this.#session.request(message, nowMs);
        this.#waiting.set(id, (error, reply) => (error === null ? resolve(reply) : reject(error)));
      });
    });
  }

  /** Leaves for good, also a session that was to be taken up; safe to call again. */
  leave(): void {
    const { farewell } = this.#session;
    this.#run(() => this.#session.leave());
    this.#stop();
    if (farewell !== null) {
      sayGoodbye(() => this.#createSocket(), farewell);
    }
  }

  /** Whether all links work, so that the call itself goes on during an outage. */
  setLinksHealthy(areHealthy: boolean): void {
    this.#session.setLinksHealthy(areHealthy);
  }

  readonly #onPageHide = (): void => {
    this.#run(() => this.#session.handlePageHide());
  };

  readonly #onPageShow = (): void => {
    this.#run((nowMs) => this.#session.handlePageShow(nowMs));
  };

  readonly #onOnline = (): void => {
    this.#run((nowMs) => this.#session.handleOnline(nowMs));
  };

  #run(step: (nowMs: number) => void): void {
    step(performance.now());
    this.#flush();
  }

  #flush(): void {
    // An effect may lead to a call back into this class; the outer loop then picks up what it left.
    if (this.#isFlushing) {
      return;
    }
    this.#isFlushing = true;
    for (let effects = this.#session.takeEffects(); effects.length > 0; effects = this.#session.takeEffects()) {
      for (const effect of effects) {
        this.#perform(effect);
      }
    }
    this.#isFlushing = false;
    this.#schedule();
  }

  #perform(effect: SignalEffect): void {
    switch (effect.kind) {
      case 'open':
        this.#open();
        break;
      case 'send':
        this.#socket?.send(JSON.stringify(effect.frame));
        break;
      case 'close':
        this.#drop(effect.code, effect.reason);
        break;
      case 'settled':
        this.#waiting.get(effect.id)?.(effect.error, effect.reply);
        this.#waiting.delete(effect.id);
        break;
      case 'renew_token':
        void this.#fetchToken();
        break;
      case 'welcomed':
        this.#handle(effect);
        this.#openDocuments();
        break;
      case 'interrupted':
        this.documents.detach();
        this.#handle(effect);
        break;
      case 'failed':
        this.#stop();
        this.#handle(effect);
        break;
      case 'message':
        this.#handle(effect);
    }
  }

  #openDocuments(): void {
    if (this.#socket !== null) {
      this.documents.attach(this.#socket);
    }
  }

  #open(): void {
    this.#drop(1000, '');
    if (this.#doubt.shallAsk()) {
      void this.#ask();
    } else {
      this.#connect();
    }
  }

  /** Opens a socket only if the server is there. */
  async #ask(): Promise<void> {
    const question = new AbortController();
    this.#question = question;
    const isUp = await isServerUp(this.#url, question.signal);
    if (question.signal.aborted) {
      return;
    }
    if (isUp) {
      this.#connect();
    } else {
      this.#doubt.handleNo();
      this.#run((nowMs) => this.#session.handleClose(1006, nowMs));
    }
  }

  #connect(): void {
    let socket: WebSocket;
    try {
      socket = this.#createSocket();
    } catch {
      // Blocked, for example by a content security policy: the session decides, as with any other refusal.
      queueMicrotask(() => this.#run((nowMs) => this.#session.handleClose(1006, nowMs)));
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    const ifCurrent = (step: (nowMs: number) => void) => {
      if (this.#socket === socket) {
        this.#run(step);
      }
    };
    let hasOpened = false;
    socket.onopen = () => {
      hasOpened = true;
      this.#doubt.handleOpened();
      ifCurrent((nowMs) => this.#session.handleOpen(nowMs));
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) {
        ifCurrent((nowMs) => this.#session.handleAlive(nowMs));
        ifCurrent(() => this.documents.receive(new Uint8Array(data)));
        return;
      }
      const frame = typeof data === 'string' ? parseServerFrame(data) : null;
      ifCurrent((nowMs) => this.#session.handleFrame(frame, nowMs));
    };
    socket.onclose = (event) => {
      if (!hasOpened) {
        this.#doubt.handleFailed();
      }
      ifCurrent((nowMs) => this.#session.handleClose(event.code, nowMs));
    };
  }

  #createSocket(): WebSocket {
    return new WebSocket(this.#url, SUBPROTOCOL);
  }

  async #fetchToken(): Promise<void> {
    if (this.#isRenewing || this.#renewToken === null) {
      return;
    }
    this.#isRenewing = true;
    try {
      const token = await this.#renewToken();
      this.#run((nowMs) => this.#session.handleToken(token, nowMs));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#run((nowMs) => this.#session.handleTokenFailed(reason, nowMs));
    } finally {
      this.#isRenewing = false;
    }
  }

  #drop(code: number, reason: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.documents.detach();
    this.#question?.abort();
    this.#question = null;
    socket?.close(code, reason);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const dueMs = this.#session.nextTickMs();
    if (dueMs !== undefined) {
      const waitMs = Math.max(0, dueMs - performance.now());
      this.#timer = setTimeout(() => this.#run((nowMs) => this.#session.handleTick(nowMs)), waitMs);
    }
  }

  #stop(): void {
    globalThis.removeEventListener('online', this.#onOnline);
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
