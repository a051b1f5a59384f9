import { LinkHealth } from '../link/health';
import type { ConnectionState } from '../link/health';
import type { LinkHealthStatus } from '../link/negotiator';

/** What the negotiation wants done with the connection of this number. */
export type SfuEffect =
  /** Make a fresh `RTCPeerConnection`; the one before is of no use any more. */
  | { readonly kind: 'create'; readonly connection: number }
  /** Close it; another one comes later. */
  | { readonly kind: 'drop'; readonly connection: number }
  /** Create an offer and set it locally; report with `handleLocalSet` or `handleOperationFailed`. */
  | { readonly kind: 'make_offer'; readonly connection: number; readonly restartsIce: boolean }
  /** Send the offer that was set last. */
  | { readonly kind: 'send_offer'; readonly connection: number; readonly offerId: number }
  /** `setRemoteDescription()`; report with `handleAnswerSet` or `handleOperationFailed`. */
  | { readonly kind: 'set_answer'; readonly connection: number; readonly sdp: string }
  /** Take the offer back; report with `handleRolledBack` or `handleOperationFailed`. */
  | { readonly kind: 'roll_back'; readonly connection: number };

type Operation = 'none' | 'setting_local' | 'awaiting_answer' | 'setting_answer' | 'rolling_back';

/** The server answers at once; its answer to a lost offer never comes. */
const ANSWER_MS = 10_000;
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 10_000;
/** An offer that was refused is made again after this, in case it was about the moment. */
const REFUSED_PAUSE_MS = 2_000;
const MOST_REFUSALS = 3;

/**
 * Offers and answers with the server's SFU, over any number of connections. Only the client offers, one offer at a
 * time: whatever changes meanwhile goes into the next one. Decides; the leg owns the `RTCPeerConnection`.
 */
export class SfuNegotiation {
  readonly #random: () => number;
  readonly #health: LinkHealth;
  #effects: SfuEffect[] = [];
  /** The present connection; null: none, until `#resumeAtMs`. */
  #connection: number | null = null;
  #offerId = 0;
  #operation: Operation = 'none';
  #isNeeded = false;
  #restartsIce = false;
  #answerDueMs = Infinity;
  #resumeAtMs = Infinity;
  #retryAtMs = Infinity;
  #refusals = 0;
  #attempts = 0;
  #isReachable = true;

  /** Begins with a first connection. `random` gives numbers in [0, 1). */
  constructor(random: () => number, nowMs: number) {
    this.#random = random;
    this.#health = new LinkHealth(false, nowMs);
    this.#begin(nowMs);
  }

  /** Number of the present connection; null: there is none at the moment. */
  get connection(): number | null {
    return this.#connection;
  }

  /** How it stands. */
  get status(): LinkHealthStatus {
    if (this.#connection !== null && this.#health.isConnected) {
      return 'connected';
    }
    if (this.#attempts > (this.#health.wasConnected ? 1 : 0)) {
      return 'failed';
    }
    return this.#health.wasConnected ? 'interrupted' : 'connecting';
  }

  /** Something is to be agreed on: other sections, or other uses of them. */
  need(nowMs: number): void {
    this.#isNeeded = true;
    this.#pump(nowMs);
  }

  /** The offer is set locally. */
  handleLocalSet(connection: number, nowMs: number): void {
    if (this.#isDoing(connection, 'setting_local')) {
      this.#operation = 'awaiting_answer';
      this.#answerDueMs = nowMs + ANSWER_MS;
      this.#effects.push({ kind: 'send_offer', connection, offerId: this.#offerId });
    }
  }

  /** The server's answer. */
  handleAnswer(connection: number, offerId: number, sdp: string): void {
    if (this.#isDoing(connection, 'awaiting_answer') && offerId === this.#offerId) {
      this.#operation = 'setting_answer';
      this.#answerDueMs = Infinity;
      this.#effects.push({ kind: 'set_answer', connection, sdp });
    }
  }

  /** The answer is set. */
  handleAnswerSet(connection: number, nowMs: number): void {
    if (this.#isDoing(connection, 'setting_answer')) {
      this.#operation = 'none';
      this.#refusals = 0;
      this.#pump(nowMs);
    }
  }

  /** The server does not accept the offer. */
  handleRefused(connection: number, offerId: number, nowMs: number): void {
    if (!this.#isDoing(connection, 'awaiting_answer') || offerId !== this.#offerId) {
      return;
    }
    this.#refusals += 1;
    this.#answerDueMs = Infinity;
    if (!this.#health.wasConnected || this.#refusals >= MOST_REFUSALS) {
      this.#backOff(nowMs);
      return;
    }
    this.#operation = 'rolling_back';
    this.#retryAtMs = nowMs + REFUSED_PAUSE_MS;
    this.#effects.push({ kind: 'roll_back', connection });
  }

