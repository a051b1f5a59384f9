import type { LocalMediaState } from '@stoa/client';
import type { DeviceKind } from '../text';

/** Whether a device is to be shown as on: while it opens it is, after a failure only if another took its place. */
export function isOn(state: LocalMediaState, kind: DeviceKind): boolean {
  const { wanted, actual, error } = state[kind];
  return wanted && (actual || error === null);
}
