/** The names of documents, as they stand in an address. */
import { parseRoomName } from './room-name';

const LONGEST_BYTES = 256;

/** The document's part of a path like `/d/minutes`, decoded and checked; null: this address means no document. */
export function docOfPath(path: string): string | null {
  const part = /^\/d\/(.+)$/u.exec(path)?.[1];
  if (part === undefined) return null;
  try {
    const name = decodeURIComponent(part);
    return isDocName(name) ? name : null;
  } catch {
    return null;
  }
}

/** As the server has it: 1 to 256 bytes, and nothing that cannot be seen. */
export function isDocName(name: string): boolean {
  const bytes = new TextEncoder().encode(name).length;
  // In an address, "." and ".." are folders.
  return bytes > 0 && bytes <= LONGEST_BYTES && !/\p{Cc}/u.test(name) && !/^\.{1,2}$/u.test(name);
}

export function pathOfDoc(doc: string): string {
  return `/d/${encodeURIComponent(doc)}`;
}

/** Under which a pass for a document is kept, apart from those for rooms. */
export const passKeyOfDoc = (doc: string): string => `d/${doc}`;

/** The room to which a document belongs: the note of a room has its name, others begin with it. Null: none. */
export function roomOfDoc(doc: string): string | null {
  const room = doc.split('/')[0] ?? '';
  const parsed = parseRoomName(room);
  return parsed.ok && parsed.room === room ? room : null;
}
