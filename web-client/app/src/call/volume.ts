/** How loud each person is for oneself alone. */
import { signal } from '@preact/signals';
import { parseFields } from '../record';
import { recallInTab, rememberInTab } from '../storage';

export const FULL_VOLUME = 100;

type Volumes = ReadonlyMap<string, number>;

export function decodeVolumes(json: string | null): Volumes {
  const volumes = new Map<string, number>();
  for (const [id, percent] of Object.entries(parseFields(json) ?? {})) {
    if (typeof percent === 'number') volumes.set(id, percentOf(percent));
  }
  return volumes;
}

const volumes = signal<Volumes>(decodeVolumes(recallInTab('stoa.volumes')));

/** In percent. */
export function volumeOf(participant: string): number {
  return volumes.value.get(participant) ?? FULL_VOLUME;
}

export function setVolume(participant: string, percent: number): void {
  volumes.value = new Map(volumes.peek()).set(participant, percentOf(percent));
  rememberInTab('stoa.volumes', JSON.stringify(Object.fromEntries(volumes.peek())));
}

/** A whole number from 0 to 100; whatever is none counts as full. */
function percentOf(value: number): number {
  return Number.isFinite(value) ? Math.round(Math.min(FULL_VOLUME, Math.max(0, value))) : FULL_VOLUME;
}
