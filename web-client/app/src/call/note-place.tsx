/** The note's place in a call. Its two halves are loaded when needed: first the syncing, then, once open, the editor. */
import type { Room } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { useLoaded, type Loading } from '../hooks';
import { CloseIcon, NoteIcon } from '../icons';
import type { NoteSession } from '../note/session';
import { recallPass } from '../pass';
import { text } from '../text';

export type LoadingNote = Loading<NoteSession>;

/** Starts the room's note and ends it when the call is over. */
export function useNote(room: Room): LoadingNote {
  const module = useLoaded(loadSession);
  const [session, setSession] = useState<NoteSession | null>(null);
  const Session = module.kind === 'ready' ? module.value.NoteSession : null;

  useEffect(() => {
    if (Session === null) return;
    const started = new Session(room, room.state.room);
    setSession(started);
    return () => {
      setSession(null);
      started.destroy();
    };
  }, [room, Session]);

  if (module.kind === 'failed') return module;
  return session === null ? { kind: 'loading' } : { kind: 'ready', value: session };
}

interface NotePlaceProps {
  readonly id: string;
  readonly room: Room;
  readonly note: LoadingNote;
  readonly onClose: () => void;
}

export function NotePlace({ id, room, note, onClose }: NotePlaceProps) {
  const panel = useLoaded(loadPanel);
  return (
    <aside id={id} class="note" aria-labelledby="note-title">
      <div class="panel-head">
        <NoteIcon />
        <h2 id="note-title">{text.note.heading}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label={text.note.close}
          title={text.note.close}
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {note.kind === 'ready' && panel.kind === 'ready' ? (
        <panel.value.NotePanel session={note.value} token={recallPass(room.state.room).token} hasOwnTab />
      ) : (
        <Waiting note={note} panel={panel} />
      )}
    </aside>
  );
}

function Waiting({ note, panel }: { readonly note: LoadingNote; readonly panel: Loading<unknown> }) {
  const failed = note.kind === 'failed' ? note : panel.kind === 'failed' ? panel : null;
  if (failed === null) return <p class="note-waiting">{text.note.loading}</p>;
  return (
    <div class="note-waiting">
      <p>{text.note.loadFailed}</p>
      <button type="button" class="button small" onClick={failed.retry}>
        {text.tryAgain}
      </button>
    </div>
  );
}

const loadSession = () => import('../note/session');
const loadPanel = () => import('../note/panel');
