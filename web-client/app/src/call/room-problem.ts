/** Why entering or staying in a room failed, in words. */
import { StoaError, type StoaErrorCode } from '@stoa/client';
import { parseFields } from '../record';
import { text, type Problem } from '../text';

export interface Trouble {
  readonly code: StoaErrorCode;
  /** When the server says to come back. */
  readonly waitMs: number | null;
  readonly token: TokenState;
}

/** How the token that was shown looks from here. Only the server can tell a good one. */
export type TokenState = 'none' | 'ended' | 'other';

/** Clocks differ: a token that ends within this time may have ended for the server, in milliseconds. */
const CLOCK_MS = 60_000;

export function troubleOf(error: unknown, token: string | undefined, nowMs = Date.now()): Trouble {
  const shown = tokenState(token, nowMs);
  if (!(error instanceof StoaError)) return { code: 'closed', waitMs: null, token: shown };
  return { code: error.code, waitMs: error.retryAfterMs ?? null, token: shown };
}

function tokenState(token: string | undefined, nowMs: number): TokenState {
  if (token === undefined) return 'none';
  const end = claimsOf(token)?.['exp'];
  return typeof end === 'number' && end * 1000 < nowMs + CLOCK_MS ? 'ended' : 'other';
}

/** What a JSON Web Token says (RFC 7519); null: this is none, or not the whole of it. */
function claimsOf(token: string): Record<string, unknown> | null {
  try {
    return parseFields(atob((token.split('.')[1] ?? '').replace(/-/gu, '+').replace(/_/gu, '/')));
  } catch {
    return null;
  }
}

export function roomProblem({ code, waitMs, token }: Trouble): Problem {
  if (code === 'rate_limited' && waitMs !== null) return text.tooManyTries(Math.max(1, Math.ceil(waitMs / 1000)));
  if (code === 'authenticate' && token !== 'none') return text.badAccess[token];
  return text.problem[code];
}

/** Where joining again would only be the same refusal. */
export function isFinal({ code }: Trouble): boolean {
  return code === 'removed';
}

/** Why the server refused what a moderator asked for. */
export function refusalWords(error: unknown): string {
  const code = error instanceof StoaError ? error.code : 'closed';
  if (code === 'forbidden') return text.people.forbidden;
  if (code === 'rate_limited') return text.people.slowDown;
  return text.people.failed;
}
