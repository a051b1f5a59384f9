/** Small things to remember between visits. A browser may refuse to store: then they are simply forgotten. */

export type StorageKey = 'stoa.name' | 'stoa.theme';

export function recall(key: StorageKey): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: StorageKey, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Nothing depends on it.
  }
}
