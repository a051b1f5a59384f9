/** What to do about a connection that is not good. */
export type Remedy = 'restart_ice' | 'new_generation';

/** `RTCPeerConnection.connectionState`, without the end. */
export type ConnectionState = Exclude<RTCPeerConnectionState, 'closed'>;

/** Browsers themselves notice a dead path only after 5 to 10 s. The other side says something every second. */
const SILENCE_MS = 2_000;
/** How long ago bytes that were counted came in, on average. */
const COUNT_AGE_MS = 500;
/** A timer this late means that the page itself stood still; what came in meanwhile waits to be handled. */
const LATE_MS = 500;
/** A short loss of packets mostly heals by itself. */
const RESTART_GRACE_MS = 1_000;
/** The polite side leaves the repair to the other side first, so that not both restart at the same time. */
const POLITE_EXTRA_MS = 2_000;
const POLITE_AFTER_FAILURE_MS = 3_000;
const GENERATION_DEADLINE_MS = 15_000;
const LONGEST_DEADLINE_MS = 60_000;
/** So long an interruption still counts as "there" for somebody whom signaling has lost sight of. */
const ALIVE_GRACE_MS = 10_000;

/**
 * Watches one connection and says when it needs an ICE restart or, if that did not help, a new generation.
 *
 * While the other side cannot be reached by signaling nothing is decided: no remedy could be agreed on. Losing the
 * signaling alone is no reason for a remedy either.
 */
export class LinkHealth {
  readonly #isPolite: boolean;
  #state: ConnectionState = 'new';
  #wasConnected = false;
  #failures = 0;
  #isReachable = true;
  /** When an ICE restart is due; null: not before the state changes. */
  #restartAtMs: number | null = null;
  #deadlineMs: number | null;
  /** When something was last heard of the other side; null: nothing yet in this generation, so silence says nothing. */
  #heardAtMs: number | null = null;
  #inboundBytes: number | null = null;
  #isSilent = false;
  #isExcused = false;
  /** Whether the other side closed its end. */
  #isEnded = false;
  #troubleSinceMs: number | null = null;
  #isGraceOver = false;

  constructor(isPolite: boolean, nowMs: number) {
    this.#isPolite = isPolite;
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

  /** Whether media flows as far as is known. */
  get isConnected(): boolean {
    return this.#state === 'connected' && !this.#isSilent && !this.#isEnded;
  }

  /** Whether it is connected, or was until a moment ago and has not ended. */
  get isAlive(): boolean {
    const mayHeal = this.#troubleSinceMs !== null && !this.#isGraceOver && this.#state !== 'failed' && !this.#isEnded;
    return this.isConnected || mayHeal;
  }

  /** The browser reports a new state. */
  handleState(state: ConnectionState, nowMs: number): void {
    const before = this.#state;
    this.#state = state;
    if (state === before) {
      return;
    }
    if (state === 'connected') {
      this.#wasConnected = true;
      this.#failures = 0;
      this.#heardAtMs = this.#heardAtMs === null ? null : nowMs;
      this.#heal();
    } else if (state === 'failed') {
      this.#beginTrouble(nowMs);
      this.#restartAtMs = nowMs + (this.#isPolite ? POLITE_AFTER_FAILURE_MS : 0);
    } else if (state === 'disconnected' && before === 'connected') {
      this.#beginTrouble(nowMs);
    }
    // `connecting` clears nothing: it is what a restart goes through, and the deadline judges whether it helped.
  }

  /** Something came from the other side. */
  handleHeard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#isExcused = false;
    if (this.#isSilent && this.#state === 'connected') {
      this.#heal();
    }
    this.#isSilent = false;
  }

