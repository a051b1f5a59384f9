import type { Room, RoomSnapshot } from '@stoa/client';
import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { announce } from '../announcer';
import { usePage, useStore } from '../hooks';
import { KeyboardIcon, LockIcon, StoaMark } from '../icons';
import { text } from '../text';
import { useAnnouncements } from './announcements';
import { ChatPlace, useUnread } from './chat-place';
import { copyLink } from './copy-link';
import { isOn } from './device-state';
import { HelpDialog } from './help-dialog';
import { NotePlace, useNote, type LoadingNote } from './note-place';
import {
  DeviceBanner,
  ListenerBanner,
  ServerLostBanner,
  SwitchedOffNotices,
  useDeviceAnnouncements,
  useOnlyGranted,
} from './notices';
import { PeoplePlace } from './people-place';
import { SharingNotice, useSharing } from './screen-share';
import { Stage } from './stage';
import { CHAT_BUTTON_ID, PEOPLE_BUTTON_ID, Toolbar } from './toolbar';
import { useShortcuts, shortcutHint, type Act } from './use-shortcuts';
import { usePins, type Pins } from './use-spotlight';

const NOTE_PANEL_ID = 'note-panel';
const PEOPLE_PANEL_ID = 'people-panel';
const CHAT_PANEL_ID = 'chat-panel';

/** Where there is room for both, the note is open from the start; elsewhere there is room for one panel at a time. */
const WIDE = '(min-width: 900px)';

/** Where three panels do not squeeze each other. */
const HIGH = '(min-height: 1100px)';

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
  const unread = useUnread(room, panels.chatOpen);
  const pins = usePins(snapshot);
  const sharing = useSharing(room.media, media, snapshot);
  const [helpOpen, setHelpOpen] = useState(false);
  const mayBeHeard = snapshot.grants.publish.includes('microphone');
  const mayBeSeen = snapshot.grants.publish.includes('camera');
  useOnlyGranted(room.media, mayBeHeard, mayBeSeen);
  useAnnouncements(room);
  useDeviceAnnouncements(media);

  const act: Act = (action) => {
    switch (action) {
      case 'microphone':
        return mayBeHeard
          ? void room.media.setMicrophoneEnabled(!isOn(room.media.state, 'microphone'))
          : announce(text.call.mayNotSpeak);
      case 'camera':
        return mayBeSeen
          ? void room.media.setCameraEnabled(!isOn(room.media.state, 'camera'))
          : announce(text.call.mayNotBeSeen);
      case 'screen':
        return sharing?.toggle();
      case 'note':
        return panels.toggleNote();
      case 'people':
        return panels.togglePeople();
      case 'chat':
        return snapshot.grants.data ? panels.toggleChat() : undefined;
      case 'copy':
        return void copyLink();
      case 'help':
        return setHelpOpen(true);
      case 'close':
        return panels.closeTop();
    }
  };
  useShortcuts(room.media, act, mayBeHeard);

  return (
    <div class={panels.anyOpen ? 'call with-side' : 'call'}>
      <CallHead snapshot={snapshot} heading={heading} onHelp={() => setHelpOpen(true)} />
      <main class="call-main">
        {snapshot.status === 'reconnecting' && <ServerLostBanner state={media} />}
        <DeviceBanner state={media} />
        <SwitchedOffNotices room={room} state={media} />
        <ListenerBanner snapshot={snapshot} />
        {sharing !== null && <SharingNotice sharing={sharing} stream={media.screen} />}
        <Stage room={room} snapshot={snapshot} pins={pins} />
      </main>
      {panels.anyOpen && <Side room={room} snapshot={snapshot} panels={panels} note={note} pins={pins} />}
      <Toolbar
        media={room.media}
        state={media}
        granted={snapshot.grants.publish}
        sharing={sharing}
        note={{ open: panels.noteOpen, panelId: NOTE_PANEL_ID, toggle: panels.toggleNote }}
        people={{ open: panels.peopleOpen, panelId: PEOPLE_PANEL_ID, toggle: panels.togglePeople }}
        peopleCount={snapshot.participants.length}
        chat={
          snapshot.grants.data ? { open: panels.chatOpen, panelId: CHAT_PANEL_ID, toggle: panels.toggleChat } : null
        }
        unread={unread}
        onLeave={onLeave}
      />
      {helpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

interface SideProps {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly panels: Panels;
  readonly note: LoadingNote;
  readonly pins: Pins;
}

/** The panels beside the stage. */
function Side({ room, snapshot, panels, note, pins }: SideProps) {
  return (
    <div class="side">
      {panels.peopleOpen && (
        <PeoplePlace id={PEOPLE_PANEL_ID} room={room} snapshot={snapshot} pins={pins} onClose={panels.togglePeople} />
      )}
      {panels.chatOpen && <ChatPlace id={CHAT_PANEL_ID} room={room} snapshot={snapshot} onClose={panels.toggleChat} />}
      {panels.noteOpen && <NotePlace id={NOTE_PANEL_ID} room={room} note={note} onClose={panels.toggleNote} />}
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
  readonly chatOpen: boolean;
  readonly anyOpen: boolean;
  readonly toggleNote: () => void;
  readonly togglePeople: () => void;
  readonly toggleChat: () => void;
  /** What lies over the stage goes first; a note beside it is no sheet and stays. */
  readonly closeTop: () => void;
}

type Panel = 'note' | 'people' | 'chat';

function usePanels(): Panels {
  const [open, setOpen] = useState<readonly Panel[]>(() => (isWide() ? ['note'] : []));
  const isOpen = (panel: Panel): boolean => open.includes(panel);
  const toggle = (panel: Panel): void => {
    if (isOpen(panel)) setOpen(open.filter((other) => other !== panel));
    else setOpen([...open.filter((other) => fitsBeside(other, panel)), panel]);
    const button = BUTTON_IDS[panel];
    // The panel takes the focus when it opens.
    if (isOpen(panel) && button !== null) document.getElementById(button)?.focus();
  };
  const closeTop = (): void => {
    if (isOpen('people')) toggle('people');
    else if (isOpen('chat')) toggle('chat');
    else if (isOpen('note') && !isWide()) toggle('note');
  };
  return {
    noteOpen: isOpen('note'),
    peopleOpen: isOpen('people'),
    chatOpen: isOpen('chat'),
    anyOpen: open.length > 0,
    toggleNote: () => toggle('note'),
    togglePeople: () => toggle('people'),
    toggleChat: () => toggle('chat'),
    closeTop,
  };
}

/** The note has a place of its own beside the list or the chat, which take turns unless there is room for all. */
function fitsBeside(other: Panel, panel: Panel): boolean {
  return isWide() && (other === 'note' || panel === 'note' || matchMedia(HIGH).matches);
}

/** Where the focus goes when a panel that had taken it is closed. */
const BUTTON_IDS = { note: null, people: PEOPLE_BUTTON_ID, chat: CHAT_BUTTON_ID } as const;
