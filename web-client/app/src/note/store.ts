/**
 * The databases that hold copies of a note in this browser. `y-indexeddb` writes the content; beside it stand the epoch
 * that the copy belongs to and, once the server has erased that, where the note goes on. Then the copy stays as it is:
 * nothing is moved, so that nothing is lost on the way, and a page that still has it open harms nobody.
 */
import * as idb from 'lib0/indexeddb';
import { applyUpdate, Doc } from 'yjs';

const UPDATES = 'updates';
const MARKS = 'custom';
const EPOCH = 'epoch';
const PUT_ASIDE = 'put-aside';

/** A copy of a note that the server has erased since. */
export interface AsideCopy {
  readonly database: string;
  /** When it was put aside, in milliseconds since 1970. */
  readonly atMs: number;
}

interface PutAside {
  readonly atMs: number;
  /** The database where the note goes on. */
  readonly next: string;
}

/** Where a note is kept, and what was put aside before. */
export interface Found {
  readonly database: string;
  /** 0: the copy has met no server yet. */
  readonly epoch: number;
  readonly aside: readonly AsideCopy[];
}

/** Whether the browser stores anything at all. */
export function canStore(): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(PROBE);
      request.onerror = (event) => {
        event.preventDefault();
        resolve(false);
      };
      request.onsuccess = () => {
        request.result.close();
        indexedDB.deleteDatabase(PROBE);
        resolve(true);
      };
    } catch {
      resolve(false);
    }
  });
}

const PROBE = 'stoa/probe';

/** Finds the present copy of a note, from its first database on. */
export async function find(first: string): Promise<Found> {
  const aside: AsideCopy[] = [];
  for (let database = first; ;) {
    const { epoch, putAside, isEmpty } = await within(database, readMarks);
    if (putAside === null) return { database, epoch, aside };
    if (!isEmpty) aside.push({ database, atMs: putAside.atMs });
    database = putAside.next;
  }
}

/** Notes which epoch a copy belongs to. */
export async function keepEpoch(database: string, epoch: number): Promise<void> {
  await within(database, (db) => change(db, (marks) => void marks.put(epoch, EPOCH)));
}

/** Notes that a copy is of the past; the note goes on in another database, which is the same for all pages. */
export async function putAside(database: string): Promise<void> {
  const mark: PutAside = { atMs: Date.now(), next: `${database}~${crypto.randomUUID().slice(0, 8)}` };
  await within(database, (db) =>
    change(db, (marks) => {
      const known = marks.get(PUT_ASIDE);
      known.onsuccess = () => {
        if (known.result === undefined) marks.put(mark, PUT_ASIDE);
      };
    }),
  );
}

/** The text of a copy that was put aside. */
export async function readAside({ database }: AsideCopy): Promise<string> {
  const updates = await within(database, async (db) => {
    const [store] = idb.transact(db, [UPDATES], 'readonly');
    return store === undefined ? [] : ((await idb.getAll(store)) as Uint8Array[]);
  });
  const doc = new Doc();
  updates.forEach((update) => applyUpdate(doc, update));
  return doc.getText('note').toString();
}

/** Deletes the content of a copy that was put aside; that the note goes on elsewhere stays noted. */
export async function forgetAside({ database }: AsideCopy): Promise<void> {
  await within(database, async (db) => {
    const [store] = idb.transact(db, [UPDATES], 'readwrite');
    if (store !== undefined) await idb.rtop(store.clear());
  });
}

async function within<T>(database: string, use: (db: IDBDatabase) => Promise<T>): Promise<T> {
  // As y-indexeddb does it, so that whoever comes first makes what the other expects.
  const db: IDBDatabase = await idb.openDB(database, (created: IDBDatabase) =>
    idb.createStores(created, [[UPDATES, { autoIncrement: true } as never], [MARKS]]),
  );
  try {
    return await use(db);
  } finally {
    db.close();
  }
}

async function readMarks(db: IDBDatabase): Promise<{ epoch: number; putAside: PutAside | null; isEmpty: boolean }> {
  const marks = db.transaction([MARKS, UPDATES], 'readonly');
  const [epoch, aside, count] = await Promise.all([
    idb.rtop(marks.objectStore(MARKS).get(EPOCH)) as Promise<unknown>,
    idb.rtop(marks.objectStore(MARKS).get(PUT_ASIDE)) as Promise<unknown>,
    idb.rtop(marks.objectStore(UPDATES).count()) as Promise<unknown>,
  ]);
  return {
    epoch: typeof epoch === 'number' ? epoch : 0,
    putAside: isPutAside(aside) ? aside : null,
    isEmpty: count === 0,
  };
}

function isPutAside(value: unknown): value is PutAside {
  return typeof value === 'object' && value !== null && 'next' in value && 'atMs' in value;
}

/** Resolves when the change is on disk. */
function change(db: IDBDatabase, use: (marks: IDBObjectStore) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction([MARKS], 'readwrite');
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
    use(transaction.objectStore(MARKS));
  });
}
