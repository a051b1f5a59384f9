import type { LocalMediaState, Room } from '@stoa/client';
import { useState } from 'preact/hooks';
import { usePage, useStore } from '../hooks';
import { PeopleIcon, StoaMark, WarningIcon } from '../icons';
import { text } from '../text';
import { useAnnouncements } from './announcements';
import { deviceProblems } from './device-problems';
import { NotePlace, useNote } from './note-place';
import { Stage } from './stage';
import { Toolbar } from './toolbar';

const NOTE_PANEL_ID = 'note-panel';

/** Where there is room for both, the note is open from the start. */
const WIDE = '(min-width: 900px)';

interface CallProps {
  readonly room: Room;
  readonly onLeave: () => void;
}

export function Call({ room, onLeave }: CallProps) {
  const snapshot = useStore(room);
  const media = useStore(room.media);
  const heading = usePage(text.call.title(snapshot.room));
  const note = useNote(room);
  const [noteOpen, setNoteOpen] = useState(() => matchMedia(WIDE).matches);
  useAnnouncements(room);

  return (
    <div class={noteOpen ? 'call with-note' : 'call'}>
      <header class="call-head">
        <StoaMark size={24} />
        <h1 ref={heading} tabIndex={-1}>
          {snapshot.room}
        </h1>
        <p class="call-people">
          <PeopleIcon size={18} />
          {text.call.people(snapshot.participants.length)}
        </p>
      </header>
      <main class="call-main">
        {snapshot.status === 'reconnecting' && (
          <p class="banner">
            <span class="spinner" />
            {text.call.serverLost}
          </p>
        )}
        <DeviceBanner state={media} />
        <Stage snapshot={snapshot} />
      </main>
      {noteOpen && <NotePlace id={NOTE_PANEL_ID} room={room} note={note} onClose={() => setNoteOpen(false)} />}
      <Toolbar
        media={room.media}
        state={media}
        noteOpen={noteOpen}
        notePanelId={NOTE_PANEL_ID}
        onToggleNote={() => setNoteOpen((open) => !open)}
        onLeave={onLeave}
      />
    </div>
  );
}

/** Only says that something is wrong: what mends it stands in the dialog "Devices". */
function DeviceBanner({ state }: { readonly state: LocalMediaState }) {
  const problems = deviceProblems(state);
  if (problems.length === 0) return null;
  return (
    <p class="banner">
      <WarningIcon size={18} />
      {text.call.deviceTrouble(problems.map((problem) => problem.title))}
    </p>
  );
}