  /** How many bytes the browser has received in all; media counts as being heard. */
  handleInboundBytes(total: number, nowMs: number): void {
    const isMore = this.#inboundBytes !== null && total > this.#inboundBytes;
    this.#inboundBytes = total;
    if (isMore && this.#heardAtMs !== null) {
      // They came at some time since the last count.
      this.handleHeard(Math.max(this.#heardAtMs, nowMs - COUNT_AGE_MS));
    }
  }

  /** The other side closed its end of the connection. */
  handleEnded(nowMs: number): void {
    this.#isEnded = true;
    this.#beginTrouble(nowMs);
  }

  /** A fresh connection took the place of the old one. */
  handleGeneration(nowMs: number): void {
    this.#state = 'new';
    this.#restartAtMs = null;
    this.#deadlineMs = nowMs + this.#generationMs();
    this.#heardAtMs = null;
    this.#inboundBytes = null;
    this.#isSilent = false;
    this.#isExcused = false;
    this.#isEnded = false;
    this.#troubleSinceMs = null;
    this.#isGraceOver = false;
  }

  /** The other side restarted ICE: nothing is gained by a restart of our own. */
  handleRemoteRestart(nowMs: number): void {
    if (!this.isConnected) {
      this.#restartAtMs = null;
      this.#deadlineMs ??= nowMs + this.#generationMs();
    }
  }

  /** Whether signaling reaches the other side: both sockets are there. Returns whether it does so again. */
  setReachable(isReachable: boolean, nowMs: number): boolean {
    const isBack = isReachable && !this.#isReachable;
    if (isBack) {
      // The time without signaling does not count: no remedy had a chance.
      if (this.#deadlineMs !== null) {
        this.#deadlineMs = nowMs + this.#generationMs();
      }
      if (this.#restartAtMs !== null) {
        this.#restartAtMs = Math.max(this.#restartAtMs, nowMs + this.#extraMs());
      }
    }
    this.#isReachable = isReachable;
    return isBack;
  }

  /** What is due now, if anything. */
  handleTick(nowMs: number): Remedy | null {
    this.#checkSilence(nowMs);
    if (this.#troubleSinceMs !== null && nowMs >= this.#troubleSinceMs + ALIVE_GRACE_MS) {
      this.#isGraceOver = true;
    }
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
    const due = [this.#silenceDueMs()];
    if (this.#troubleSinceMs !== null && !this.#isGraceOver) {
      due.push(this.#troubleSinceMs + ALIVE_GRACE_MS);
    }
    if (this.#isReachable) {
      due.push(this.#deadlineMs ?? Infinity, this.#restartAtMs ?? Infinity);
    }
    const first = Math.min(...due);
    return first === Infinity ? undefined : first;
  }

  #checkSilence(nowMs: number): void {
    const dueMs = this.#silenceDueMs();
    if (nowMs < dueMs) {
      return;
    }
    if (nowMs > dueMs + LATE_MS && !this.#isExcused) {
      // The page slept. Once only, since some browsers run the timers of hidden pages late as a rule.
      this.#isExcused = true;
      this.#heardAtMs = nowMs - SILENCE_MS / 2;
      return;
    }
    this.#isSilent = true;
    this.#beginTrouble(nowMs);
  }

  #silenceDueMs(): number {
    const isWatched = this.#state === 'connected' && !this.#isSilent && !this.#isEnded;
    return isWatched && this.#heardAtMs !== null ? this.#heardAtMs + SILENCE_MS : Infinity;
  }

  #beginTrouble(nowMs: number): void {
    if (this.#troubleSinceMs === null) {
      this.#troubleSinceMs = nowMs;
      this.#isGraceOver = false;
    }
    if (this.#deadlineMs === null) {
      this.#restartAtMs ??= nowMs + RESTART_GRACE_MS + this.#extraMs();
    }
  }

  #heal(): void {
    this.#isSilent = false;
    this.#troubleSinceMs = null;
    this.#isGraceOver = false;
    if (!this.#isEnded) {
      this.#restartAtMs = null;
      this.#deadlineMs = null;
    }
  }

  #extraMs(): number {
    return this.#isPolite ? POLITE_EXTRA_MS : 0;
  }

  /** Longer after every failure: a pair that no path connects must not work for nothing all the time. */
  #generationMs(): number {
    return Math.min(LONGEST_DEADLINE_MS, GENERATION_DEADLINE_MS * 2 ** this.#failures) + this.#extraMs();
  }
}
