import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';

/** One entry of an awareness update; state null: that editor is gone. */
export interface AwarenessEntry {
  readonly clientId: number;
  readonly clock: number;
  readonly state: Record<string, unknown> | null;
}

const LONGEST_NAME_CHARS = 64;
const LARGEST_STATE_CHARS = 16 * 1024;
const MOST_ENTRIES = 1_024;
const FALLBACK_COLOR = '#6b7280';
const COLOR = /^#[0-9a-f]{6,8}$/i;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const safeColor = (value: unknown): string => (typeof value === 'string' && COLOR.test(value) ? value : FALLBACK_COLOR);

/** Clips by characters, so that no half of a surrogate pair is left. */
const safeName = (value: unknown): string =>
  typeof value === 'string' ? [...value.slice(0, 2 * LONGEST_NAME_CHARS)].slice(0, LONGEST_NAME_CHARS).join('') : '';

/**
 * Makes the state of another participant safe to show: editors put `user.color` and `user.colorLight` into styles and
 * `user.name` beside the cursor as they are.
 */
export function sanitizeState(state: Record<string, unknown>): Record<string, unknown> {
  if (!('user' in state)) {
    return state;
  }
  const user = isRecord(state['user']) ? state['user'] : {};
  const safe: Record<string, unknown> = { ...user, name: safeName(user['name']), color: safeColor(user['color']) };
  if ('colorLight' in user) {
    safe['colorLight'] = safeColor(user['colorLight']);
  }
  return { ...state, user: safe };
}

/** Reads an awareness update and makes its states safe. Throws on anything malformed or out of bounds. */
export function decodeAwareness(update: Uint8Array): AwarenessEntry[] {
  const decoder = decoding.createDecoder(update);
  const count = decoding.readVarUint(decoder);
  if (count > MOST_ENTRIES) {
    throw new Error('too many awareness entries');
  }
  const entries: AwarenessEntry[] = [];
  for (let index = 0; index < count; index += 1) {
    const clientId = decoding.readVarUint(decoder);
    const clock = decoding.readVarUint(decoder);
    const text = decoding.readVarString(decoder);
    const state: unknown = text.length > LARGEST_STATE_CHARS ? undefined : JSON.parse(text);
    if (state !== null && !isRecord(state)) {
      throw new Error('an awareness state is not an object, or too large');
    }
    entries.push({ clientId, clock, state: state === null ? null : sanitizeState(state) });
  }
  return entries;
}

/** Writes an awareness update. */
export function encodeAwareness(entries: readonly AwarenessEntry[]): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, entries.length);
  for (const { clientId, clock, state } of entries) {
    encoding.writeVarUint(encoder, clientId);
    encoding.writeVarUint(encoder, clock);
    encoding.writeVarString(encoder, JSON.stringify(state));
  }
  return encoding.toUint8Array(encoder);
}
