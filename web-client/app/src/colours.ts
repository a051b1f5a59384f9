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
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  }
  // The low bits alone of this hash (FNV-1a) are poorly mixed for short ids.
  return PALETTE[(hash ^ (hash >>> 15)) % PALETTE.length] ?? PALETTE[0];
}
