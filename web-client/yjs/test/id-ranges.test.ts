import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { Content } from '../src/content';
import { IdRanges } from '../src/id-ranges';

/** The same set, slowly. */
class Plain {
  readonly ids = new Set<string>();

  add(client: number, start: number, end: number): void {
    for (let clock = start; clock < end; clock += 1) this.ids.add(`${client}:${clock}`);
  }

  remove(client: number, start: number, end: number): void {
    for (let clock = start; clock < end; clock += 1) this.ids.delete(`${client}:${clock}`);
  }
}

const numbers = (seed: number) => {
  let state = seed;
  return (bound: number) => (state = (state * 48_271) % 2_147_483_647) % bound;
};

const isIn = (ranges: IdRanges, client: number, clock: number) => {
  const one = new IdRanges();
  one.add(client, clock, clock + 1);
  return ranges.overlaps(one);
};

describe('IdRanges', () => {
  it('is a set, whatever is put in and taken out', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const next = numbers(seed);
      const [ranges, plain] = [new IdRanges(), new Plain()];
      const [others, plainOthers] = [new IdRanges(), new Plain()];
      for (let turn = 0; turn < 60; turn += 1) {
        const [client, start] = [next(2), next(30)];
        const end = start + next(6);
        const [set, model] = next(3) === 0 ? [others, plainOthers] : [ranges, plain];
        const verb = next(3) === 0 ? 'remove' : 'add';
        set[verb](client, start, end);
        model[verb](client, start, end);
      }
      const both = ranges.copy();
      both.addAll(others);
      const rest = ranges.copy();
      rest.removeAll(others);
      for (const client of [0, 1]) {
        for (let clock = 0; clock < 40; clock += 1) {
          const [a, b] = [plain.ids.has(`${client}:${clock}`), plainOthers.ids.has(`${client}:${clock}`)];
          expect(isIn(ranges, client, clock)).toBe(a);
          expect(isIn(both, client, clock)).toBe(a || b);
          expect(isIn(rest, client, clock)).toBe(a && !b);
        }
      }
      expect(ranges.size).toBe(plain.ids.size);
      expect(ranges.isEmpty).toBe(plain.ids.size === 0);
      expect(ranges.overlaps(others)).toBe([...plain.ids].some((id) => plainOthers.ids.has(id)));
      for (const [client, clock] of ranges.firsts()) {
        expect(
          Math.min(...[...plain.ids].filter((id) => id.startsWith(`${client}:`)).map((id) => Number(id.split(':')[1]))),
        ).toBe(clock);
      }
    }
  });

  it('stays fast with many ranges', () => {
    const ranges = new IdRanges();
    for (let clock = 0; clock < 200_000; clock += 2) ranges.add(1, clock, clock + 1);
    const rest = ranges.copy();
    rest.removeAll(ranges);
    expect([ranges.size, rest.isEmpty]).toEqual([100_000, true]);
  });
});

describe('Content', () => {
  it('of a document is that of the update that says it all, and that of its transactions', () => {
    const doc = new Y.Doc();
    const sum = new Content();
    doc.on('update', (_update, _origin, _doc, transaction) => sum.addAll(Content.ofTransaction(transaction)));
    const text = doc.getText('note');
    text.insert(0, 'one two three');
    text.delete(4, 4);
    text.insert(0, 'A ');
    doc.getMap('map').set('key', 1);
    doc.getMap('map').set('key', 2);
    for (const content of [Content.ofDoc(doc), Content.ofUpdate(Y.encodeStateAsUpdate(doc))]) {
      const rest = sum.copy();
      rest.removeAll(content);
      expect(rest.isEmpty).toBe(true);
      content.removeAll(sum);
      expect(content.isEmpty).toBe(true);
    }
    expect(sum.size).toBe(13 + 4 + 2 + 1 + 1 + 1);
  });
});
