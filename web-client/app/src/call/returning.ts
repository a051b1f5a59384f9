/** What a tab must know to go back into its call after a reload, exactly as it was. */
import { parseFields } from '../record';
import { recallInTab, rememberInTab } from '../storage';
import type { Wanted } from './visit';

export interface CallRecord {
  readonly name: string;
  readonly wanted: Wanted;
}

/**
 * As long as the server keeps a lost session. A tab that comes back later, for example the next morning with the
 * browser's last session, must not open microphone and camera by itself.
 */
export const RETURN_WITHIN_MS = 120_000;

export function encodeCall({ name, wanted }: CallRecord, now: number): string {
  return JSON.stringify({ name, microphone: wanted.microphone, camera: wanted.camera, at: now });
}

export function decodeCall(json: string | null, now: number): CallRecord | null {
  const fields = parseFields(json);
  if (fields === null) return null;
  const { name, microphone, camera, at } = fields;
  if (typeof name !== 'string' || name === '' || typeof at !== 'number') return null;
  if (at > now || now - at > RETURN_WITHIN_MS) return null;
  // What is not plainly true stays off.
  return { name, wanted: { microphone: microphone === true, camera: camera === true } };
}

/** The tab's memory of its calls, one for each room. */
export interface CallMemory {
  recall(room: string): CallRecord | null;
  keep(room: string, record: CallRecord): void;
  forget(room: string): void;
}

export const tabMemory: CallMemory = {
  recall: (room) => decodeCall(recallInTab(`stoa.call/${room}`), Date.now()),
  keep: (room, record) => rememberInTab(`stoa.call/${room}`, encodeCall(record, Date.now())),
  forget: (room) => rememberInTab(`stoa.call/${room}`, null),
};
