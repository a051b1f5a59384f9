import type { Room, RoomSnapshot } from '@stoa/client';
import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { usePage, useStore } from '../hooks';
import { KeyboardIcon, LockIcon, StoaMark } from '../icons';
import { text } from '../text';
import { useAnnouncements } from './announcements';
import { copyLink } from './copy-link';
import { isOn } from './device-state';
import { HelpDialog } from './help-dialog';
import { NotePlace, useNote } from './note-place';
import { DeviceBanner, ListenerBanner, SwitchedOffNotices, useDeviceAnnouncements } from './notices';
import { People } from './people';
import { Stage } from './stage';
import { PEOPLE_BUTTON_ID, Toolbar } from './toolbar';
import { useShortcuts, shortcutHint, type Act } from './use-shortcuts';

const NOTE_PANEL_ID = 'note-panel';
const PEOPLE_PANEL_ID = 'people-panel';

/** Where there is room for both, the note is open from the start; elsewhere there is room for one panel at a time. */
const WIDE = '(min-width: 900px)';

const isWide = (): boolean => matchMedia(WIDE).matches;

interface CallProps {
  readonly room: Room;
  readonly onLeave: () => void;
}

export function Call({ room, onLeave }: CallProps) {
  const snapshot = useStore(room);
  const media = useStore(room.media);
  const heading = usePage(text.call.title(snapshot.room));
  const note = useNote(room);
  const panels = usePanels();
  const [helpOpen, setHelpOpen] = useState(false);
  useAnnouncements(room);
  useDeviceAnnouncements(media);

  const act: Act = (action) => {
    switch (action) {
      case 'microphone':
        return void room.media.setMicrophoneEnabled(!isOn(room.media.state, 'microphone'));
      case 'camera':
        return void room.media.setCameraEnabled(!isOn(room.media.state, 'camera'));
      case 'note':
        return panels.toggleNote();
      case 'people':
        return panels.togglePeople();
      case 'copy':
        return void copyLink();
      case 'help':
        return setHelpOpen(true);
      case 'close':
        return panels.closeTop();
    }
  };
  useShortcuts(room.media, act);

  return (
    <div class={panels.noteOpen || panels.peopleOpen ? 'call with-side' : 'call'}>
      <CallHead snapshot={snapshot} heading={heading} onHelp={() => setHelpOpen(true)} />
      <main class="call-main">
        {snapshot.status === 'reconnecting' && (
          <p class="banner">
            <span class="spinner" />
            {text.call.serverLost}
          </p>
        )}
        <DeviceBanner state={media} />
        <SwitchedOffNotices room={room} state={media} />
        <ListenerBanner snapshot={snapshot} />
        <Stage snapshot={snapshot} />
      </main>
      {(panels.noteOpen || panels.peopleOpen) && (
        <div class="side">
          {panels.peopleOpen && (
            <People id={PEOPLE_PANEL_ID} room={room} snapshot={snapshot} onClose={panels.togglePeople} />
          )}
          {panels.noteOpen && <NotePlace id={NOTE_PANEL_ID} room={room} note={note} onClose={panels.toggleNote} />}
        </div>
      )}
      <Toolbar
        media={room.media}
        state={media}
        note={{ open: panels.noteOpen, panelId: NOTE_PANEL_ID, toggle: panels.toggleNote }}
        people={{ open: panels.peopleOpen, panelId: PEOPLE_PANEL_ID, toggle: panels.togglePeople }}
        peopleCount={snapshot.participants.length}
        onLeave={onLeave}
      />
      {helpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

interface CallHeadProps {
  readonly snapshot: RoomSnapshot;
  readonly heading: RefObject<HTMLHeadingElement | null>;
  readonly onHelp: () => void;
}

function CallHead({ snapshot, heading, onHelp }: CallHeadProps) {
  return (
    <header class="call-head">
      <StoaMark size={24} />
      <h1 ref={heading} tabIndex={-1}>
        {snapshot.room}
      </h1>
      {snapshot.locked && (
        <p class="call-locked">
          <LockIcon size={16} />
          {text.call.locked}
        </p>
      )}
      <button
        type="button"
        class="icon-button"
        aria-haspopup="dialog"
        aria-keyshortcuts={shortcutHint('?')}
        aria-label={text.shortcuts.open}
        title={text.shortcuts.open}
        onClick={onHelp}
      >
        <KeyboardIcon />
      </button>
    </header>
  );
}

interface Panels {
  readonly noteOpen: boolean;
  readonly peopleOpen: boolean;
  readonly toggleNote: () => void;
  readonly togglePeople: () => void;
  /** What lies over the stage goes first; a note beside it is no sheet and stays. */
  readonly closeTop: () => void;
}

function usePanels(): Panels {
  const [noteOpen, setNoteOpen] = useState(isWide);
  const [peopleOpen, setPeopleOpen] = useState(false);

  const toggleNote = (): void => {
    if (!noteOpen && !isWide()) setPeopleOpen(false);
    setNoteOpen(!noteOpen);
  };
  const togglePeople = (): void => {
    if (!peopleOpen && !isWide()) setNoteOpen(false);
    setPeopleOpen(!peopleOpen);
    // The list takes the focus when it opens.
    if (peopleOpen) document.getElementById(PEOPLE_BUTTON_ID)?.focus();
  };
  const closeTop = (): void => {
    if (peopleOpen) togglePeople();
    else if (noteOpen && !isWide()) setNoteOpen(false);
  };
  return { noteOpen, peopleOpen, toggleNote, togglePeople, closeTop };
}
