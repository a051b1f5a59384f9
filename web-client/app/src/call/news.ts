/** What is worth saying aloud about others, gathered so that a crowd does not flood the ear. */
import { text } from '../text';

/** What happens to people, and is said of several at once. */
export type NewsKind =
  | 'joined'
  | 'left'
  | 'wasRemoved'
  | 'lost'
  | 'linkUp'
  | 'linkInterrupted'
  | 'linkLost'
  | 'signalLost'
  | 'moderates'
  | 'shares'
  | 'sharesNoMore';

export type News =
  | { readonly kind: NewsKind; readonly name: string }
  | { readonly words: string }
  /** A message in the chat, as it would be said. */
  | { readonly message: string };

/** With more people than this, what mends itself is not said, and the rest more seldom. */
const CROWD = 8;

/** More messages than this at once are only counted in a crowd. */
const READ_MESSAGES = 1;

/** Left out in a crowd: every coming and every short outage would be said once more. */
const SMALL_TALK: ReadonlySet<NewsKind> = new Set(['linkUp', 'signalLost']);

/** How long news are gathered, in milliseconds. */
const GATHER_MS = 200;
const GATHER_IN_CROWD_MS = 3000;

/** Sentences, in the order in which their kinds first happened; people of one kind share one. */
export function spokenNews(news: readonly News[], peopleCount: number): string[] {
  const isCrowd = peopleCount > CROWD;
  const said = new Map<NewsKind, Set<string>>();
  const sentences = new Map<string, () => string>();
  const messages: string[] = [];
  for (const item of news) {
    if ('message' in item) {
      messages.push(item.message);
    } else if ('words' in item) {
      sentences.set(item.words, () => item.words);
    } else if (!isCrowd || !SMALL_TALK.has(item.kind)) {
      const names = said.get(item.kind) ?? new Set();
      said.set(item.kind, names.add(item.name));
      sentences.set(item.kind, () => text.call[item.kind]([...names]));
    }
  }
  const told = isCrowd && messages.length > READ_MESSAGES ? [`${text.chat.unread(messages.length)}.`] : messages;
  return [...[...sentences.values()].map((say) => say()), ...told];
}

/** Gathers news and hands them on together. */
export class NewsGatherer {
  readonly #say: (words: string) => void;
  #news: News[] = [];
  #peopleCount = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(say: (words: string) => void) {
    this.#say = say;
  }

  add(news: readonly News[], peopleCount: number): void {
    this.#news.push(...news);
    this.#peopleCount = peopleCount;
    if (this.#news.length === 0) return;
    const isCrowd = peopleCount > CROWD;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        for (const words of spokenNews(this.#news.splice(0), this.#peopleCount)) this.#say(words);
      },
      isCrowd ? GATHER_IN_CROWD_MS : GATHER_MS,
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
