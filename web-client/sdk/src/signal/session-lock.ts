/** The part of `navigator.locks` that is used. */
export type Locks = Pick<LockManager, 'request'>;

/** The page before a reload gives its lock back a moment late in some browsers; a duplicated tab waits for so long. */
const PATIENCE_MS = 500;

/**
 * Holds the lock of the session in use: a duplicated tab has a copy of the session's secret, and must not take the
 * session away from the tab that is in the call.
 */
export class SessionLock {
  readonly #locks: Locks | null;
  readonly #timeout: (ms: number) => AbortSignal;
  #session: string | null = null;
  #release: () => void = () => undefined;

  /** `timeout` gives a signal that aborts after a time. */
  constructor(locks: Locks | null, timeout: (ms: number) => AbortSignal = (ms) => AbortSignal.timeout(ms)) {
    this.#locks = locks;
    this.#timeout = timeout;
  }

  /** Resolves to whether the session is this page's. Without locks in the browser it always is. Releases the former. */
  async hold(session: string): Promise<boolean> {
    if (session === this.#session) {
      return true;
    }
    this.release();
    if (this.#locks === null) {
      return true;
    }
    this.#session = session;
    const isHeld = await this.#request(session, this.#locks);
    if (!isHeld && this.#session === session) {
      this.#session = null;
    }
    return isHeld;
  }

  /** Lets others have it. */
  release(): void {
    this.#session = null;
    this.#release();
    this.#release = () => undefined;
  }

  #request(session: string, locks: Locks): Promise<boolean> {
    return new Promise((resolve) => {
      const held = () => {
        resolve(true);
        return new Promise<void>((release) => {
          if (this.#session === session) {
            this.#release = release;
          } else {
            // Given back before it came.
            release();
          }
        });
      };
      try {
        const signal = this.#timeout(PATIENCE_MS);
        locks.request(`stoa/session/${session}`, { signal }, held).catch(() => resolve(false));
      } catch {
        // Locks are forbidden here, for example in a sandboxed frame.
        resolve(true);
      }
    });
  }
}

/** The locks of this browser, if it has any. */
export function browserLocks(): Locks | null {
  return globalThis.navigator?.locks ?? null;
}
