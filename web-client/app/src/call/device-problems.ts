/** Which device problems to show: one for both devices where the cause is the same. */
import type { DeviceErrorCode, LocalMediaState } from '@stoa/client';
import { text, type DeviceKind, type Problem } from '../text';

export interface DeviceProblem extends Problem {
  readonly code: DeviceErrorCode;
  readonly kinds: readonly DeviceKind[];
}

type DeviceErrors = Pick<LocalMediaState, 'microphone' | 'camera'>;

export function deviceProblems(state: DeviceErrors): DeviceProblem[] {
  const camera = state.camera.error?.code;
  const microphone = state.microphone.error?.code;
  if (camera !== undefined && camera === microphone) return [problem(camera, ['camera', 'microphone'])];
  return [
    ...(camera === undefined ? [] : [problem(camera, ['camera'])]),
    ...(microphone === undefined ? [] : [problem(microphone, ['microphone'])]),
  ];
}

function problem(code: DeviceErrorCode, kinds: readonly DeviceKind[]): DeviceProblem {
  return { code, kinds, ...text.devices.problem[code](kinds) };
}
