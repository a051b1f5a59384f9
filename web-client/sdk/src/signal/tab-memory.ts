import type { SavedSession, SessionStore } from './saved-session';
import type { SessionLock } from './session-lock';

/** What a room keeps for the page that takes its place when this one is loaded anew. */
export type Kept = Omit<SavedSession, 'url' | 'savedAt'>;

/** What a page remembers of its session over a reload, and that no copy of the tab makes use of it. */
export class TabMemory {
  readonly #store: SessionStore;
  readonly #lock: SessionLock;
  readonly #page: Pick<EventTarget, 'addEventListener' | 'removeEventListener'>;
  readonly #nowMs: () => number;
  #kept: Kept | null = null;

  /** `page` tells of `pagehide`; `nowMs` gives milliseconds since 1970. */
  constructor(
    store: SessionStore,
    lock: SessionLock,
    page: Pick<EventTarget, 'addEventListener' | 'removeEventListener'> = globalThis,
    nowMs: () => number = Date.now,
  ) {
    this.#store = store;
    this.#lock = lock;
    this.#page = page;
    this.#nowMs = nowMs;
  }

  /** The session of this tab's former page; null: none, or another tab has it. */
  async recall(): Promise<SavedSession | null> {
    const saved = this.#store.read(this.#nowMs());
    return saved !== null && (await this.#lock.hold(saved.session)) ? saved : null;
  }

  /** Takes note of the present session. */
  keep(kept: Kept): void {
    this.#page.addEventListener('pagehide', this.#onPageHide);
    this.#kept = kept;
    void this.#lock.hold(kept.session);
    this.#write();
  }

  /** Nothing more is kept, and the session is free for another page. */
  release(): void {
    this.#page.removeEventListener('pagehide', this.#onPageHide);
    this.#kept = null;
    this.#lock.release();
  }

  /** The session is over. */
  forget(): void {
    this.release();
    this.#store.remove();
  }

  /** The next page shall find the lock free. If this one comes back instead, its next welcome takes it again. */
  readonly #onPageHide = (): void => {
    this.#write();
    this.#lock.release();
  };

  #write(): void {
    if (this.#kept !== null) {
      this.#store.write({ ...this.#kept, savedAt: this.#nowMs() });
    }
  }
}
