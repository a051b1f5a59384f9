/** Small things to remember between visits. A browser may refuse to store: then they are simply forgotten. */

export type StorageKey = 'stoa.name' | 'stoa.theme' | 'stoa.shortcuts';

/** What belongs to this tab alone, and survives a reload of it. */
export type TabKey = 'stoa.tab' | 'stoa.volumes' | `stoa.pass/${string}` | `stoa.call/${string}`;

export function recall(key: StorageKey): string | null {
  return read(() => localStorage, key);
}

export function remember(key: StorageKey, value: string): void {
  write(() => localStorage, key, value);
}

export function recallInTab(key: TabKey): string | null {
  return read(() => sessionStorage, key);
}

/** `null` forgets. */
export function rememberInTab(key: TabKey, value: string | null): void {
  write(() => sessionStorage, key, value);
}

/** Naming the storage may throw already, hence the function. */
function read(storage: () => Storage, key: string): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

function write(storage: () => Storage, key: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // Nothing depends on it.
  }
}
