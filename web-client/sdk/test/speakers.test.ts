import { describe, expect, it } from 'vitest';
import { SpeakerRanking } from '../src/speakers';

/** Feeds levels every 200 ms; `at` gives those of a moment. */
function lists(untilMs: number, at: (nowMs: number) => Record<string, number>): (readonly string[])[] {
  const ranking = new SpeakerRanking();
  const seen: (readonly string[])[] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 200) {
    if (ranking.push(new Map(Object.entries(at(nowMs))), nowMs)) {
      seen.push(ranking.speakers);
    }
  }
  return seen;
}

describe('SpeakerRanking', () => {
  it('does not take a noise for speech', () => {
    expect(lists(5_000, (nowMs) => ({ a: nowMs === 1_000 ? 0.9 : 0.1 }))).toEqual([]);
  });

  it('marks who speaks, over the pauses between words, until they are silent', () => {
    expect(lists(6_000, (nowMs) => ({ a: nowMs < 3_000 && nowMs % 800 < 600 ? 0.6 : 0 }))).toEqual([['a'], []]);
  });

  it('puts the loudest first, and does not swap for little', () => {
    expect(lists(4_000, () => ({ a: 0.5, b: 0.8 }))).toEqual([['b', 'a']]);
    const alternating = (nowMs: number) => ({ a: nowMs % 400 === 0 ? 0.55 : 0.5, b: nowMs % 400 === 0 ? 0.5 : 0.55 });
    expect(lists(4_000, alternating)).toHaveLength(1);
    expect(lists(8_000, (nowMs) => ({ a: 0.8, b: nowMs < 4_000 ? 0.5 : 1 }))).toEqual([
      ['a', 'b'],
      ['b', 'a'],
    ]);
  });

  it('forgets who left', () => {
    expect(lists(2_000, (nowMs) => (nowMs < 1_000 ? { a: 0.6 } : {}) as Record<string, number>)).toEqual([['a'], []]);
  });
});
