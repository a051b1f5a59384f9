/** What a page leaves behind for itself, so that it can be loaded anew in the middle of a call. */
export interface SavedSession {
  /** Address of the server: a secret is told to nobody else. */
  readonly url: string;
  readonly session: string;
  readonly resume_secret: string;
  readonly participant: string;
  readonly participant_proof: string;
  /** The generation of the link to each participant, also of those who have gone. */
  readonly links: Readonly<Record<string, number>>;
  /** Milliseconds since 1970. */
  readonly savedAt: number;
}

/** The part of `sessionStorage` that is used; it belongs to one tab, and a duplicated tab gets a copy. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Browsers bring back tabs, and their storage, after days; nobody waits for them then. */
const LONGEST_AGE_MS = 24 * 60 * 60 * 1_000;

/** Keeps the session of one room. Where storage is missing, full or forbidden, nothing is kept. */
export class SessionStore {
  readonly #storage: TabStorage | null;
  readonly #key: string;
  readonly #url: string;

  constructor(storage: TabStorage | null, url: string, room: string) {
    this.#storage = storage;
    this.#url = url;
    this.#key = `stoa/session/${room.trim().toLowerCase()}`;
  }

  /** What was saved, if it is whole and of some use. */
  read(nowMs: number): SavedSession | null {
    try {
      const saved = parse(this.#storage?.getItem(this.#key) ?? null);
      const ageMs = nowMs - (saved?.savedAt ?? 0);
      return saved !== null && saved.url === this.#url && ageMs < LONGEST_AGE_MS ? saved : null;
    } catch {
      return null;
    }
  }

  /** Saves a session. */
  write(saved: Omit<SavedSession, 'url'>): void {
    try {
      this.#storage?.setItem(this.#key, JSON.stringify({ ...saved, url: this.#url }));
    } catch {
      // Full or forbidden: the next page joins as somebody new.
    }
  }

  /** Forgets it. */
  remove(): void {
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // It could not have been written either.
    }
  }
}

/** The storage of this tab; null where the browser has none or forbids it. */
export function tabStorage(): TabStorage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

const TEXTS = ['url', 'session', 'resume_secret', 'participant', 'participant_proof'] as const;

function parse(text: string | null): SavedSession | null {
  const value: unknown = JSON.parse(text ?? 'null');
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const fields = value as Record<string, unknown>;
  const links = fields['links'];
  const isWhole =
    TEXTS.every((name) => typeof fields[name] === 'string') &&
    typeof fields['savedAt'] === 'number' &&
    typeof links === 'object' &&
    links !== null &&
    Object.values(links).every((generation) => Number.isSafeInteger(generation) && generation > 0);
  return isWhole ? (value as SavedSession) : null;
}
