/** Where the text of a note is, put truthfully. */
import { text } from '../text';

/** `saving`: written, but the browser has not confirmed it yet. `failed`: the browser refuses to store. */
export type StorageState = 'loading' | 'saving' | 'saved' | 'failed';

export interface SaveState {
  readonly storage: StorageState;
  /** Names of those who have the text as well. */
  readonly with: readonly string[];
  /** How many others are in the room, whether or not they have the text yet. */
  readonly others: number;
}

export function saveSentence(state: SaveState): string {
  const says = text.note.saved;
  const elsewhere = state.with.length > 0;
  switch (state.storage) {
    case 'loading':
      return says.loading;
    case 'saving':
      return says.saving;
    case 'failed':
      return elsewhere ? `${says.failed} ${says.onlyWith(state.with)}` : `${says.failed} ${says.downloadIt}`;
    case 'saved':
      if (elsewhere) return `${says.here} ${says.alsoWith(state.with)}`;
      return state.others > 0 ? says.onlyHereUnlinked : says.onlyHereAlone;
  }
}
