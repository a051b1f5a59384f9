/** The copy of a note in this browser's IndexedDB, and the truth about it. */
import { IndexeddbPersistence } from 'y-indexeddb';
import type { Doc } from 'yjs';
import type { StorageState } from './save-state';

/** A browser that has not opened its storage by then is taken to refuse; if it opens later, that counts. */
const OPENING_MS = 8000;

/** "Saved" comes a little late, so that it does not flicker between keystrokes; it never comes early. */
const CALM_MS = 300;

export class LocalCopy {
  readonly #doc: Doc;
  readonly #onChange: () => void;
  #state: StorageState = 'loading';
  #persistence: IndexeddbPersistence | null = null;
  #destroyed = false;
  #unconfirmed = 0;
  #openingTimer: ReturnType<typeof setTimeout>;
  #calmTimer: ReturnType<typeof setTimeout> | undefined;

  /** `onChange` is called whenever `state` has a new value. */
  constructor(name: string, doc: Doc, onChange: () => void) {
    this.#doc = doc;
    this.#onChange = onChange;
    this.#openingTimer = setTimeout(() => this.#set('failed'), OPENING_MS);
    void this.#open(name);
  }

  get state(): StorageState {
    return this.#state;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    clearTimeout(this.#openingTimer);
    clearTimeout(this.#calmTimer);
    this.#doc.off('update', this.#confirm);
    void this.#persistence?.destroy();
  }

  async #open(name: string): Promise<void> {
    // y-indexeddb does not say that the browser refuses, so this is found out beforehand.
    if (!(await canStore())) {
      this.#set('failed');
      return;
    }
    if (this.#destroyed) return;
    const persistence = new IndexeddbPersistence(name, this.#doc);
    this.#persistence = persistence;
    await persistence.whenSynced;
    if (this.#destroyed || persistence.db === null) return;
    // Failed writes (a full disk, data cleared by the user) reach the database as events.
    persistence.db.addEventListener('abort', () => this.#set('failed'));
    persistence.db.addEventListener('close', () => this.#set('failed'));
    this.#doc.on('update', this.#confirm);
    this.#confirm();
  }

  /** Asks the database something: the answer comes only after all writes before it are done. */
  readonly #confirm = (): void => {
    const database = this.#persistence?.db;
    if (!database) return;
    this.#unconfirmed += 1;
    const asked = this.#unconfirmed;
    clearTimeout(this.#calmTimer);
    if (this.#state === 'saved') this.#set('saving');
    try {
      const question = database.transaction(['updates'], 'readonly');
      question.objectStore('updates').count();
      question.oncomplete = () => {
        if (asked !== this.#unconfirmed || this.#destroyed) return;
        this.#calmTimer = setTimeout(() => this.#set('saved'), CALM_MS);
      };
    } catch {
      this.#set('failed');
    }
  };

  #set(state: StorageState): void {
    if (this.#destroyed || state === this.#state) return;
    if (state !== 'loading') clearTimeout(this.#openingTimer);
    this.#state = state;
    this.#onChange();
  }
}

const PROBE = 'stoa/probe';

function canStore(): Promise<boolean> {
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
