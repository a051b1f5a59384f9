import type { StoaErrorCode } from '../errors';
import type { ErrorCode } from './wire';

/** What a closed WebSocket asks of the client. */
export type CloseVerdict =
  | { readonly kind: 'resume_now' }
  | { readonly kind: 'back_off' }
  /** Busy: at the first join the user is told, later the session waits. */
  | { readonly kind: 'busy'; readonly code: StoaErrorCode }
  | { readonly kind: 'final'; readonly code: StoaErrorCode };

const FINAL: Readonly<Record<number, StoaErrorCode>> = {
  4502: 'replaced',
  4503: 'room_full',
  4504: 'bad_room',
  4505: 'bad_name',
};

const BUSY: Readonly<Record<number, StoaErrorCode>> = { 4101: 'rate_limited', 4102: 'server_full' };

/** Refusals of `hello` that waiting does not cure, for proxies that swallow the close code. */
const FINAL_REFUSALS: Partial<Record<ErrorCode, StoaErrorCode>> = {
  bad_room: 'bad_room',
  bad_name: 'bad_name',
  room_full: 'room_full',
};
const BUSY_REFUSALS: Partial<Record<ErrorCode, StoaErrorCode>> = {
  server_full: 'server_full',
  rate_limited: 'rate_limited',
};

/**
 * Reads a close code. `refusal` is the code of an `error` frame that answered `hello` on the same socket, if any; it
 * counts only where the close code itself says nothing.
 */
export function judgeClose(closeCode: number, refusal: ErrorCode | null): CloseVerdict {
  if (closeCode >= 4000 && closeCode < 4100) {
    return { kind: 'resume_now' };
  }
  if (closeCode >= 4100 && closeCode < 4200) {
    const code = BUSY[closeCode];
    return code === undefined ? { kind: 'back_off' } : { kind: 'busy', code };
  }
  if (closeCode >= 4200 && closeCode < 4300) {
    return { kind: 'final', code: 'authenticate' };
  }
  if (closeCode >= 4500 && closeCode < 4600) {
    return { kind: 'final', code: FINAL[closeCode] ?? 'protocol' };
  }
  const final = refusal === null ? undefined : FINAL_REFUSALS[refusal];
  if (final !== undefined) {
    return { kind: 'final', code: final };
  }
  const busy = refusal === null ? undefined : BUSY_REFUSALS[refusal];
  return busy === undefined ? { kind: 'back_off' } : { kind: 'busy', code: busy };
}
