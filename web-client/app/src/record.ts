/** Reading what was stored earlier: it may be of another version, or have been tampered with. */

export type Fields = Readonly<Record<string, unknown>>;

/** The object in a piece of JSON; null if there is none. */
export function parseFields(json: string | null): Fields | null {
  if (json === null) return null;
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : null;
  } catch {
    return null;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
