import type { LocalMedia, LocalMediaState } from '@stoa/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { Link, SiteHeader } from '../brand';
import {
  CameraButton,
  CameraSelect,
  DeviceProblems,
  LevelMeter,
  MicrophoneButton,
  MicrophoneSelect,
} from '../call/devices';
import { isOn } from '../call/device-state';
import { roomProblem, type Trouble } from '../call/room-problem';
import { usePage, useStore, useStream } from '../hooks';
import { WarningIcon } from '../icons';
import { recall, remember } from '../storage';
import { text } from '../text';

const FORM_ID = 'join';

/** Longer names are refused by the server. */
const NAME_MAX = 64;

interface PreJoinProps {
  readonly room: string;
  readonly media: LocalMedia;
  readonly joining: boolean;
  readonly problem: Trouble | null;
  readonly onJoin: (name: string, withDevices: boolean) => void;
  readonly onCancel: () => void;
}

export function PreJoin({ room, media, joining, problem, onJoin, onCancel }: PreJoinProps) {
  const heading = usePage(text.lobby.title(room));
  const state = useStore(media);
  return (
    <div class="page">
      <SiteHeader />
      <main class="lobby">
        <div class="lobby-head">
          <h1 ref={heading} tabIndex={-1}>
            {text.lobby.heading}
          </h1>
          <p class="room-name">{text.lobby.room(room)}</p>
        </div>
        <div class="lobby-preview">
          <Preview media={media} state={state} />
          <DeviceProblems media={media} state={state} level={2} />
        </div>
        <div class="lobby-form">
          {problem !== null && <JoinProblem trouble={problem} />}
          <JoinForm joining={joining} onJoin={onJoin} onCancel={onCancel} />
          <div class="lobby-devices">
            <CameraSelect media={media} state={state} />
            <MicrophoneSelect media={media} state={state} />
          </div>
        </div>
      </main>
    </div>
  );
}

interface PreviewProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
}

function Preview({ media, state }: PreviewProps) {
  const video = useRef<HTMLVideoElement>(null);
  // An empty stream would keep the browser from ever calling the page loaded.
  useStream(video, state.camera.actual ? state.stream : null);
  return (
    <div class="preview">
      <div class="preview-frame">
        <video ref={video} class="mirrored" muted autoplay playsinline aria-label={text.lobby.preview} />
        {!state.camera.actual && <p class="preview-cover">{previewWords(state)}</p>}
      </div>
      <div class="preview-controls">
        <MicrophoneButton media={media} state={state} />
        <CameraButton media={media} state={state} />
        <LevelMeter media={media} />
      </div>
    </div>
  );
}

function previewWords(state: LocalMediaState): string {
  if (state.camera.opening) return text.lobby.cameraStarting;
  return isOn(state, 'camera') || state.camera.error !== null ? text.lobby.cameraMissing : text.lobby.cameraOff;
}

function JoinProblem({ trouble }: { readonly trouble: Trouble }) {
  const words = roomProblem(trouble);
  useEffect(() => announce(`${words.title} ${words.why} ${words.fix}`), [trouble]);
  return (
    <div class="notice danger">
      <WarningIcon />
      <div class="notice-words">
        <h2>{words.title}</h2>
        <p>{words.why}</p>
        <p class="notice-fix">{words.fix}</p>
        <div class="notice-actions">
          <button type="submit" form={FORM_ID} class="button small">
            {text.tryAgain}
          </button>
          <Link href="/">{text.backToStart}</Link>
        </div>
      </div>
    </div>
  );
}

interface JoinFormProps {
  readonly joining: boolean;
  readonly onJoin: (name: string, withDevices: boolean) => void;
  readonly onCancel: () => void;
}

function JoinForm({ joining, onJoin, onCancel }: JoinFormProps) {
  const [name, setName] = useState(() => recall('stoa.name') ?? '');
  const [missing, setMissing] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  const join = (withDevices: boolean): void => {
    const trimmed = name.trim();
    setMissing(trimmed === '');
    if (trimmed === '') {
      input.current?.focus();
      return;
    }
    remember('stoa.name', trimmed);
    announce(text.lobby.joining);
    onJoin(trimmed, withDevices);
  };

  return (
    <form
      id={FORM_ID}
      class="join"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        join(true);
      }}
    >
      <div class="field">
        <label for="name">{text.lobby.name}</label>
        <input
          ref={input}
          id="name"
          type="text"
          autocomplete="name"
          maxLength={NAME_MAX}
          value={name}
          aria-invalid={missing}
          aria-describedby="name-hint"
          onInput={(event) => {
            setName(event.currentTarget.value);
            setMissing(false);
          }}
        />
        <p id="name-hint" class={missing ? 'field-error' : 'hint'}>
          {missing ? text.lobby.nameMissing : text.lobby.nameHint}
        </p>
      </div>
      <button type="submit" class="button primary large" aria-disabled={joining}>
        {joining && <span class="spinner" />}
        {joining ? text.lobby.joining : text.lobby.join}
      </button>
      <button type="button" class="button" onClick={() => (joining ? onCancel() : join(false))}>
        {joining ? text.lobby.cancel : text.lobby.withoutDevices}
      </button>
    </form>
  );
}
