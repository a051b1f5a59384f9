import { describe, expect, it } from 'vitest';
import { fragmentOfInput, parseRoomInput, parseRoomName, pathOfRoom, roomOfPath } from '../src/room-name';

const HOST = 'meet.example:8443';
const room = (input: string): string => {
  const result = parseRoomInput(input, HOST);
  return result.ok ? result.room : `${result.problem}:${result.found}`;
};

describe('what people type', () => {
  it.each([
    ['amber-otter-4821', 'amber-otter-4821'],
    ['  Amber-Otter  ', 'amber-otter'],
    ['weekly  team meeting', 'weekly-team-meeting'],
    ['a', 'a'],
    ['v1.2_x', 'v1.2_x'],
    ['x'.repeat(64), 'x'.repeat(64)],
  ])('%s is a name', (input, expected) => expect(room(input)).toBe(expected));

  it.each([
    ['', 'empty:'],
    ['   ', 'empty:'],
    ['büro!', 'bad_characters:ü !'],
    ['x'.repeat(65), 'too_long:65'],
    ['..', 'only_dots:'],
    ['...', 'only_dots:'],
    ['.', 'only_dots:'],
  ])('%s is refused', (input, expected) => expect(room(input)).toBe(expected));
});

describe('what people paste', () => {
  it.each([
    ['https://meet.example:8443/r/amber-otter-4821', 'amber-otter-4821'],
    ['HTTPS://MEET.EXAMPLE:8443/r/Amber', 'amber'],
    ['meet.example:8443/r/amber/', 'amber'],
    ['http://meet.example:8443/r/amber?utm=1#top', 'amber'],
    ['/r/amber', 'amber'],
    ['r/amber', 'amber'],
    ['/r/amber%20otter', 'amber-otter'],
  ])('%s leads to a room', (input, expected) => expect(room(input)).toBe(expected));

  it.each([
    ['https://other.example/r/amber', 'other_server:other.example'],
    ['https://meet.example:8443/', 'not_a_room_link:'],
    ['https://meet.example:8443/r/', 'not_a_room_link:'],
    ['/r/a/b', 'not_a_room_link:'],
    ['https://', 'not_a_room_link:'],
    ['/r/%FF', 'not_a_room_link:'],
    ['/r/%3Cb%3E', 'bad_characters:< >'],
  ])('%s is refused', (input, expected) => expect(room(input)).toBe(expected));
});

it('survives the way through a path', () => {
  for (const name of ['amber', 'v1.2_x', 'a-b']) expect(roomOfPath(pathOfRoom(name))).toBe(name);
  expect(parseRoomName('amber')).toEqual({ ok: true, room: 'amber' });
});

it('keeps what follows the # of a pasted link, for there an invitation travels', () => {
  expect(fragmentOfInput('https://meet.example/r/amber#invite=a-b_c ')).toBe('#invite=a-b_c');
  expect(fragmentOfInput('amber')).toBe('');
});
