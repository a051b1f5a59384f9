/** What to do about a connection that is not good. */
export type Remedy = 'restart_ice' | 'new_generation';

/** `RTCPeerConnection.connectionState`, without the end. */
export type ConnectionState = Exclude<RTCPeerConnectionState, 'closed'>;

/** A short loss of packets looks like `disconnected` and mostly heals by itself. */
const DISCONNECTED_GRACE_MS = 2_000;
/** The polite side leaves the repair to the other side first, so that not both restart at the same time. */
const POLITE_EXTRA_MS = 3_000;
const GENERATION_DEADLINE_MS = 15_000;
const LONGEST_DEADLINE_MS = 60_000;

/**
 * Watches one connection and says when it needs an ICE restart or, if that did not help, a new generation.
 *
 * While the other side cannot be reached by signaling nothing is decided: no remedy could be agreed on. Losing the
 * signaling alone is no reason for a remedy either.
 */
export class LinkHealth {
  readonly #extraMs: number;
  #state: ConnectionState = 'new';
  #wasConnected = false;
  #failures = 0;
  #isReachable = true;
  /** When an ICE restart is due; null: not before the state changes. */
  #restartAtMs: number | null = null;
  #deadlineMs: number | null;

  constructor(isPolite: boolean, nowMs: number) {
    this.#extraMs = isPolite ? POLITE_EXTRA_MS : 0;
    this.#deadlineMs = nowMs + this.#generationMs();
  }

  /** Whether it ever was connected, in any generation. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  /** Generations in a row that did not connect. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether media flows as far as the browser knows. */
  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** The browser reports a new state. */
  handleState(state: ConnectionState, nowMs: number): void {
    const before = this.#state;
    this.#state = state;
    if (state === 'connected') {
      this.#wasConnected = true;
      this.#failures = 0;
      this.#restartAtMs = null;
      this.#deadlineMs = null;
    } else if (state === 'failed' && before !== 'failed') {
      this.#restartAtMs = nowMs + this.#extraMs;
    } else if (state === 'disconnected' && before === 'connected') {
      this.#restartAtMs = nowMs + DISCONNECTED_GRACE_MS + this.#extraMs;
    }
    // `connecting` clears nothing: it is what a restart goes through, and the deadline judges whether it helped.
  }

  /** A fresh connection took the place of the old one. */
  handleGeneration(nowMs: number): void {
    this.#state = 'new';
    this.#restartAtMs = null;
    this.#deadlineMs = nowMs + this.#generationMs();
  }

  /** The other side restarted ICE: nothing is gained by a restart of our own. */
  handleRemoteRestart(nowMs: number): void {
    if (!this.isConnected) {
      this.#restartAtMs = null;
      this.#deadlineMs ??= nowMs + this.#generationMs();
    }
  }

  /** Whether signaling reaches the other side: both sockets are there. */
  setReachable(isReachable: boolean, nowMs: number): void {
    if (isReachable && !this.#isReachable) {
      // The time without signaling does not count: no remedy had a chance.
      if (this.#deadlineMs !== null) {
        this.#deadlineMs = nowMs + this.#generationMs();
      }
      if (this.#restartAtMs !== null) {
        this.#restartAtMs = Math.max(this.#restartAtMs, nowMs + this.#extraMs);
      }
    }
    this.#isReachable = isReachable;
  }

  /** What is due now, if anything. */
  handleTick(nowMs: number): Remedy | null {
    if (!this.#isReachable) {
      return null;
    }
    if (this.#deadlineMs !== null && nowMs >= this.#deadlineMs) {
      this.#failures += 1;
      return 'new_generation';
    }
    if (this.#restartAtMs !== null && nowMs >= this.#restartAtMs) {
      this.#restartAtMs = null;
      this.#deadlineMs ??= nowMs + this.#generationMs();
      return 'restart_ice';
    }
    return null;
  }

  /** When `handleTick` has something to say. */
  nextTickMs(): number | undefined {
    if (!this.#isReachable) {
      return undefined;
    }
    const due = Math.min(this.#deadlineMs ?? Infinity, this.#restartAtMs ?? Infinity);
    return due === Infinity ? undefined : due;
  }

  /** Longer after every failure: a pair that no path connects must not work for nothing all the time. */
  #generationMs(): number {
    return Math.min(LONGEST_DEADLINE_MS, GENERATION_DEADLINE_MS * 2 ** this.#failures) + this.#extraMs;
  }
}
