/** What makes a room name good, and how to find one in whatever people paste. */

export const ROOM_NAME_MAX = 64;

export type RoomNameProblem =
  'empty' | 'too_long' | 'bad_characters' | 'only_dots' | 'other_server' | 'not_a_room_link';

export type RoomNameResult =
  | { readonly ok: true; readonly room: string }
  | { readonly ok: false; readonly problem: RoomNameProblem; readonly found: string };

/** Checks a name as it stands in a link; capital letters are forgiven. */
export function parseRoomName(name: string): RoomNameResult {
  const room = name.trim().toLowerCase().replace(/\s+/gu, '-');
  if (room === '') return refused('empty');
  const strange = [...new Set(room.replace(/[a-z0-9._-]/gu, ''))];
  if (strange.length > 0) return refused('bad_characters', strange.slice(0, 5).join(' '));
  if (room.length > ROOM_NAME_MAX) return refused('too_long', String(room.length));
  // In an address, "." and ".." are folders, so that such a room could not be linked to.
  if (/^\.+$/u.test(room)) return refused('only_dots');
  return { ok: true, room };
}

/** Reads what somebody typed or pasted: a name, a whole link, or its last part. `host` is that of this server. */
export function parseRoomInput(input: string, host: string): RoomNameResult {
  const trimmed = input.trim();
  if (!trimmed.includes('/')) return parseRoomName(trimmed);

  const link = toUrl(trimmed, host);
  if (link === null) return refused('not_a_room_link');
  if (link.host !== host) return refused('other_server', link.host);
  const room = roomOfPath(link.pathname);
  return room === null ? refused('not_a_room_link') : parseRoomName(room);
}

/** The part of a pasted link after its `#`, with it; there an invitation travels. */
export function fragmentOfInput(input: string): string {
  const start = input.indexOf('#');
  return start === -1 ? '' : input.slice(start).trim();
}

/** The room's part of a path like `/r/amber-otter-4821`, decoded but not checked. */
export function roomOfPath(path: string): string | null {
  const part = /^\/r\/([^/]+)\/?$/u.exec(path)?.[1];
  if (part === undefined) return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

export function pathOfRoom(room: string): string {
  return `/r/${encodeURIComponent(room)}`;
}

function toUrl(text: string, host: string): URL | null {
  if (text.startsWith('/')) return parseUrl(`https://${host}${text}`);
  if (text.startsWith('r/')) return parseUrl(`https://${host}/${text}`);
  return parseUrl(/^https?:\/\//iu.test(text) ? text : `https://${text}`);
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function refused(problem: RoomNameProblem, found = ''): RoomNameResult {
  return { ok: false, problem, found };
}
