import { describe, expect, it } from 'vitest';
import { connectionWords, spokenChanges, tileState, type Heard } from '../src/call/changes';
import { fitGrid } from '../src/call/grid';

const bob: Heard = {
  name: 'Bob',
  link: 'connected',
  path: 'direct',
  connected: true,
  isSelf: false,
  moderator: false,
};

describe('words on a tile', () => {
  it('there are none while all is well, nor on the own tile', () => {
    expect(tileState(bob)).toBeNull();
    expect(tileState({ ...bob, isSelf: true, link: 'none', connected: false })).toBeNull();
  });

  it.each([
    [{ link: 'connecting' }, 'Connecting…'],
    [{ link: 'none' }, 'Connecting…'],
    [{ link: 'interrupted' }, 'Connection interrupted, repairing…'],
    [{ link: 'failed' }, 'No connection, trying again…'],
    [{ connected: false }, 'Reconnecting…'],
    [{ connected: false, link: 'interrupted' }, 'Connection interrupted, repairing…'],
  ] as const)('%o', (change, words) => expect(tileState({ ...bob, ...change })).toBe(words));
});

describe('the connection in the list of people', () => {
  it.each([
    [{}, 'Direct'],
    [{ path: 'relayed' }, 'Relayed'],
    [{ path: 'unknown' }, 'Connected'],
    [{ link: 'interrupted' }, 'Connection interrupted, repairing…'],
    [{ link: 'connecting', path: 'unknown' }, 'Connecting…'],
    [{ connected: false }, 'Reconnecting…'],
    [{ isSelf: true, link: 'none' }, null],
  ] as const)('%o', (change, words) => expect(connectionWords({ ...bob, ...change })).toBe(words));
});

describe('what is spoken', () => {
  it('says nothing when nothing that matters changed', () => {
    expect(spokenChanges(bob, { ...bob })).toEqual([]);
    expect(spokenChanges(undefined, bob)).toEqual([]);
  });

  it('follows a link from good to bad and back', () => {
    expect(spokenChanges({ ...bob, link: 'connecting' }, bob)).toEqual(['Connected with Bob.']);
    expect(spokenChanges(bob, { ...bob, link: 'interrupted' })).toEqual([
      'Connection with Bob interrupted, repairing.',
    ]);
    expect(spokenChanges(bob, { ...bob, link: 'connecting' })).toEqual(['Connection with Bob interrupted, repairing.']);
    expect(spokenChanges({ ...bob, link: 'none' }, { ...bob, link: 'connecting' })).toEqual([]);
    expect(spokenChanges({ ...bob, link: 'interrupted' }, { ...bob, link: 'failed' })).toEqual([
      'No connection with Bob, trying again.',
    ]);
  });

  it('tells who is a moderator now, oneself included', () => {
    expect(spokenChanges(bob, { ...bob, moderator: true })).toEqual(['Bob is a moderator now.']);
    const self = { ...bob, isSelf: true };
    expect(spokenChanges(self, { ...self, moderator: true })).toEqual(['You are a moderator now.']);
    expect(spokenChanges({ ...bob, moderator: true }, bob)).toEqual([]);
  });

  it('tells new names and lost servers', () => {
    expect(spokenChanges(bob, { ...bob, name: 'Rob', connected: false })).toEqual([
      'Bob is now Rob.',
      'Rob is reconnecting.',
    ]);
  });
});

describe('the grid', () => {
  it('puts two side by side on a wide stage and one above the other on a narrow one', () => {
    expect(fitGrid(2, 1248, 660, 12)).toEqual({ columns: 2, tileWidth: 618 });
    expect(fitGrid(2, 336, 600, 12)).toEqual({ columns: 1, tileWidth: 336 });
  });

  it('keeps two side by side until that makes them much smaller', () => {
    expect(fitGrid(2, 830, 660, 12)).toEqual({ columns: 2, tileWidth: 409 });
    expect(fitGrid(2, 800, 660, 12)).toEqual({ columns: 1, tileWidth: 576 });
    // Only for two: with three there is no facing each other.
    expect(fitGrid(3, 700, 660, 12)).toEqual({ columns: 1, tileWidth: 376 });
  });

  it('does not throw two tiles about because a banner takes some height', () => {
    const stacked = fitGrid(2, 813, 669, 12);
    expect(stacked.columns).toBe(1);
    expect(fitGrid(2, 813, 620, 12, stacked).columns).toBe(1);
    expect(fitGrid(2, 813, 620, 12).columns).toBe(2);
    expect(fitGrid(2, 1248, 669, 12, stacked).columns).toBe(2);
  });

  it('never makes tiles that do not fit', () => {
    for (let tiles = 1; tiles <= 9; tiles += 1) {
      for (const [width, height] of [
        [1248, 660],
        [336, 600],
        [336, 120],
        [820, 660],
      ] as const) {
        const { columns, tileWidth } = fitGrid(tiles, width, height, 12);
        const rows = Math.ceil(tiles / columns);
        expect(columns * tileWidth + (columns - 1) * 12).toBeLessThanOrEqual(width);
        expect((rows * tileWidth * 9) / 16 + (rows - 1) * 12).toBeLessThanOrEqual(height);
        expect(tileWidth).toBeGreaterThan(0);
      }
    }
  });

  it('bears a stage without size', () => {
    expect(fitGrid(2, 0, 0, 12)).toEqual({ columns: 1, tileWidth: 0 });
  });
});
