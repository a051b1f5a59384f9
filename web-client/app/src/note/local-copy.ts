/** The copy of a note in this browser's IndexedDB, and the truth about it. */
import type { ProviderCopy } from '@stoa/yjs';
import { IndexeddbPersistence } from 'y-indexeddb';
import type { Doc } from 'yjs';
import type { StorageState } from './save-state';
import { canStore, find, keepEpoch, putAside, type AsideCopy, type Found } from './store';

/** A browser that has not opened its storage by then is taken to refuse; if it opens later, that counts. */
const OPENING_MS = 8000;

/** "Saved" comes a little late, so that it does not flicker between keystrokes; it never comes early. */
const CALM_MS = 300;

export class LocalCopy implements ProviderCopy {
  readonly loaded: Promise<number>;
  readonly #doc: Doc;
  readonly #onChange: () => void;
  #state: StorageState = 'loading';
  #aside: readonly AsideCopy[] = [];
  #persistence: IndexeddbPersistence | null = null;
  #database: string | null = null;
  /** The epoch that the document belongs to by now. */
  #epoch = 0;
  #destroyed = false;
  #unconfirmed = 0;
  #resolveLoaded: (epoch: number) => void = () => undefined;
  #openingTimer: ReturnType<typeof setTimeout>;
  #calmTimer: ReturnType<typeof setTimeout> | undefined;

  /** `onChange` is called whenever `state` or `aside` has a new value. */
  constructor(name: string, doc: Doc, onChange: () => void) {
    this.#doc = doc;
    this.#onChange = onChange;
    this.loaded = new Promise((resolve) => (this.#resolveLoaded = resolve));
    this.#openingTimer = setTimeout(() => this.#fail(), OPENING_MS);
    this.#open(name).catch(() => this.#fail());
  }

  get state(): StorageState {
    return this.#state;
  }

  /** Copies of the same note from before the server erased it. */
  get aside(): readonly AsideCopy[] {
    return this.#aside;
  }

  /** One of them is not wanted any more. */
  dropAside(copy: AsideCopy): void {
    this.#aside = this.#aside.filter((other) => other !== copy);
    this.#onChange();
  }

  async keepEpoch(epoch: number): Promise<void> {
    this.#epoch = epoch;
    if (this.#persistence !== null && this.#database !== null) await keepEpoch(this.#database, epoch);
  }

  /** Ends it, and leaves it for good: whoever opens the note next begins with an empty one. */
  async putAside(): Promise<void> {
    this.destroy();
    if (this.#database !== null) await putAside(this.#database);
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
      this.#fail();
      return;
    }
    const found = await find(name);
    if (this.#destroyed) return;
    this.#aside = found.aside;
    // Where the storage came too late, the document may have met another epoch than its copy.
    const isTooLate = this.#epoch !== 0 && found.epoch !== 0 && found.epoch !== this.#epoch;
    if (isTooLate) this.#fail();
    else await this.#attach(found);
  }

  async #attach({ database, epoch }: Found): Promise<void> {
    const persistence = new IndexeddbPersistence(database, this.#doc);
    this.#database = database;
    this.#persistence = persistence;
    await persistence.whenSynced;
    if (this.#epoch !== 0 && epoch === 0) await keepEpoch(database, this.#epoch);
    if (this.#destroyed || persistence.db === null) return;
    // Failed writes (a full disk, data cleared by the user) reach the database as events.
    persistence.db.addEventListener('abort', () => this.#set('failed'));
    persistence.db.addEventListener('close', () => this.#set('failed'));
    this.#doc.on('update', this.#confirm);
    this.#confirm();
    this.#resolveLoaded(epoch);
  }

  /** The document goes on without it. */
  #fail(): void {
    this.#set('failed');
    this.#resolveLoaded(0);
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
