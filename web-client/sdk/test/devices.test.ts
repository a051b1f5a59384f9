import { describe, expect, it } from 'vitest';
import { DeviceError } from '../src/errors';
import type { DeviceErrorCode } from '../src/errors';
import { deviceErrorCode } from '../src/media/device-errors';
import type { DeviceFailure } from '../src/media/device-errors';
import { DeviceIntent } from '../src/media/device-intent';
import { levelOf } from '../src/media/level-meter';
import { TalkingDetector } from '../src/media/talking';

const PLAIN: DeviceFailure = {
  name: 'NotAllowedError',
  message: 'Permission denied',
  permission: 'denied',
  isAllowedByPolicy: true,
  isSecure: true,
  hasMediaDevices: true,
};

describe('deviceErrorCode', () => {
  it.each<[DeviceErrorCode, Partial<DeviceFailure>]>([
    ['denied_by_user', {}],
    ['denied_by_user', { message: 'Permission dismissed', permission: 'prompt' }],
    ['denied_by_user', { permission: null, isAllowedByPolicy: null }],
    ['denied_by_system', { message: 'Permission denied by system' }],
    ['denied_by_system', { message: 'The request is not allowed by the user agent', permission: 'granted' }],
    ['blocked_by_policy', { isAllowedByPolicy: false }],
    ['blocked_by_policy', { message: 'Disallowed by permissions policy' }],
    ['blocked_by_policy', { name: 'SecurityError' }],
    ['insecure', { isSecure: false, name: 'TypeError' }],
    ['insecure', { hasMediaDevices: false, name: 'TypeError' }],
    ['not_found', { name: 'NotFoundError' }],
    ['in_use', { name: 'NotReadableError' }],
    ['in_use', { name: 'AbortError' }],
    ['over_constrained', { name: 'OverconstrainedError' }],
    ['unknown', { name: 'TypeError' }],
  ])('says %s for %j', (expected, failure) => {
    expect(deviceErrorCode({ ...PLAIN, ...failure })).toBe(expected);
  });
});

const failure = (code: DeviceErrorCode) => new DeviceError(code, 'camera');

function opened(intent: DeviceIntent, deviceId = 'default'): DeviceIntent {
  expect(intent.nextStep()).toBe('open');
  intent.handleOpening();
  expect(intent.handleOpened(deviceId, `label of ${deviceId}`)).toBe(true);
  return intent;
}

function camera(wanted = true): DeviceIntent {
  const intent = new DeviceIntent('close', wanted);
  intent.start();
  return intent;
}

