/** The inside of the note's panel; loaded when it is opened for the first time. */
import { useEffect, useRef } from 'preact/hooks';
import { useStore } from '../hooks';
import { DownloadIcon } from '../icons';
import { text } from '../text';
import { createEditor } from './editor';
import { saveSentence } from './save-state';
import type { NoteSession } from './session';
import '../styles/note.css';

interface NotePanelProps {
  readonly session: NoteSession;
  readonly room: string;
}

export function NotePanel({ session, room }: NotePanelProps) {
  const host = useRef<HTMLDivElement>(null);
  const state = useStore(session);

  useEffect(() => {
    if (host.current === null) return;
    const editor = createEditor(host.current, session);
    return () => {
      editor.destroy();
      session.hideCursor();
    };
  }, [session]);

  return (
    <>
      <div class="note-editor" ref={host} />
      <div class="note-foot">
        <p class={state.storage === 'failed' ? 'note-saved failed' : 'note-saved'}>
          <span>{saveSentence(state)}</span> <span>{text.note.serverHasNone}</span>
        </p>
        <button type="button" class="button small" onClick={() => download(`${room}.md`, session.text.toString())}>
          <DownloadIcon size={18} />
          {text.note.download}
        </button>
      </div>
    </>
  );
}

function download(name: string, markdown: string): void {
  const address = URL.createObjectURL(new Blob([markdown], { type: 'text/markdown' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads the address only after this turn of the event loop.
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
