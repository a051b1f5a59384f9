/** A former text of a note, and the way back to it. */
import { applyUpdate, Doc, type Text, type UndoManager } from 'yjs';
import { diffText } from './diff';

/** The text of a note in a Yjs update of the whole document. Throws if it is none. */
export function textOfUpdate(update: Uint8Array): string {
  const doc = new Doc();
  applyUpdate(doc, update);
  const text = doc.getText('note').toString();
  doc.destroy();
  return text;
}

/**
 * Changes a text to what it was, by as little as possible: what others write meanwhile stays, cursors keep their places,
 * and one step back undoes it.
 */
export function restoreText(text: Text, undo: UndoManager, former: string): void {
  const pieces = diffText(text.toString(), former);
  undo.stopCapturing();
  text.doc?.transact(() => {
    let position = 0;
    for (const { kind, text: words } of pieces) {
      if (kind === 'deleted') {
        text.delete(position, words.length);
        continue;
      }
      if (kind === 'inserted') text.insert(position, words);
      position += words.length;
    }
  });
  undo.stopCapturing();
}