describe('DeviceIntent', () => {
  it('opens nothing before the start, nor what is not wanted', () => {
    expect(new DeviceIntent('close', true).nextStep()).toBeNull();
    expect(camera(false).nextStep()).toBeNull();
  });

  it('keeps a muted microphone and closes a camera', () => {
    const microphone = new DeviceIntent('silence', true);
    microphone.start();
    opened(microphone).setWanted(false);
    expect(microphone.nextStep()).toBe('disable');
    microphone.handleEnabled(false);
    expect(microphone.state).toMatchObject({ wanted: false, actual: false, label: 'label of default' });
    microphone.setWanted(true);
    expect(microphone.nextStep()).toBe('enable');
    const closing = opened(camera());
    closing.setWanted(false);
    expect(closing.nextStep()).toBe('close');
  });

  it('takes no device that is no longer wanted when it comes', () => {
    for (const mode of ['silence', 'close'] as const) {
      const intent = new DeviceIntent(mode, true);
      intent.start();
      intent.handleOpening();
      intent.setWanted(false);
      expect(intent.nextStep()).toBeNull();
      expect(intent.handleOpened('x', '')).toBe(false);
      expect(intent.nextStep()).toBeNull();
      expect(intent.state.actual).toBe(false);
    }
  });

  it('opens once when turned off and on again meanwhile', () => {
    const intent = camera();
    intent.handleOpening();
    intent.setWanted(false);
    intent.setWanted(true);
    expect(intent.nextStep()).toBeNull();
    expect(intent.handleOpened('x', '')).toBe(true);
  });

  it('does not try again by itself after a refusal, but when asked', () => {
    const intent = camera();
    intent.handleOpening();
    intent.handleOpenFailed(failure('denied_by_user'));
    expect(intent.nextStep()).toBeNull();
    expect(intent.state.error?.code).toBe('denied_by_user');
    intent.start();
    expect(intent.nextStep()).toBe('open');
    expect(intent.state.error).toBeNull();
  });

  it('switches by closing first and asking exactly', () => {
    const intent = opened(camera(), 'one');
    intent.choose('two');
    expect(intent.nextStep()).toBe('close');
    intent.handleClosed();
    expect(intent.request.deviceId).toBe('two');
    opened(intent, 'two');
    expect(intent.nextStep()).toBeNull();
  });

  it('goes back to the former device when the chosen one fails, then to any, and says why', () => {
    const intent = opened(camera(), 'one');
    intent.choose('two');
    intent.handleClosed();
    intent.handleOpening();
    intent.handleOpenFailed(failure('over_constrained'));
    expect(intent.nextStep()).toBe('open');
    expect(intent.request.deviceId).toBe('one');
    intent.handleOpening();
    intent.handleOpenFailed(failure('not_found'));
    expect(intent.request.deviceId).toBeNull();
    opened(intent, 'three');
    expect(intent.state).toMatchObject({ actual: true, deviceId: 'three' });
    expect(intent.state.error?.code).toBe('not_found');
    expect(intent.nextStep()).toBeNull();
  });

  it('ends with an error when no device opens at all', () => {
    const intent = camera();
    intent.choose('two');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(intent.nextStep()).toBe('open');
      intent.handleOpening();
      intent.handleOpenFailed(failure('in_use'));
    }
    expect(intent.nextStep()).toBeNull();
  });

  it('drops a device that came for an earlier choice', () => {
    const intent = camera();
    intent.handleOpening();
    intent.choose('two');
    expect(intent.handleOpened('one', '')).toBe(false);
    expect(intent.nextStep()).toBe('open');
  });

  it('takes a vanished device back when it returns, the very same', () => {
    const intent = opened(camera(), 'usb');
    intent.handleEnded(failure('ended'));
    expect(intent.state).toMatchObject({ wanted: true, actual: false });
    expect(intent.state.error?.code).toBe('ended');
    intent.handleDevices([{ deviceId: 'builtin', label: '' }]);
    expect(intent.nextStep()).toBeNull();
    intent.handleDevices([
      { deviceId: 'builtin', label: '' },
      { deviceId: 'usb', label: '' },
    ]);
    expect(intent.nextStep()).toBe('open');
    expect(intent.request.deviceId).toBe('usb');
  });

  it('never takes a device back that is not wanted any more', () => {
    const intent = opened(camera(), 'usb');
    intent.handleEnded(failure('ended'));
    intent.setWanted(false);
    intent.handleDevices([{ deviceId: 'usb', label: '' }]);
    expect(intent.nextStep()).toBeNull();
  });

  it('tries again when a first device is plugged in', () => {
    const intent = camera();
    intent.handleOpening();
    intent.handleOpenFailed(failure('not_found'));
    intent.handleDevices([]);
    expect(intent.nextStep()).toBeNull();
    intent.handleDevices([{ deviceId: 'new', label: '' }]);
    expect(intent.nextStep()).toBe('open');
  });

  it('does not try again for a device that was listed all the time', () => {
    const intent = camera();
    intent.handleOpening();
    intent.handleOpenFailed(failure('not_found'));
    intent.handleDevices([{ deviceId: 'unfit', label: '' }]);
    expect(intent.nextStep()).toBeNull();
    intent.handleDevices([
      { deviceId: 'unfit', label: '' },
      { deviceId: 'new', label: '' },
    ]);
    expect(intent.nextStep()).toBe('open');
  });

  it('gives the device back at the end and keeps the intent', () => {
    const intent = opened(camera());
    intent.stop();
    expect(intent.nextStep()).toBe('close');
    intent.handleClosed();
    expect(intent.nextStep()).toBeNull();
    expect(intent.state.wanted).toBe(true);
    intent.start();
    expect(intent.nextStep()).toBe('open');
  });
});

describe('levelOf', () => {
  it('is 0 for silence, 1 for full scale, and between for speech', () => {
    expect(levelOf(new Float32Array(256))).toBe(0);
    expect(levelOf(new Float32Array(256).fill(1))).toBe(1);
    expect(levelOf(new Float32Array(256).fill(0.03))).toBeCloseTo(0.49, 1);
  });
});

describe('talking while muted', () => {
  /** When it is told, after levels that last 50 ms each. */
  const told = (levels: readonly number[], detector = new TalkingDetector(), startMs = 0) =>
    levels.flatMap((level, index) => (detector.push(level, startMs + index * 50) ? [startMs + index * 50] : []));
  const times = (count: number, level: number) => Array.from({ length: count }, () => level);

  it('is noticed after 300 ms of speech, with pauses as speech has them', () => {
    expect(told([0, ...times(10, 0.6)])).toEqual([300]);
    expect(told([0, 0.6, 0.6, 0.6, 0.1, 0.1, 0.6, 0.6, 0.6, 0.1])).toEqual([400]);
  });

  it('is not a cough, a knock or a quiet room', () => {
    expect(told([0, ...times(5, 0.9), ...times(20, 0.1)])).toEqual([]);
    expect(told(times(100, 0.3))).toEqual([]);
    expect(told(Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 0.9 : 0)))).toEqual([]);
  });

  it('is told at most every 10 s, also over a short unmuting', () => {
    const detector = new TalkingDetector();
    expect(told(times(300, 0.6), detector)).toEqual([300, 10_300]);
    detector.reset();
    expect(told(times(20, 0.6), detector, 16_000)).toEqual([]);
    detector.reset();
    expect(told(times(20, 0.6), detector, 20_300)).toEqual([20_600]);
  });

  it('needs to be heard: two samples far apart are no speech', () => {
    const detector = new TalkingDetector();
    expect(detector.push(0.9, 0)).toBe(false);
    expect(detector.push(0.9, 1_000)).toBe(false);
    expect(detector.push(0.9, 2_000)).toBe(false);
  });
});
