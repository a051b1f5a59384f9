import type { LocalMedia, LocalMediaState, Source } from '@stoa/client';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ChatIcon, DevicesIcon, LeaveIcon, NoteIcon, PeopleIcon, WarningIcon } from '../icons';
import { text } from '../text';
import { CopyLinkButton } from './copy-link';
import { deviceProblems } from './device-problems';
import { CameraButton, MicrophoneButton } from './devices';
import { DevicesDialog } from './devices-dialog';
import { TalkingWhileMuted } from './notices';
import { ScreenButton, type Sharing } from './screen-share';
import { shortcutHint } from './use-shortcuts';

/** A panel beside the stage that a button opens and closes. */
export interface PanelToggle {
  readonly open: boolean;
  readonly panelId: string;
  readonly toggle: () => void;
}

interface ToolbarProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
  /** What one may send. */
  readonly granted: readonly Source[];
  /** Null: it cannot be done here. */
  readonly sharing: Sharing | null;
  readonly note: PanelToggle;
  readonly people: PanelToggle;
  readonly peopleCount: number;
  /** Null: one may not take part in it. */
  readonly chat: PanelToggle | null;
  readonly unread: number;
  readonly onLeave: () => void;
}

/** Where the focus goes when the list of people, or the chat, is closed. */
export const PEOPLE_BUTTON_ID = 'people-button';
export const CHAT_BUTTON_ID = 'chat-button';

export function Toolbar(props: ToolbarProps) {
  const { media, state, granted, sharing, note, people, peopleCount, chat, unread, onLeave } = props;
  const [devicesOpen, setDevicesOpen] = useState(false);
  const troubled = deviceProblems(state).length > 0;
  const mayBeHeard = granted.includes('microphone');
  return (
    <section class="toolbar" aria-label={text.call.controls}>
      <div class="control-place">
        <MicrophoneButton media={media} state={state} shortcut={shortcutHint('M')} allowed={mayBeHeard} />
        {mayBeHeard && <TalkingWhileMuted media={media} state={state} />}
      </div>
      <CameraButton media={media} state={state} shortcut={shortcutHint('V')} allowed={granted.includes('camera')} />
      {sharing !== null && <ScreenButton sharing={sharing} />}
      <button
        type="button"
        class="control"
        aria-haspopup="dialog"
        aria-label={text.devices.open}
        title={text.devices.open}
        onClick={() => setDevicesOpen(true)}
      >
        {troubled ? <WarningIcon /> : <DevicesIcon />}
        <span class="control-text">{text.devices.open}</span>
      </button>
      <PanelButton panel={note} label={text.note.open} shortcut={shortcutHint('N')}>
        <NoteIcon />
      </PanelButton>
      <PanelButton
        id={PEOPLE_BUTTON_ID}
        panel={people}
        label={text.people.open}
        description={text.call.people(peopleCount)}
        shortcut={shortcutHint('P')}
      >
        <span class="control-counted">
          <PeopleIcon />
          <span class="control-count" aria-hidden="true">
            {peopleCount}
          </span>
        </span>
      </PanelButton>
      {chat !== null && (
        <PanelButton
          id={CHAT_BUTTON_ID}
          panel={chat}
          label={text.chat.open}
          description={unread > 0 ? text.chat.unread(unread) : undefined}
          shortcut={shortcutHint('T')}
        >
          <span class="control-counted">
            <ChatIcon />
            {unread > 0 && (
              <span class="control-count" aria-hidden="true">
                {unread}
              </span>
            )}
          </span>
        </PanelButton>
      )}
      <CopyLinkButton class="control" />
      <button
        type="button"
        class="control leave"
        aria-label={text.call.leave}
        title={text.call.leave}
        onClick={onLeave}
      >
        <LeaveIcon />
        <span class="control-text">{text.call.leave}</span>
      </button>
      {devicesOpen && <DevicesDialog media={media} state={state} onClose={() => setDevicesOpen(false)} />}
    </section>
  );
}

interface PanelButtonProps {
  readonly id?: string;
  readonly panel: PanelToggle;
  readonly label: string;
  readonly description?: string | undefined;
  readonly shortcut: string | undefined;
  readonly children: ComponentChildren;
}

function PanelButton({ id, panel, label, description, shortcut, children }: PanelButtonProps) {
  const { open, panelId, toggle } = panel;
  return (
    <button
      id={id}
      type="button"
      class={open ? 'control pressed' : 'control'}
      aria-description={description}
      aria-keyshortcuts={shortcut}
      aria-expanded={open}
      aria-controls={open ? panelId : undefined}
      onClick={toggle}
    >
      {children}
      <span class="control-text">{label}</span>
    </button>
  );
}
