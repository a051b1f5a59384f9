/** A note while one has it open. It syncs whether or not its editor is shown: others rely on the copy here. */
import type { DocumentsPort, ParticipantView, Room } from '@stoa/client';
import { StoaProvider, type SaveState as ServerState } from '@stoa/yjs';
import { Doc, encodeStateAsUpdate, UndoManager, type Text } from 'yjs';
import { cursorColourOf } from '../colours';
import { LocalCopy } from './local-copy';
import type { SaveState } from './save-state';
import { forgetAside, readAside, type AsideCopy } from './store';

/** "Saved" comes a little late, so that it does not flicker between keystrokes; it never comes early. */
const CALM_MS = 300;

/** So long "connecting" is said instead of "offline" when a note is opened. */
const CONNECTING_MS = 4000;

/** Somebody at the note. */
export interface Editor {
  /** Of their Yjs client: one person may be there twice. */
  readonly id: number;
  readonly name: string;
  readonly color: string;
  readonly isSelf: boolean;
}

/** One life of a note: another one begins when the server erases it. */
export interface NoteCopy {
  readonly text: Text;
  readonly undo: UndoManager;
  readonly provider: StoaProvider;
}

interface Life extends NoteCopy {
  readonly doc: Doc;
  readonly local: LocalCopy;
  readonly stops: readonly (() => void)[];
}

export interface NoteState extends SaveState {
  readonly copy: NoteCopy;
  readonly editors: readonly Editor[];
}

export class NoteSession {
  /** The name of the document. */
  readonly name: string;
  readonly #way: Room | DocumentsPort;
  readonly #listeners = new Set<() => void>();
  readonly #stops: (() => void)[] = [];
  readonly #connectingTimer: ReturnType<typeof setTimeout>;
  #user: { readonly name: string; readonly color: string } | null = null;
  #life: Life;
  #state: NoteState;
  #calmTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether `saved` has lasted long enough to be shown. */
  #isCalm = false;
  #isConnecting = true;
  #isDestroyed = false;

  /** `way` is the room whose note it is, or the way to a document without a room. */
  constructor(way: Room | DocumentsPort, name: string) {
    this.#way = way;
    this.name = name;
    this.#life = this.#begin();
    this.#state = this.#stateNow();
    this.#connectingTimer = setTimeout(() => this.#connected(), CONNECTING_MS);
    if ('documents' in way) {
      this.#stops.push(
        way.subscribe(() => this.#refresh()),
        way.subscribe(() => this.#introduceAs(way)),
      );
      this.#introduceAs(way);
    }
  }

  get state(): NoteState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the others whose cursor this is. `id` decides its colour. */
  introduce(name: string, id: string): void {
    this.#user = { name, color: cursorColourOf(id) };
    this.#tellUser(this.#life);
  }

  /** Takes one's own cursor away from the others' editors. */
  hideCursor(): void {
    this.#life.provider.awareness.setLocalStateField('cursor', null);
  }

  /** Everything there is of the note, for other programs that speak Yjs. */
  exportUpdate(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(encodeStateAsUpdate(this.#life.doc));
  }

  /** The text of a copy from before the server erased the note. */
  readAside(copy: AsideCopy): Promise<string> {
    return readAside(copy);
  }

  async forgetAside(copy: AsideCopy): Promise<void> {
    await forgetAside(copy);
    this.#life.local.dropAside(copy);
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#stops.forEach((stop) => stop());
    this.#listeners.clear();
    clearTimeout(this.#calmTimer);
    clearTimeout(this.#connectingTimer);
    this.#end(this.#life);
    this.#life.local.destroy();
  }

  #begin(): Life {
    const doc = new Doc();
    const note = doc.getText('note');
    const local = new LocalCopy(`stoa/note/${this.name}`, doc, () => this.#refresh());
    const provider = new StoaProvider(this.#way, this.name, doc, { copy: local });
    const refresh = (): void => this.#refresh();
    provider.awareness.on('change', refresh);
    const life: Life = {
      doc,
      text: note,
      undo: new UndoManager(note),
      provider,
      local,
      stops: [
        provider.on('peers', refresh),
        provider.on('status', () => provider.saveState !== 'offline' && this.#connected()),
        provider.on('saveState', (state) => this.#handleSaveState(state)),
        provider.on('gone', () => void this.#beginAnew()),
      ],
    };
    this.#tellUser(life);
    return life;
  }

  /** The server erased the note: what is here must not come back by itself, and must not be lost either. */
  async #beginAnew(): Promise<void> {
    const { local } = this.#life;
    this.#end(this.#life);
    // Where the browser stores nothing there is nothing to put aside.
    await local.putAside().catch(() => undefined);
    if (this.#isDestroyed) return;
    this.#isCalm = false;
    this.#life = this.#begin();
    this.#refresh();
  }

  #end({ undo, provider, doc, stops }: Life): void {
    stops.forEach((stop) => stop());
    undo.destroy();
    provider.destroy();
    doc.destroy();
  }

  #tellUser({ provider }: Life): void {
    if (this.#user !== null) {
      const { name, color } = this.#user;
      provider.awareness.setLocalStateField('user', { name, color, colorLight: `${color}38` });
    }
  }

  #introduceAs(room: Room): void {
    const self = room.state.participants.find((participant) => participant.isSelf);
    if (self === undefined) return;
    const color = cursorColourOf(self.id);
    if (this.#user?.name !== self.name || this.#user.color !== color) this.introduce(self.name, self.id);
  }

  #handleSaveState(state: ServerState): void {
    clearTimeout(this.#calmTimer);
    this.#isCalm = false;
    if (state === 'saved') {
      this.#calmTimer = setTimeout(() => {
        this.#isCalm = true;
        this.#refresh();
      }, CALM_MS);
    }
    if (state !== 'offline') this.#connected();
    this.#refresh();
  }

  #connected(): void {
    this.#isConnecting = false;
    this.#refresh();
  }

  #refresh(): void {
    if (this.#isDestroyed || this.#life === undefined) return;
    this.#state = this.#stateNow();
    this.#listeners.forEach((listener) => listener());
  }

  #stateNow(): NoteState {
    const { provider, local } = this.#life;
    return {
      copy: this.#life,
      storage: local.state,
      server: this.#serverState(provider),
      saved: provider.saved,
      onlyHere: provider.onlyHere,
      refusal: provider.refusal,
      access: provider.access,
      with: this.#others().map((participant) => participant.name),
      aside: local.aside,
      editors: editorsOf(provider),
    };
  }

  #serverState({ saveState }: StoaProvider): ServerState | null {
    if (saveState === 'offline' && this.#isConnecting) return null;
    return saveState === 'saved' && !this.#isCalm ? 'saving' : saveState;
  }

  #others(): readonly ParticipantView[] {
    const participants = 'documents' in this.#way ? this.#way.state.participants : [];
    return participants.filter(({ id, isSelf }) => !isSelf && this.#life.provider.peers.has(id));
  }
}

/** Everybody who says who they are, oneself first. */
function editorsOf({ awareness, doc }: StoaProvider): Editor[] {
  const editors = [...awareness.getStates()].flatMap(([id, state]): Editor[] => {
    const user: unknown = state['user'];
    const isNamed = typeof user === 'object' && user !== null && 'name' in user && 'color' in user;
    return isNamed ? [{ id, name: String(user.name), color: String(user.color), isSelf: id === doc.clientID }] : [];
  });
  return editors.sort((a, b) => Number(b.isSelf) - Number(a.isSelf) || a.name.localeCompare(b.name));
}
