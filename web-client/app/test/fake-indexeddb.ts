/**
 * As much of IndexedDB as the notes' marks need: databases that outlive their connections, requests that answer later, and
 * transactions that complete once all their requests have, or abort as a whole.
 */

type Rows = Map<IDBValidKey, unknown>;
type Handler = ((event: { target: unknown; preventDefault: () => void }) => void) | null;

class FakeRequest {
  result: unknown;
  error: Error | null = null;
  onsuccess: Handler = null;
  onerror: Handler = null;
  onupgradeneeded: Handler = null;

  tell(handler: 'onsuccess' | 'onerror' | 'onupgradeneeded'): void {
    this[handler]?.({ target: this, preventDefault: () => undefined });
  }
}

class FakeStore {
  constructor(
    readonly rows: Rows,
    readonly ask: (answer: () => unknown, writes?: boolean) => FakeRequest,
  ) {}

  get = (key: IDBValidKey) => this.ask(() => this.rows.get(key));
  count = () => this.ask(() => this.rows.size);
  getAll = () => this.ask(() => [...this.rows.values()]);
  put = (value: unknown, key: IDBValidKey) => this.ask(() => this.rows.set(key, structuredClone(value)), true);
  add = (value: unknown) => this.ask(() => this.rows.set(this.rows.size + 1, structuredClone(value)), true);
  clear = () => this.ask(() => this.rows.clear(), true);
}

class FakeTransaction {
  oncomplete: (() => void) | null = null;
  onabort: (() => void) | null = null;
  error: Error | null = null;
  #open = 0;
  readonly #before = new Map<string, Rows>();

  constructor(
    readonly factory: FakeIndexedDb,
    readonly stores: Map<string, Rows>,
    names: readonly string[],
  ) {
    for (const name of names) this.#before.set(name, new Map(this.#rows(name)));
    this.#settle();
  }

  objectStore(name: string): FakeStore {
    return new FakeStore(this.#rows(name), (answer, writes = false) => this.#ask(answer, writes));
  }

  #rows(name: string): Rows {
    const rows = this.stores.get(name);
    if (rows === undefined) throw new Error(`no store ${name}`);
    return rows;
  }

  #ask(answer: () => unknown, writes: boolean): FakeRequest {
    const request = new FakeRequest();
    this.#open += 1;
    queueMicrotask(() => {
      if (writes && this.factory.isFull) this.error = new Error('QuotaExceededError');
      else request.result = answer();
      request.tell(this.error === null ? 'onsuccess' : 'onerror');
      this.#open -= 1;
      this.#settle();
    });
    return request;
  }

  /** Handlers may ask for more, so the end is looked for later. */
  #settle(): void {
    setTimeout(() => {
      if (this.#open > 0) return;
      if (this.error === null) {
        this.oncomplete?.();
      } else {
        for (const [name, rows] of this.#before) this.stores.set(name, rows);
        this.onabort?.();
      }
    }, 0);
  }
}

/** Stands in for the global `indexedDB`. */
export class FakeIndexedDb {
  readonly databases = new Map<string, Map<string, Rows>>();
  /** How many connections are open. */
  connections = 0;
  /** The browser has no room: everything that writes aborts. */
  isFull = false;
  /** The browser refuses to open anything. */
  isRefusing = false;

  open(name: string): FakeRequest {
    const request = new FakeRequest();
    queueMicrotask(() => {
      if (this.isRefusing) {
        request.error = new Error('SecurityError');
        request.tell('onerror');
        return;
      }
      const known = this.databases.get(name);
      const stores = known ?? new Map<string, Rows>();
      this.databases.set(name, stores);
      this.connections += 1;
      request.result = {
        createObjectStore: (store: string) => stores.set(store, new Map()),
        transaction: (names: string[]) => new FakeTransaction(this, stores, names),
        close: () => void (this.connections -= 1),
      };
      if (known === undefined) request.tell('onupgradeneeded');
      request.tell('onsuccess');
    });
    return request;
  }

  deleteDatabase(name: string): FakeRequest {
    this.databases.delete(name);
    return new FakeRequest();
  }

  /** What y-indexeddb keeps of a document. */
  addUpdate(database: string, update: Uint8Array): void {
    const updates = this.databases.get(database)?.get('updates');
    updates?.set(updates.size + 1, update);
  }
}
