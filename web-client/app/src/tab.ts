/** Duplicating a tab copies what it remembers; only one of the two may act on it. */
import { recallInTab, rememberInTab } from './storage';

/** The page before a reload may give its lock back a little late. */
const PATIENCE_MS = 1000;

let claimed: Promise<boolean> | null = null;

/** Whether what this tab remembers is its own. From the first call until the page ends it is nobody else's. */
export function claimTab(): Promise<boolean> {
  claimed ??= claim();
  return claimed;
}

async function claim(): Promise<boolean> {
  const known = recallInTab('stoa.tab');
  // Insecure pages have no locks, whatever the type says; there no camera would be switched on unasked either.
  if (!('locks' in navigator)) return true;
  if (known !== null && (await lock(known))) return true;
  const fresh = crypto.randomUUID();
  rememberInTab('stoa.tab', fresh);
  await lock(fresh);
  return known === null;
}

/** Resolves to true once the lock is held, for as long as the page lives, and to false if another tab has it. */
function lock(tab: string): Promise<boolean> {
  return new Promise((resolve) => {
    const hold = (): Promise<never> => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(`stoa.tab/${tab}`, { signal: AbortSignal.timeout(PATIENCE_MS) }, hold).catch(() => {
      resolve(false);
    });
  });
}
