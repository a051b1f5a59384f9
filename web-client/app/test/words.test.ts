import { DeviceError, type DeviceErrorCode } from '@stoa/client';
import { describe, expect, it } from 'vitest';
import { deviceProblems } from '../src/call/device-problems';
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
