import type { LocalMedia, LocalMediaState } from '@stoa/client';
import { useState } from 'preact/hooks';
import { DevicesIcon, LeaveIcon, NoteIcon, WarningIcon } from '../icons';
import { text } from '../text';
import { CopyLinkButton } from './copy-link';
import { deviceProblems } from './device-problems';
import { DevicesDialog } from './devices-dialog';
import { CameraButton, MicrophoneButton } from './devices';

interface ToolbarProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
  readonly noteOpen: boolean;
  readonly notePanelId: string;
  readonly onToggleNote: () => void;
  readonly onLeave: () => void;
}

export function Toolbar({ media, state, noteOpen, notePanelId, onToggleNote, onLeave }: ToolbarProps) {
  const [devicesOpen, setDevicesOpen] = useState(false);
  const troubled = deviceProblems(state).length > 0;
  return (
    <section class="toolbar" aria-label={text.call.controls}>
      <MicrophoneButton media={media} state={state} />
      <CameraButton media={media} state={state} />
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
      <button
        type="button"
        class={noteOpen ? 'control pressed' : 'control'}
        aria-label={text.note.open}
        title={text.note.open}
        aria-expanded={noteOpen}
        aria-controls={noteOpen ? notePanelId : undefined}
        onClick={onToggleNote}
      >
        <NoteIcon />
        <span class="control-text">{text.note.open}</span>
      </button>
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