  /** The offer is taken back; what it was about is still wanted. */
  handleRolledBack(connection: number, nowMs: number): void {
    if (this.#isDoing(connection, 'rolling_back')) {
      this.#operation = 'none';
      this.#isNeeded = true;
      this.#pump(nowMs);
    }
  }

  /** An operation failed: this connection cannot be trusted any more. */
  handleOperationFailed(connection: number, nowMs: number): void {
    if (connection === this.#connection && this.#operation !== 'none') {
      this.#backOff(nowMs);
    }
  }

  /** The server ended the connection. */
  handleClosed(connection: number, nowMs: number): void {
    if (connection === this.#connection) {
      this.#backOff(nowMs);
    }
  }

  /** The browser reports how the connection stands. */
  handleState(connection: number, state: ConnectionState, nowMs: number): void {
    if (connection === this.#connection) {
      this.#health.handleState(state, nowMs);
      if (this.#health.isConnected) {
        this.#attempts = 0;
      }
    }
  }

  /** Something came from the server over the connection, or nothing was to be expected. */
  handleHeard(connection: number, nowMs: number): void {
    if (connection === this.#connection) {
      this.#health.handleHeard(nowMs);
    }
  }

  /** Whether signaling works: without it nothing can be agreed on, and nothing is given up. */
  setReachable(isReachable: boolean, nowMs: number): void {
    if (isReachable && !this.#isReachable && this.#operation === 'awaiting_answer') {
      this.#answerDueMs = nowMs + ANSWER_MS;
    }
    this.#isReachable = isReachable;
    this.#health.setReachable(isReachable, nowMs);
  }

  /** The server knows nothing of the connection any more: begins anew at once. */
  restart(nowMs: number): void {
    this.#attempts = 0;
    this.#drop();
    this.#begin(nowMs);
  }

  /** Time has passed; see `nextTickMs`. */
  handleTick(nowMs: number): void {
    const remedy = this.#connection === null ? null : this.#health.handleTick(nowMs);
    if (!this.#isReachable) {
      return;
    }
    if (this.#connection === null) {
      if (nowMs >= this.#resumeAtMs) {
        this.#begin(nowMs);
      }
    } else if (remedy === 'new_generation') {
      this.#attempts += 1;
      this.#drop();
      this.#begin(nowMs);
    } else if (nowMs >= this.#answerDueMs) {
      this.#backOff(nowMs);
    } else if (remedy === 'restart_ice') {
      this.#restartsIce = true;
      this.need(nowMs);
    } else {
      this.#pump(nowMs);
    }
  }

  /** When `handleTick` wants to be called next. */
  nextTickMs(): number | undefined {
    const due: number[] = [];
    if (this.#connection === null) {
      due.push(this.#isReachable ? this.#resumeAtMs : Infinity);
    } else {
      due.push(this.#health.nextTickMs() ?? Infinity, this.#isReachable ? this.#answerDueMs : Infinity);
      due.push(this.#isNeeded && this.#operation === 'none' && this.#isReachable ? this.#retryAtMs : Infinity);
    }
    const first = Math.min(...due);
    return first === Infinity ? undefined : first;
  }

  /** What to do now, in order; each effect is handed out once. */
  takeEffects(): SfuEffect[] {
    return this.#effects.splice(0);
  }

  #isDoing(connection: number, operation: Operation): boolean {
    return connection === this.#connection && this.#operation === operation;
  }

  #begin(nowMs: number): void {
    const connection = 1 + Math.floor(this.#random() * (2 ** 32 - 1));
    this.#connection = connection;
    this.#operation = 'none';
    this.#restartsIce = false;
    this.#answerDueMs = Infinity;
    this.#resumeAtMs = Infinity;
    this.#retryAtMs = Infinity;
    this.#refusals = 0;
    this.#health.handleGeneration(nowMs);
    this.#effects.push({ kind: 'create', connection });
    this.need(nowMs);
  }

  #drop(): void {
    const connection = this.#connection;
    if (connection !== null) {
      this.#connection = null;
      this.#operation = 'none';
      this.#effects.push({ kind: 'drop', connection });
    }
  }

  /** Another connection comes, later after every failure. */
  #backOff(nowMs: number): void {
    this.#drop();
    this.#resumeAtMs = nowMs + Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** this.#attempts);
    this.#attempts += 1;
  }

  #pump(nowMs: number): void {
    const connection = this.#connection;
    if (connection === null || this.#operation !== 'none' || !this.#isNeeded) {
      return;
    }
    if (this.#retryAtMs !== Infinity && nowMs < this.#retryAtMs) {
      return;
    }
    this.#retryAtMs = Infinity;
    this.#isNeeded = false;
    this.#operation = 'setting_local';
    this.#offerId += 1;
    this.#effects.push({ kind: 'make_offer', connection, restartsIce: this.#restartsIce });
    this.#restartsIce = false;
  }
}
