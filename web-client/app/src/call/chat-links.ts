/** A piece of a message; `href` is null where it is mere text. */
export interface MessagePart {
  readonly text: string;
  readonly href: string | null;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/giu;

/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?'’”)\]}…]+$/u;

/** Finds the web addresses in a message. Only such become links: other schemes may run programs. */
export function partsOf(message: string): MessagePart[] {
  const parts: MessagePart[] = [];
  let end = 0;
  for (const match of message.matchAll(ADDRESS)) {
    const found = trimmed(match[0]);
    if (!isWebAddress(found)) continue;
    if (match.index > end) parts.push({ text: message.slice(end, match.index), href: null });
    parts.push({ text: found, href: new URL(found).href });
    end = match.index + found.length;
  }
  if (end < message.length) parts.push({ text: message.slice(end), href: null });
  return parts;
}

/** Without what follows the address; a closing parenthesis that was opened in it belongs to it. */
function trimmed(found: string): string {
  const short = found.replace(TRAILING, '');
  const rest = found.slice(short.length);
  const isOpen = short.split('(').length > short.split(')').length;
  return isOpen && rest.startsWith(')') ? `${short})` : short;
}

function isWebAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/u.test(new URL(text).protocol);
}
