/**
 * Colours of people, for avatars and cursors. Each carries white text (4.5 : 1) and stands out as a line on the paper of
 * both themes (3 : 1); the test computes this.
 */
export const PALETTE = [
  '#b0541f',
  '#1c7d4d',
  '#2a72b8',
  '#a8479b',
  '#c13c4b',
  '#7f721c',
  '#7a5bc4',
  '#0f7a85',
] as const;

/** The same id has the same colour in every browser. */
export function colourOf(id: string): string {
  return PALETTE[mixed(id) % PALETTE.length] ?? PALETTE[0];
}

/**
 * The same, a little darker by an amount that nobody sees and hardly two share: the editor takes cursors of the same colour
 * for the same cursor, and would show one person's name at another's.
 */
export function cursorColourOf(id: string): string {
  const shade = Math.imul(mixed(id), 0x9e3779b1) >>> 23;
  const channels = [1, 3, 5].map((at, index) => {
    const value = Number.parseInt(colourOf(id).slice(at, at + 2), 16) - ((shade >> (3 * index)) & 7);
    return value.toString(16).padStart(2, '0');
  });
  return `#${channels.join('')}`;
}

/** FNV-1a; its low bits alone are poorly mixed for short ids. */
function mixed(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}
