import { defaultKeymap } from '@codemirror/commands';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import { text } from '../text';
import { markdown } from './markdown';
import type { NoteCopy } from './session';

export interface NoteEditor {
  /** Whether one may write. What others write shows in either case. */
  setWritable(isWritable: boolean): void;
  readonly hasFocus: boolean;
  focus(): void;
  destroy(): void;
}

/** An editor for the text of a note. Tab is left alone, so that the keyboard can leave the editor. */
export function createEditor(parent: HTMLElement, copy: NoteCopy, isWritable: boolean): NoteEditor {
  const rights = new Compartment();
  const state = EditorState.create({
    doc: copy.text.toString(),
    extensions: [
      rights.of(rightsOf(isWritable)),
      keymap.of(defaultKeymap),
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
      yCollab(copy.text, copy.provider.awareness, { undoManager: copy.undo }),
    ],
  });
  const view = new EditorView({ state, parent });
  return {
    setWritable: (writable) => view.dispatch({ effects: rights.reconfigure(rightsOf(writable)) }),
    get hasFocus() {
      return view.hasFocus;
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

function rightsOf(isWritable: boolean): Extension {
  if (isWritable) return [keymap.of(yUndoManagerKeymap), placeholder(text.note.placeholder)];
  // It stays a place that the keyboard reaches, to read and to copy from.
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ 'aria-readonly': 'true' }),
  ];
}
