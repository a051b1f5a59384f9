import { StoaError } from './errors';
import { Emitter, Listeners } from './events';
import type { RequestMessage } from './signal/requests';
import type { Reply } from './signal/effects';
import type { ChatEntry } from './signal/wire';

/** The chat of a room; replaced as a whole on every change. */
export interface ChatSnapshot {
  /** The newest lines, oldest first, without gaps. */
  readonly entries: readonly ChatEntry[];
  /** Whether anybody may write. */
  readonly enabled: boolean;
  /** Whether there is more before `entries`. */
  readonly hasEarlier: boolean;
}

/** Asks the server. */
type Ask = (message: RequestMessage) => Promise<Reply | null>;

const PAGE = 50;
/** More than so many lines are not kept; those before them can be asked for again. */
const MOST_ENTRIES = 2_000;

/** The server orders the chat and keeps it; here is the part of it that was asked for. A snapshot store like `Room`. */
export class Chat {
  readonly #ask: Ask;
  readonly #listeners = new Listeners();
  readonly #events = new Emitter<{ chat: (entry: ChatEntry) => void }>();
  #state: ChatSnapshot = { entries: [], enabled: false, hasEarlier: false };

  /** Not for apps: `Room.chat` is it. */
  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The present state; immutable. */
  get state(): ChatSnapshot {
    return this.#state;
  }

  /** Calls `listener` after every change of `state` until the returned function is called. */
  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Calls `handler` at every line that somebody writes, also after an outage, but not for what is history. */
  on(event: 'chat', handler: (entry: ChatEntry) => void): () => void {
    return this.#events.on(event, handler);
  }

  /** Gets the newest lines; done at every welcome that says nothing of what was missed. */
  async loadNewest(): Promise<void> {
    this.#handleNewest(await this.#history({ limit: PAGE }));
  }

  /** Gets some of the lines before those that are here. */
  async loadEarlier(): Promise<void> {
    const first = this.#state.entries[0];
    if (first === undefined) {
      return this.loadNewest();
    }
    const { entries, more } = await this.#history({ limit: PAGE, before: first.seq });
    const now = this.#state.entries;
    if (now[0]?.seq === first.seq) {
      this.#replace({ entries: [...entries, ...now], hasEarlier: more });
    }
  }

  /** Not for apps: whether anybody may write. */
  setEnabled(enabled: boolean): void {
    if (enabled !== this.#state.enabled) {
      this.#replace({ enabled });
    }
  }

  /** Not for apps: a line from the server. */
  handleEntry(entry: ChatEntry): void {
    const last = this.#state.entries.at(-1);
    if (last !== undefined && entry.seq <= last.seq) {
      return;
    }
    const isNext = entry.seq === (last?.seq ?? 0) + 1;
    const kept = isNext ? this.#state.entries : [];
    const entries = [...kept, entry].slice(-MOST_ENTRIES);
    this.#replace({ entries, hasEarlier: (entries[0]?.seq ?? 1) > 1 });
    this.#events.emit('chat', entry);
    if (!isNext) {
      // Lines in between are missing: what is shown shall have no gaps.
      this.loadEarlier().catch(() => undefined);
    }
  }

  /** The newest lines join those that are here, unless there is a gap between them. */
  #handleNewest({ entries, more }: Page): void {
    const now = this.#state.entries;
    const last = now.at(-1);
    const fresh = entries.filter(({ seq }) => last === undefined || seq > last.seq);
    if (last === undefined) {
      this.#replace({ entries, hasEarlier: more });
      return;
    }
    const isJoined = fresh.length === 0 || fresh[0]?.seq === last.seq + 1;
    if (isJoined) {
      this.#replace({ entries: [...now, ...fresh].slice(-MOST_ENTRIES) });
    } else {
      this.#replace({ entries, hasEarlier: more });
    }
    for (const entry of fresh) {
      this.#events.emit('chat', entry);
    }
  }

  async #history(range: { limit: number; before?: number }): Promise<Page> {
    const reply = await this.#ask({ type: 'chat_history', ...range });
    if (reply?.type !== 'chat_entries') {
      throw new StoaError('protocol', 'the server sent no chat');
    }
    return reply;
  }

  #replace(part: Partial<ChatSnapshot>): void {
    this.#state = { ...this.#state, ...part };
    this.#listeners.notify();
  }
}

type Page = Extract<Reply, { type: 'chat_entries' }>;
