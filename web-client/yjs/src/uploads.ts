import { Content } from './content';

interface Upload {
  readonly number: number;
  readonly content: Content;
  readonly sentMs: number;
  /** Whether its answer is not counted on any more. */
  isOverdue: boolean;
}

interface Kept {
  readonly content: Content;
  readonly update: Uint8Array;
  readonly dueMs: number;
}

/** So long the server has time to show that it got a participant's update from the participant itself. */
export const CUSTODY_MS = 1_000;
const MOST_KEPT_BYTES = 1024 * 1024;
/** The server answers in the order of the uploads; one without an answer for so long is made again. */
const OVERDUE_MS = 60_000;

/** What went to the server and has no answer yet, in order, with the numbers by which the server answers. */
export class Uploads {
  #list: Upload[] = [];
  #count = 0;

  /** How many have no answer. */
  get length(): number {
    return this.#list.length;
  }

  /** A new connection: counts from the beginning. */
  reset(): void {
    this.#list = [];
    this.#count = 0;
  }

  /** An upload left. */
  add(content: Content, nowMs: number): void {
    this.#count += 1;
    this.#list.push({ number: this.#count, content, sentMs: nowMs, isOverdue: false });
  }

  /** The first `count` are settled; returns those that were open till now. */
  settle(count: number): Content[] {
    const settled = this.#list.filter(({ number }) => number <= count);
    this.#list = this.#list.filter(({ number }) => number > count);
    return settled.map(({ content }) => content);
  }

  /** One was not taken. */
  refuse(number: number): void {
    this.#list = this.#list.filter((upload) => upload.number !== number);
  }

  /** Whatever is on the way is sent again. */
  distrust(): void {
    for (const upload of this.#list) {
      upload.isOverdue = true;
    }
  }

  /** What of `content` is not on the way. */
  without(content: Content, nowMs: number): Content {
    const rest = content.copy();
    for (const upload of this.#list) {
      upload.isOverdue ||= nowMs - upload.sentMs >= OVERDUE_MS;
      if (!upload.isOverdue) {
        rest.removeAll(upload.content);
      }
    }
    return rest;
  }
}

/** Updates of participants, kept until the server has them, whoever gives them to it. */
export class Custody {
  #list: Kept[] = [];
  #bytes = 0;

  /** Whether nothing is kept. */
  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** When `takeDue` has something. */
  get dueMs(): number | undefined {
    return this.#list[0]?.dueMs;
  }

  /** Keeps an update; false: there is too much already. */
  add(content: Content, update: Uint8Array, nowMs: number): boolean {
    if (this.#bytes + update.length > MOST_KEPT_BYTES) {
      return false;
    }
    this.#list.push({ content: content.copy(), update, dueMs: nowMs + CUSTODY_MS });
    this.#bytes += update.length;
    return true;
  }

  /** The server showed that it has something. */
  remove(content: Content): void {
    for (const kept of this.#list) {
      kept.content.removeAll(content);
    }
    this.#list = this.#list.filter((kept) => !kept.content.isEmpty);
    this.#recount();
  }

  /** Hands over what the server has had time enough for. */
  takeDue(nowMs: number): { readonly content: Content; readonly update: Uint8Array }[] {
    const due = this.#list.filter(({ dueMs }) => dueMs <= nowMs);
    this.#list = this.#list.filter(({ dueMs }) => dueMs > nowMs);
    this.#recount();
    return due;
  }

  clear(): void {
    this.#list = [];
    this.#bytes = 0;
  }

  #recount(): void {
    this.#bytes = this.#list.reduce((sum, { update }) => sum + update.length, 0);
  }
}
