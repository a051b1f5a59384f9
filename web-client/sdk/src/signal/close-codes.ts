import type { StoaErrorCode } from '../errors';
import type { ErrorCode } from './wire';

/** What a closed WebSocket asks of the client. */
export type CloseVerdict =
  | { readonly kind: 'resume_now' }
  /** Nobody said why: the network, or a server that died. */
  | { readonly kind: 'lost' }
  /** The server asks for patience. */
  | { readonly kind: 'back_off' }
  /** Busy: at the first join the user is told, later the session waits. */
  | { readonly kind: 'busy'; readonly code: StoaErrorCode }
  /** The token is missing or has ended. */
  | { readonly kind: 'authenticate' }
  | { readonly kind: 'final'; readonly code: StoaErrorCode };

const FINAL: Readonly<Record<number, StoaErrorCode>> = {
  4502: 'replaced',
  4503: 'room_full',
  4504: 'bad_room',
  4505: 'bad_name',
  4506: 'forbidden',
  4507: 'removed',
  4508: 'room_locked',
  4509: 'bad_invite',
};

const BUSY: Readonly<Record<number, StoaErrorCode>> = { 4101: 'rate_limited', 4102: 'server_full' };

/** Refusals of `hello` that waiting does not cure, for proxies that swallow the close code. */
const FINAL_REFUSALS: Partial<Record<ErrorCode, StoaErrorCode>> = {
  bad_room: 'bad_room',
  bad_name: 'bad_name',
  room_full: 'room_full',
  forbidden: 'forbidden',
  removed: 'removed',
  room_locked: 'room_locked',
  bad_invite: 'bad_invite',
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
    return { kind: 'authenticate' };
  }
  if (closeCode >= 4500 && closeCode < 4600) {
    return { kind: 'final', code: FINAL[closeCode] ?? 'protocol' };
  }
  if (refusal === 'unauthenticated') {
    return { kind: 'authenticate' };
  }
  const final = refusal === null ? undefined : FINAL_REFUSALS[refusal];
  if (final !== undefined) {
    return { kind: 'final', code: final };
  }
  const busy = refusal === null ? undefined : BUSY_REFUSALS[refusal];
  return busy === undefined ? { kind: 'lost' } : { kind: 'busy', code: busy };
}

/** What a refused request means to the app; anything else is a fault of this SDK. */
export function errorOfRefusal(refusal: ErrorCode): StoaErrorCode {
  const codes = {
    ...FINAL_REFUSALS,
    ...BUSY_REFUSALS,
    unauthenticated: 'authenticate',
    chat_disabled: 'chat_disabled',
    unavailable: 'unavailable',
  } as const;
  const known: Partial<Record<ErrorCode, StoaErrorCode>> = codes;
  return known[refusal] ?? 'protocol';
}
