import { Backoff } from '../signal/backoff';

/** What a `SocketKeeper` wants done; the driver carries it out in order. */
export type SocketAction =
  /** Open a socket; whatever socket there was is of no interest any more. */
  | { readonly kind: 'open' }
  | { readonly kind: 'close'; readonly code: number }
  /** Send something that the server answers. */
  | { readonly kind: 'ask' };

/** Why there will be no other socket. */
export interface DocSocketFailure {
  /** The close code of the WebSocket, 4400 to 4499. */
  readonly code: number;
  readonly reason: string;
}

type Phase = 'idle' | 'opening' | 'open' | 'waiting' | 'suspended' | 'ended';

/** A socket that does not open in this time is given up. */
const OPENING_MS = 10_000;
/** After so much silence the server is asked. */
const SILENCE_MS = 15_000;
/** A question that is not answered in this time means a lost socket. */
const ANSWER_MS = 6_000;
/** A socket that lived this long clears the back-off; a shorter one might be part of a loop. */
const STABLE_MS = 5_000;

const CLOSE_NORMAL = 1000;
const CLOSE_ABANDONED = 4000;

/** Keeps one socket to the server open, over any number of lost ones. Decides; `DocSocket` owns the socket. */
export class SocketKeeper {
  readonly #backoff: Backoff;
  #phase: Phase = 'idle';
  /** Whether a question would be answered: the server says nothing about a document that it has closed. */
  #isAnswering = true;
  #actions: SocketAction[] = [];
  #failure: DocSocketFailure | null = null;
  #openedMs = 0;
  #heardMs = 0;
  /** Until when what was asked must be answered. */
  #answerDueMs: number | null = null;
  #attemptDueMs = 0;
  #retryAtMs = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#backoff = new Backoff(random);
  }

  /** Why it was given up; null: it was not. */
  get failure(): DocSocketFailure | null {
    return this.#failure;
  }

  /** Begins. */
  start(nowMs: number): void {
    this.#open(nowMs);
  }

  /** The socket is open. */
  handleOpen(nowMs: number): void {
    if (this.#phase === 'opening') {
      this.#phase = 'open';
      this.#isAnswering = true;
      this.#openedMs = nowMs;
      this.#heardMs = nowMs;
      this.#answerDueMs = null;
    }
  }

  /** Something came in, or what was to be sent left. */
  handleAlive(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#answerDueMs = null;
  }

  /** The server began to serve the document, or stopped it; the socket stays. */
  setAnswering(isAnswering: boolean): void {
    this.#isAnswering = isAnswering;
    this.#answerDueMs = null;
  }

  /** The socket closed, or could not be opened. */
  handleClose(code: number, reason: string, nowMs: number): void {
    if (this.#phase !== 'opening' && this.#phase !== 'open') {
      return;
    }
    if (code >= 4400 && code < 4500) {
      this.#phase = 'ended';
      this.#failure = { code, reason };
    } else {
      this.#wait(nowMs);
    }
  }

  /** The browser says that there is a network again. */
  handleOnline(nowMs: number): void {
    this.#backoff.reset();
    if (this.#phase === 'waiting') {
      this.#retryAtMs = nowMs;
    } else if (this.#phase === 'open' && this.#isAnswering) {
      // The socket may belong to the old network.
      this.#ask(nowMs);
    }
  }

  /** The page goes away, perhaps to come back with "back". */
  handlePageHide(): void {
    if (this.#phase !== 'idle' && this.#phase !== 'ended') {
      this.#phase = 'suspended';
      this.#actions.push({ kind: 'close', code: CLOSE_NORMAL });
    }
  }

  /** The page came back as it was. */
  handlePageShow(nowMs: number): void {
    if (this.#phase === 'suspended') {
      this.#open(nowMs);
    }
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    if (this.#phase === 'waiting' && nowMs >= this.#retryAtMs) {
      this.#open(nowMs);
    } else if (this.#phase === 'opening' && nowMs >= this.#attemptDueMs) {
      this.#abandon(nowMs);
    } else if (this.#phase === 'open' && this.#isAnswering) {
      this.#tickOpen(nowMs);
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    switch (this.#phase) {
      case 'waiting':
        return this.#retryAtMs;
      case 'opening':
        return this.#attemptDueMs;
      case 'open':
        return this.#isAnswering ? (this.#answerDueMs ?? this.#heardMs + SILENCE_MS) : undefined;
      default:
        return undefined;
    }
  }

  /** Ends it. */
  close(): void {
    if (this.#phase !== 'ended') {
      this.#phase = 'ended';
      this.#actions.push({ kind: 'close', code: CLOSE_NORMAL });
    }
  }

  /** What to do now, in order; each action is handed out once. */
  takeActions(): SocketAction[] {
    return this.#actions.splice(0);
  }

  #tickOpen(nowMs: number): void {
    if (this.#answerDueMs !== null && nowMs >= this.#answerDueMs) {
      this.#abandon(nowMs);
    } else if (this.#answerDueMs === null && nowMs >= this.#heardMs + SILENCE_MS) {
      this.#ask(nowMs);
    }
  }

  #ask(nowMs: number): void {
    this.#answerDueMs ??= nowMs + ANSWER_MS;
    this.#actions.push({ kind: 'ask' });
  }

  #abandon(nowMs: number): void {
    this.#actions.push({ kind: 'close', code: CLOSE_ABANDONED });
    this.#wait(nowMs);
  }

  #wait(nowMs: number): void {
    if (this.#phase === 'open' && nowMs - this.#openedMs >= STABLE_MS) {
      this.#backoff.reset();
    }
    this.#phase = 'waiting';
    this.#retryAtMs = nowMs + this.#backoff.nextDelayMs();
  }

  #open(nowMs: number): void {
    this.#phase = 'opening';
    this.#attemptDueMs = nowMs + OPENING_MS;
    this.#actions.push({ kind: 'open' });
  }
}
