const FIRST_MS = 250;
const LONGEST_MS = 10_000;

/** Exponential back-off with full jitter: clients that lost the same server come back spread over time. */
export class Backoff {
  #attempt = 0;
  readonly #random: () => number;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How long to wait before the next attempt, in milliseconds: between 0 and a bound that doubles up to `longestMs`. */
  nextDelayMs(longestMs = LONGEST_MS): number {
    const boundMs = Math.min(longestMs, FIRST_MS * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 16);
    return this.#random() * boundMs;
  }

  /** The way is good again. */
  reset(): void {
    this.#attempt = 0;
  }
}
