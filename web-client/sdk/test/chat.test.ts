import { describe, expect, it } from 'vitest';
import { Chat } from '../src/chat';
import { StoaError } from '../src/errors';
import type { RequestMessage } from '../src/signal/requests';
import type { Reply } from '../src/signal/effects';
import type { ChatEntry } from '../src/signal/wire';

const line = (seq: number): ChatEntry => ({ seq, at_ms: seq, participant: 'bob', name: 'Bob', text: `line ${seq}` });

/** A server that holds a log. */
class Log {
  readonly lines: ChatEntry[] = [];
  readonly asked: RequestMessage[] = [];
  readonly chat = new Chat((message) => this.#answer(message));
  readonly told: number[] = [];
  isDown = false;

  constructor(lines: number) {
    for (let seq = 1; seq <= lines; seq += 1) this.lines.push(line(seq));
    this.chat.on('chat', ({ seq }) => this.told.push(seq));
  }

  get seqs(): number[] {
    return this.chat.state.entries.map(({ seq }) => seq);
  }

  #answer(message: RequestMessage): Promise<Reply | null> {
    this.asked.push(message);
    if (this.isDown || message.type !== 'chat_history') return Promise.reject(new StoaError('unavailable'));
    const before = this.lines.filter(({ seq }) => seq < (message.before ?? Infinity));
    const entries = before.slice(-(message.limit ?? 50));
    return Promise.resolve({ type: 'chat_entries', entries, more: entries.length < before.length });
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('the chat', () => {
  it('begins with the newest lines, and goes back as far as one wants', async () => {
    const log = new Log(120);
    await log.chat.loadNewest();
    expect(log.seqs).toEqual(range(71, 120));
    expect(log.chat.state.hasEarlier).toBe(true);
    await log.chat.loadEarlier();
    expect(log.seqs).toEqual(range(21, 120));
    await log.chat.loadEarlier();
    expect(log.seqs).toEqual(range(1, 120));
    expect(log.chat.state.hasEarlier).toBe(false);
    expect(log.told).toEqual([]);
  });

  it('goes on with what is written, once', async () => {
    const log = new Log(2);
    await log.chat.loadNewest();
    log.chat.handleEntry(line(3));
    log.chat.handleEntry(line(3));
    log.chat.handleEntry(line(4));
    expect(log.seqs).toEqual([1, 2, 3, 4]);
    expect(log.told).toEqual([3, 4]);
    expect(log.asked).toHaveLength(1);
  });

  it('fetches what came between, and shows no gap meanwhile', async () => {
    const log = new Log(5);
    await log.chat.loadNewest();
    for (const seq of [6, 7, 8]) log.lines.push(line(seq));
    log.chat.handleEntry(line(8));
    expect(log.seqs).toEqual([8]);
    await settled();
    expect(log.seqs).toEqual(range(1, 8));
    expect(log.told).toEqual([8]);
  });

  it('after an outage tells what was missed, and leaves a hole out', async () => {
    const log = new Log(5);
    await log.chat.loadNewest();
    for (const seq of [6, 7]) log.lines.push(line(seq));
    await log.chat.loadNewest();
    expect(log.seqs).toEqual(range(1, 7));
    for (const seq of range(8, 80)) log.lines.push(line(seq));
    await log.chat.loadNewest();
    expect(log.seqs).toEqual(range(31, 80));
    expect(log.chat.state.hasEarlier).toBe(true);
    expect(log.told).toEqual([6, 7, ...range(31, 80)]);
  });

  it('takes a line that comes before the history', async () => {
    const log = new Log(3);
    const loading = log.chat.loadNewest();
    log.lines.push(line(4));
    log.chat.handleEntry(line(4));
    await loading;
    await settled();
    expect(log.seqs).toEqual([1, 2, 3, 4]);
  });

  it('keeps a bounded part', () => {
    const log = new Log(0);
    for (const seq of range(1, 2_100)) log.chat.handleEntry(line(seq));
    expect(log.seqs).toEqual(range(101, 2_100));
    expect(log.chat.state.hasEarlier).toBe(true);
  });

  it('passes refusals on', async () => {
    const log = new Log(3);
    log.isDown = true;
    await expect(log.chat.loadNewest()).rejects.toMatchObject({ code: 'unavailable' });
    expect(log.chat.state).toEqual({ entries: [], enabled: false, hasEarlier: false });
  });

  it('tells its listeners of every change', () => {
    const log = new Log(0);
    let changes = 0;
    const stop = log.chat.subscribe(() => (changes += 1));
    log.chat.setEnabled(true);
    log.chat.setEnabled(true);
    log.chat.handleEntry(line(1));
    stop();
    log.chat.handleEntry(line(2));
    expect(changes).toBe(2);
  });
});
