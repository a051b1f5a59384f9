/** Where the text of a note is, put truthfully. */
import type { Access, Refusal, SaveState as ServerState } from '@stoa/yjs';
import { text } from '../text';
import type { AsideCopy } from './store';

/** The copy in this browser. `saving`: written, but not confirmed yet. `failed`: the browser refuses to store. */
export type StorageState = 'loading' | 'saving' | 'saved' | 'failed';

export interface SaveState {
  readonly storage: StorageState;
  /** How it stands with the server; null: it is being reached for the first time. */
  readonly server: ServerState | null;
  /** Whether everything is on the server's disk, as far as is known. */
  readonly saved: boolean;
  /** Whether there is something that the server is not known to have at all. */
  readonly onlyHere: boolean;
  readonly refusal: Refusal | null;
  readonly access: Access | 'none';
  /** Names of those who have the text as well, by direct links. */
  readonly with: readonly string[];
  /** What this browser has from before the server erased the note. */
  readonly aside: readonly AsideCopy[];
}

/** Whether something is wrong that people should notice. */
export function isTroubled({ server, storage }: SaveState): boolean {
  return server === 'refused' || server === 'storage-failing' || (server === 'offline' && storage === 'failed');
}

/** A headline, and what there is to add. */
export interface SaveWords {
  readonly what: string;
  readonly more: string;
}

export function saveWords(state: SaveState): SaveWords {
  const says = text.note.saved;
  switch (state.server) {
    case null:
      return { what: says.connecting, more: '' };
    case 'saved':
      return { what: says.saved, more: others(state) };
    case 'saving':
      return { what: says.saving, more: '' };
    case 'read-only':
      return { what: says.readOnly, more: state.onlyHere ? says.ownChangesStay : '' };
    case 'storage-failing':
      return { what: says.diskFull, more: words(says.nothingThere, here(state)) };
    case 'refused':
      return { what: says.notSaved, more: words(reason(state.refusal), here(state)) };
    case 'offline':
      return offline(state);
  }
}

function offline(state: SaveState): SaveWords {
  const says = text.note.saved;
  if (state.saved) return { what: says.saved, more: words(says.noServer, says.staysTillThen, others(state)) };
  switch (state.storage) {
    case 'loading':
    case 'saving':
      return { what: says.savingHere, more: '' };
    case 'failed':
      return { what: says.notSaved, more: words(says.noServer, here(state)) };
    case 'saved':
      return { what: says.onlyHere, more: words(says.noServer, others(state)) };
  }
}

/** What becomes of the text while the server does not take it. */
function here(state: SaveState): string {
  const says = text.note.saved;
  if (state.access === 'none') return '';
  if (state.storage !== 'failed') return words(says.staysHere, others(state));
  return words(says.noStorage, state.with.length > 0 ? says.onlyWith(state.with) : says.downloadIt);
}

function others({ with: names }: SaveState): string {
  return names.length > 0 ? text.note.saved.alsoWith(names) : '';
}

function reason(refusal: Refusal | null): string {
  const says = text.note.refused;
  const known = refusal === null ? undefined : (refusal.of === 'document' ? says.document : says.update)[refusal.code];
  return known ?? says.other;
}

function words(...sentences: string[]): string {
  return sentences.filter((sentence) => sentence !== '').join(' ');
}
