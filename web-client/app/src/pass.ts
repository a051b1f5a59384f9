/** What lets one into a room: an invitation or a token, handed over in the part of a link that no server ever sees. */
import { parseFields } from './record';
import { recallInTab, rememberInTab } from './storage';

export interface Pass {
  readonly invite?: string;
  readonly token?: string;
}

/** Reads the fragment of an address, such as `#invite=abc`; null if it holds no pass. */
export function parsePass(fragment: string): Pass | null {
  const parameters = new URLSearchParams(fragment.replace(/^#/u, ''));
  return passOf(parameters.get('invite'), parameters.get('token'));
}

/** The fragment that `parsePass` reads. */
export function fragmentOf(pass: Pass): string {
  return `#${new URLSearchParams({ ...pass }).toString()}`;
}

/** Kept for this tab, because the address loses it and joining may need it again. */
export function keepPass(room: string, pass: Pass): void {
  rememberInTab(`stoa.pass/${room}`, JSON.stringify(pass));
  kept.set(room, pass);
}

export function recallPass(room: string): Pass {
  const known = kept.get(room);
  if (known !== undefined) return known;
  const stored = parseFields(recallInTab(`stoa.pass/${room}`));
  return passOf(stored?.['invite'], stored?.['token']) ?? {};
}

/** Serves where the browser refuses to store. */
const kept = new Map<string, Pass>();

function passOf(invite: unknown, token: unknown): Pass | null {
  const pass = { ...textField('invite', invite), ...textField('token', token) };
  return Object.keys(pass).length === 0 ? null : pass;
}

function textField(name: 'invite' | 'token', value: unknown): Pass {
  return typeof value === 'string' && value !== '' ? { [name]: value } : {};
}
