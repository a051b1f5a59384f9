import { expect, it } from 'vitest';
import { randomRoomName } from '../src/random-name';
import { parseRoomName } from '../src/room-name';

it('stays within the rules at both ends of the dice', () => {
  const lowest = randomRoomName(() => 0);
  const highest = randomRoomName((below) => below - 1);
  expect(lowest).toBe('amber-alpaca-1000');
  expect(highest).toBe('witty-zebra-9999');
  for (const name of [lowest, highest]) expect(parseRoomName(name)).toEqual({ ok: true, room: name });
});

it('rarely repeats itself', () => {
  const names = new Set(Array.from({ length: 500 }, () => randomRoomName()));
  expect(names.size).toBeGreaterThan(495);
});
