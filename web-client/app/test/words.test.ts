import { DeviceError, StoaError, type DeviceErrorCode, type StoaErrorCode } from '@stoa/client';
import type { Refusal } from '@stoa/yjs';
import { describe, expect, it } from 'vitest';
import { deviceProblems } from '../src/call/device-problems';
import { isFinal, refusalWords, roomProblem, troubleOf } from '../src/call/room-problem';
import { saveWords, type SaveState } from '../src/note/save-state';
import { text } from '../src/text';

describe('where the note is', () => {
  const state = (part: Partial<SaveState>): SaveState => ({
    storage: 'saved',
    server: 'saved',
    saved: true,
    onlyHere: false,
    refusal: null,
    access: 'write',
    with: [],
    aside: [],
    ...part,
  });
  const refused = (of: Refusal['of'], code: number): Partial<SaveState> => ({
    server: 'refused',
    saved: false,
    refusal: { of, code, message: '' },
  });
  const offline: Partial<SaveState> = { server: 'offline', saved: false };

  it.each<[Partial<SaveState>, string, string]>([
    [{ server: null }, 'Connecting…', ''],
    [{}, 'Saved', ''],
    [{ with: ['Bob', 'Cyd'] }, 'Saved', 'Also with Bob and Cyd.'],
    [{ server: 'saving', saved: false }, 'Saving…', ''],
    [offline, 'Only on this device', 'The server is not reached.'],
    [{ ...offline, with: ['Bob'] }, 'Only on this device', 'The server is not reached. Also with Bob.'],
    [{ ...offline, storage: 'loading' }, 'Saving on this device…', ''],
    [{ ...offline, storage: 'saving' }, 'Saving on this device…', ''],
    [
      { ...offline, storage: 'failed' },
      'Not saved',
      'The server is not reached. This browser refuses storage. Download the note before you go.',
    ],
    [
      { ...offline, storage: 'failed', with: ['Bob'] },
      'Not saved',
      'The server is not reached. This browser refuses storage. Only Bob can keep it.',
    ],
    [{ server: 'offline' }, 'Saved', 'The server is not reached. What you write now stays on this device until it is.'],
    [{ server: 'read-only', access: 'read' }, 'Read only', ''],
    [
      { server: 'read-only', access: 'read', saved: false, onlyHere: true },
      'Read only',
      'What you wrote before is on this device only.',
    ],
    [
      { server: 'storage-failing', saved: false },
      "The server's disk is full or does not work",
      'Nothing can be saved there at the moment. What you write stays on this device.',
    ],
    [
      refused('update', 2),
      'Not saved',
      'This is too large for the server: take something out. What you write stays on this device.',
    ],
    [
      { ...refused('update', 5), storage: 'failed' },
      'Not saved',
      'The space for notes on the server is used up. This browser refuses storage. Download the note before you go.',
    ],
    [refused('update', 9), 'Not saved', 'The server does not take this note. What you write stays on this device.'],
    [{ ...refused('document', 2), access: 'none' }, 'Not saved', 'You may not read this note.'],
  ])('%o', (part, what, more) => expect(saveWords(state(part))).toEqual({ what, more }));

  it('is never called saved while it is not', () => {
    for (const server of ['saving', 'offline', 'read-only', 'refused', 'storage-failing'] as const) {
      for (const storage of ['loading', 'saving', 'saved', 'failed'] as const) {
        expect(saveWords(state({ server, storage, saved: false })).what).not.toBe('Saved');
      }
    }
  });
});

describe('device problems', () => {
  const device = (kind: 'microphone' | 'camera', code: DeviceErrorCode | null) => ({
    wanted: true,
    actual: false,
    opening: false,
    deviceId: null,
    label: '',
    error: code === null ? null : new DeviceError(code, kind),
  });
  const problems = (camera: DeviceErrorCode | null, microphone: DeviceErrorCode | null) =>
    deviceProblems({ camera: device('camera', camera), microphone: device('microphone', microphone) });

  it('are none when all works', () => expect(problems(null, null)).toEqual([]));

  it('are one when both devices fail for the same reason', () => {
    const found = problems('denied_by_user', 'denied_by_user');
    expect(found.map((problem) => problem.title)).toEqual(['Camera and microphone not allowed']);
  });

  it('are two when the reasons differ', () => {
    const found = problems('in_use', 'not_found');
    expect(found.map((problem) => problem.title)).toEqual(['Camera in use', 'No microphone found']);
  });

  it('each have an explanation and a fix of their own', () => {
    const codes = Object.keys(text.devices.problem) as DeviceErrorCode[];
    const words = codes.flatMap((code) => problems(code, null)).map(({ title, why, fix }) => [title, why, fix]);
    expect(words).toHaveLength(9);
    for (const part of [0, 1, 2]) expect(new Set(words.map((problem) => problem[part])).size).toBe(9);
  });
});

describe('problems with a room', () => {
  const codes = Object.keys(text.problem) as StoaErrorCode[];
  const problem = (code: StoaErrorCode, token?: string, waitMs?: number) =>
    roomProblem(troubleOf(new StoaError(code, code, waitMs), token, 1_800_000_000_000));
  const tokenOf = (claims: object) =>
    `e30.${btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.c2ln`;

  it('each have words of their own', () => {
    for (const part of ['title', 'why', 'fix'] as const) {
      expect(new Set(codes.map((code) => problem(code)[part])).size).toBe(codes.length);
    }
  });

  it.each([
    [undefined, 'This room needs an access link'],
    [tokenOf({ exp: 1_799_999_000, name: '>>>>???' }), 'Your access has expired'],
    // The server's clock may be ahead.
    [tokenOf({ exp: 1_800_000_030 }), 'Your access has expired'],
    [tokenOf({ exp: 1_800_000_090 }), 'Your access link is not good'],
    [tokenOf({ exp: 'never' }), 'Your access link is not good'],
    [tokenOf({}), 'Your access link is not good'],
    ['cut off', 'Your access link is not good'],
    ['e30.%%%.c2ln', 'Your access link is not good'],
  ])('tell whether a token is missing, has ended or is no good: %s', (token, title) => {
    expect(problem('authenticate', token).title).toBe(title);
  });

  it('tell how long to wait', () => {
    expect(problem('rate_limited').fix).toBe('Wait a minute, then try again.');
    expect(problem('rate_limited', undefined, 4200).fix).toBe('Wait 5 seconds, then try again.');
    expect(problem('rate_limited', undefined, 10).fix).toBe('Wait a second, then try again.');
  });

  it('tell the words that were agreed on', () => {
    expect(problem('room_locked').title).toBe('This room is locked. Ask for an invitation.');
    expect(problem('removed').title).toBe('You were removed from this room by a moderator.');
  });

  it('end for good only by a removal', () => {
    expect(codes.filter((code) => isFinal(troubleOf(new StoaError(code), undefined)))).toEqual(['removed']);
  });

  it('also explain an error of another kind', () => {
    expect(troubleOf(new TypeError('x'), undefined).code).toBe('closed');
    expect(refusalWords(new StoaError('forbidden'))).toBe(text.people.forbidden);
    expect(refusalWords(new TypeError('x'))).toBe(text.people.failed);
  });
});
