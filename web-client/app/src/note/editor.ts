import { defaultKeymap } from '@codemirror/commands';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import { text } from '../text';
import { markdown } from './markdown';
import type { NoteSession } from './session';

/** An editor for the session's text. Tab is left alone, so that the keyboard can leave the editor. */
export function createEditor(parent: HTMLElement, session: NoteSession): EditorView {
  const state = EditorState.create({
    doc: session.text.toString(),
    extensions: [
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      markdown(),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({
        'aria-label': text.note.label,
        'aria-multiline': 'true',
        tabindex: '0',
        spellcheck: 'true',
        autocorrect: 'on',
        autocapitalize: 'sentences',
      }),
      placeholder(text.note.placeholder),
      yCollab(session.text, session.provider.awareness, { undoManager: session.undo }),
    ],
  });
  return new EditorView({ state, parent });
}
