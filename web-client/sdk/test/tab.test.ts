import { describe, expect, it } from 'vitest';
import { SessionStore } from '../src/signal/saved-session';
import type { TabStorage } from '../src/signal/saved-session';
import { SessionLock } from '../src/signal/session-lock';
import type { Locks } from '../src/signal/session-lock';
import { TabMemory } from '../src/signal/tab-memory';

const URL = 'ws://localhost/v1/ws';
const KEPT = {
  session: 's1',
  resume_secret: 'secret',
  participant: 'p1',
  participant_proof: 'proof',
  links: { p2: 3 },
};

class FakeStorage implements TabStorage {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

const BROKEN: TabStorage = {
  getItem: () => {
    throw new Error('forbidden');
  },
  setItem: () => {
    throw new Error('full');
  },
  removeItem: () => {
    throw new Error('forbidden');
  },
};

/** Exclusive locks shared by the tabs of a browser, waiting until their signal aborts. */
class FakeLocks {
  readonly held = new Set<string>();
  readonly #waiting: (() => void)[] = [];

  readonly request = ((name: string, options: LockOptions, callback: () => Promise<void>): Promise<void> => {
    return new Promise<void>((resolve, reject) => {
      const attempt = () => {
        if (options.signal?.aborted === true) {
          reject(new Error('aborted'));
        } else if (this.held.has(name)) {
          this.#waiting.push(attempt);
        } else {
          this.held.add(name);
          void callback().then(() => {
            this.held.delete(name);
            this.wake();
            resolve();
          });
        }
      };
      options.signal?.addEventListener('abort', attempt);
      attempt();
    });
  }) as Locks['request'];

  wake(): void {
    for (const attempt of this.#waiting.splice(0)) {
      attempt();
    }
  }
}

class Tab {
  readonly page = new EventTarget();
  readonly patience = new AbortController();
  readonly lock: SessionLock;
  readonly memory: TabMemory;

  constructor(locks: FakeLocks | null, storage: TabStorage | null, url = URL, nowMs = 1_000) {
    this.lock = new SessionLock(locks, () => this.patience.signal);
    this.memory = new TabMemory(new SessionStore(storage, url, ' Atrium'), this.lock, this.page, () => nowMs);
  }
}

describe('a page that is loaded anew', () => {
  it('finds what the one before has left', async () => {
    const locks = new FakeLocks();
    const storage = new FakeStorage();
    const before = new Tab(locks, storage);
    before.memory.keep(KEPT);
    before.memory.keep({ ...KEPT, links: { p2: 4 } });
    before.page.dispatchEvent(new Event('pagehide'));
    expect([...storage.items.keys()]).toEqual(['stoa/session/atrium']);
    expect(await new Tab(locks, storage).memory.recall()).toMatchObject({ ...KEPT, links: { p2: 4 }, savedAt: 1_000 });
  });

  it('waits for the one before to give its lock back', async () => {
    const locks = new FakeLocks();
    const storage = new FakeStorage();
    const before = new Tab(locks, storage);
    before.memory.keep(KEPT);
    const recalled = new Tab(locks, storage).memory.recall();
    before.memory.release();
    expect(await recalled).toMatchObject({ session: 's1' });
  });

  it('finds nothing after a goodbye, of another server, or after days', async () => {
    const storage = new FakeStorage();
    new Tab(null, storage).memory.keep(KEPT);
    expect(await new Tab(null, storage, 'ws://elsewhere/v1/ws').memory.recall()).toBeNull();
    expect(await new Tab(null, storage, URL, 100_000_000).memory.recall()).toBeNull();
    const left = new Tab(null, storage);
    left.memory.keep(KEPT);
    left.memory.forget();
    expect(await new Tab(null, storage).memory.recall()).toBeNull();
    left.page.dispatchEvent(new Event('pagehide'));
    expect(storage.items.size).toBe(0);
  });

  it.each([
    ['no storage', null],
    ['a storage that throws', BROKEN],
  ])('joins as somebody new where there is %s', async (_name, storage) => {
    const tab = new Tab(null, storage);
    tab.memory.keep(KEPT);
    expect(await tab.memory.recall()).toBeNull();
    tab.memory.forget();
  });

  it.each(['{', '[]', 'null', '"s"', '{"session":"s1"}'])('makes nothing of %s', async (text) => {
    const storage = new FakeStorage();
    storage.setItem('stoa/session/atrium', text);
    expect(await new Tab(null, storage).memory.recall()).toBeNull();
  });

  it('makes nothing of generations that are none', async () => {
    const storage = new FakeStorage();
    new Tab(null, storage).memory.keep({ ...KEPT, links: { p2: 0 } });
    expect(await new Tab(null, storage).memory.recall()).toBeNull();
  });
});

describe('a duplicated tab', () => {
  it('leaves the session to the tab that is in the call', async () => {
    const locks = new FakeLocks();
    const storage = new FakeStorage();
    new Tab(locks, storage).memory.keep(KEPT);
    const copy = new Tab(locks, storage);
    const recalled = copy.memory.recall();
    copy.patience.abort();
    expect(await recalled).toBeNull();
    expect([...locks.held]).toEqual(['stoa/session/s1']);
  });
});

describe('SessionLock', () => {
  it('holds one session at a time', async () => {
    const locks = new FakeLocks();
    const lock = new SessionLock(locks, () => new AbortController().signal);
    expect(await lock.hold('s1')).toBe(true);
    expect(await lock.hold('s1')).toBe(true);
    expect(await lock.hold('s2')).toBe(true);
    await Promise.resolve();
    expect([...locks.held]).toEqual(['stoa/session/s2']);
  });

  it('gives back what comes after it was released', async () => {
    const locks = new FakeLocks();
    const first = new SessionLock(locks, () => new AbortController().signal);
    await first.hold('s1');
    const second = new SessionLock(locks, () => new AbortController().signal);
    const held = second.hold('s1');
    second.release();
    first.release();
    await held;
    await Promise.resolve();
    expect(locks.held.size).toBe(0);
  });
});
