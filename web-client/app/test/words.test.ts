import { DeviceError, StoaError, type DeviceErrorCode, type StoaErrorCode } from '@stoa/client';
import { describe, expect, it } from 'vitest';
import { deviceProblems } from '../src/call/device-problems';
import { isFinal, refusalWords, roomProblem, troubleOf } from '../src/call/room-problem';
import { saveSentence } from '../src/note/save-state';
import { text } from '../src/text';

describe('where the note is', () => {
  it.each([
    [{ storage: 'loading', with: ['Bob'], others: 1 }, "Not saved yet: opening this browser's storage…"],
    [{ storage: 'saving', with: ['Bob'], others: 1 }, 'Saving in this browser…'],
    [{ storage: 'saved', with: [], others: 0 }, 'Saved in this browser only: nobody else is here.'],
    [{ storage: 'saved', with: [], others: 1 }, 'Saved in this browser only: not connected with the others yet.'],
    [{ storage: 'saved', with: ['Bob'], others: 2 }, 'Saved in this browser. Also with Bob.'],
    [{ storage: 'saved', with: ['Bob', 'Cyd'], others: 2 }, 'Saved in this browser. Also with Bob and Cyd.'],
    [{ storage: 'failed', with: [], others: 0 }, 'Not saved: this browser refuses storage. Download it before you go.'],
    [{ storage: 'failed', with: ['Bob'], others: 1 }, 'Not saved: this browser refuses storage. Only Bob can keep it.'],
  ] as const)('%o', (state, words) => expect(saveSentence(state)).toBe(words));
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
  const problem = (code: StoaErrorCode, hadToken = false, waitMs?: number) =>
    roomProblem(troubleOf(new StoaError(code, code, waitMs), hadToken));

  it('each have words of their own', () => {
    for (const part of ['title', 'why', 'fix'] as const) {
      expect(new Set(codes.map((code) => problem(code)[part])).size).toBe(codes.length);
    }
  });

  it('tell a missing token from one that is good no longer', () => {
    expect(problem('authenticate').title).toBe('This room needs an access link');
    expect(problem('authenticate', true).title).toBe('Your access has expired');
  });

  it('tell how long to wait', () => {
    expect(problem('rate_limited').fix).toBe('Wait a minute, then try again.');
    expect(problem('rate_limited', false, 4200).fix).toBe('Wait 5 seconds, then try again.');
    expect(problem('rate_limited', false, 10).fix).toBe('Wait a second, then try again.');
  });

  it('tell the words that were agreed on', () => {
    expect(problem('room_locked').title).toBe('This room is locked. Ask for an invitation.');
    expect(problem('removed').title).toBe('You were removed from this room by a moderator.');
  });

  it('end for good only by a removal', () => {
    expect(codes.filter((code) => isFinal(troubleOf(new StoaError(code), false)))).toEqual(['removed']);
  });

  it('also explain an error of another kind', () => {
    expect(troubleOf(new TypeError('x'), false).code).toBe('closed');
    expect(refusalWords(new StoaError('forbidden'))).toBe(text.people.forbidden);
    expect(refusalWords(new TypeError('x'))).toBe(text.people.failed);
  });
});
