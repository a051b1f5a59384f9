/** Invitations: how long they last, and the link that carries one. */
import { fragmentOf } from '../pass';
import { pathOfRoom } from '../room-name';

const HOUR_MS = 3_600_000;

export const EXPIRIES = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS } as const;

export type Expiry = keyof typeof EXPIRIES;

export const EXPIRY_CHOICES: readonly Expiry[] = ['hour', 'day', 'week'];

/** `origin` such as `https://meet.example`. */
export function invitationLink(origin: string, room: string, invite: string): string {
  return `${origin}${pathOfRoom(room)}${fragmentOf({ invite })}`;
}
