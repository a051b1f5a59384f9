/** Why entering or staying in a room failed, in words. */
import { StoaError, type StoaErrorCode } from '@stoa/client';
import { text, type Problem } from '../text';

export interface Trouble {
  readonly code: StoaErrorCode;
  /** When the server says to come back. */
  readonly waitMs: number | null;
  /** A token was shown: then it is not missing but good no longer. */
  readonly hadToken: boolean;
}

export function troubleOf(error: unknown, hadToken: boolean): Trouble {
  if (!(error instanceof StoaError)) return { code: 'closed', waitMs: null, hadToken };
  return { code: error.code, waitMs: error.retryAfterMs ?? null, hadToken };
}

export function roomProblem({ code, waitMs, hadToken }: Trouble): Problem {
  if (code === 'rate_limited' && waitMs !== null) return text.tooManyTries(Math.max(1, Math.ceil(waitMs / 1000)));
  if (code === 'authenticate' && hadToken) return text.accessExpired;
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
