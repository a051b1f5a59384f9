/** The note of a room while one is in it. It syncs whether or not the panel is open: others rely on the copy here. */
import type { ParticipantView, Room } from '@stoa/client';
import { StoaProvider } from '@stoa/yjs';
import { Doc, UndoManager, type Text } from 'yjs';
import { colourOf } from '../colours';
import { LocalCopy } from './local-copy';
import type { SaveState } from './save-state';

export class NoteSession {
  readonly text: Text;
  readonly undo: UndoManager;
  readonly provider: StoaProvider;
  readonly #room: Room;
  readonly #doc = new Doc();
  readonly #localCopy: LocalCopy;
  readonly #stops: (() => void)[];
  readonly #listeners = new Set<() => void>();
  #introduced: ParticipantView | null = null;
  #state: SaveState = { storage: 'loading', with: [], others: 0 };

  constructor(room: Room) {
    this.#room = room;
    this.text = this.#doc.getText('note');
    this.undo = new UndoManager(this.text);
    const name = `note/${room.state.room}`;
    this.provider = new StoaProvider(room, name, this.#doc);
    this.#localCopy = new LocalCopy(`stoa/${name}`, this.#doc, this.#refresh);
    this.#stops = [
      room.subscribe(this.#refresh),
      room.subscribe(() => this.#introduce()),
      this.provider.on('peers', this.#refresh),
    ];
    this.#introduce();
    this.#refresh();
  }

  get state(): SaveState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes one's own cursor away from the others' editors. */
  hideCursor(): void {
    this.provider.awareness.setLocalStateField('cursor', null);
  }

  destroy(): void {
    this.#stops.forEach((stop) => stop());
    this.#listeners.clear();
    this.undo.destroy();
    this.provider.destroy();
    this.#localCopy.destroy();
    this.#doc.destroy();
  }

  /** Tells the others whose cursor this is. */
  #introduce(): void {
    const self = this.#room.state.participants.find((participant) => participant.isSelf);
    const before = this.#introduced;
    if (self === undefined || (self.id === before?.id && self.name === before.name)) return;
    this.#introduced = self;
    const color = colourOf(self.id);
    this.provider.awareness.setLocalStateField('user', { name: self.name, color, colorLight: `${color}38` });
  }

  readonly #refresh = (): void => {
    const others = this.#room.state.participants.filter((participant) => !participant.isSelf);
    this.#state = {
      storage: this.#localCopy?.state ?? 'loading',
      with: others.filter((participant) => this.#has(participant)).map((participant) => participant.name),
      others: others.length,
    };
    this.#listeners.forEach((listener) => listener());
  };

  #has(participant: ParticipantView): boolean {
    return this.provider.peers.has(participant.id);
  }
}
