import type { ParticipantView } from '@stoa/client';
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from '../icons';
import { text, type Named } from '../text';
import { Avatar } from './avatar';
import { connectionWords, tileState } from './changes';
import { VolumeSlider } from './volume-slider';

/** What a moderator may do to another person. */
export interface PersonActions {
  silence(participant: ParticipantView): void;
  stopCamera(participant: ParticipantView): void;
  remove(participant: ParticipantView): void;
}

interface PersonProps {
  readonly participant: ParticipantView;
  /** Null: oneself is no moderator. */
  readonly actions: PersonActions | null;
}

/** One line of the list of people. */
export function Person({ participant, actions }: PersonProps) {
  const { id, name, isSelf, media, moderator } = participant;
  return (
    <li class="person">
      <Avatar id={id} name={name} />
      <div class="person-words">
        <p class="person-name">{isSelf ? text.call.you(name) : name}</p>
        {moderator && <p class="person-role">{text.people.moderator}</p>}
        <Connection participant={participant} />
      </div>
      <div class="person-devices">
        <span class={media.microphone ? '' : 'off'}>
          {media.microphone ? <MicrophoneIcon size={18} /> : <MicrophoneOffIcon size={18} />}
          <span class="visually-hidden">{media.microphone ? text.call.microphoneOn : text.call.microphoneIsOff}</span>
        </span>
        <span class={media.camera ? '' : 'off'}>
          {media.camera ? <CameraIcon size={18} /> : <CameraOffIcon size={18} />}
          <span class="visually-hidden">{media.camera ? text.call.cameraIsOn : text.call.cameraIsOff}</span>
        </span>
      </div>
      {!isSelf && <VolumeSlider participant={participant} />}
      {!isSelf && actions !== null && <Moderation participant={participant} actions={actions} />}
    </li>
  );
}

/** The way that picture and sound take, or what is wrong with it. */
export function Connection({ participant }: { readonly participant: ParticipantView }) {
  const words = connectionWords(participant);
  if (words === null) return null;
  const isGood = tileState(participant) === null;
  return (
    <p
      class={isGood ? 'connection' : 'connection troubled'}
      title={isGood ? text.call.pathHint[participant.path] : undefined}
    >
      {words}
    </p>
  );
}

interface ModerationProps {
  readonly participant: ParticipantView;
  readonly actions: PersonActions;
}

/** Buttons stay when there is nothing to switch off, so that the focus does not get lost. */
function Moderation({ participant, actions }: ModerationProps) {
  const { name, media } = participant;
  return (
    <div class="person-actions">
      <Action
        label={text.people.silence(name)}
        useful={media.microphone}
        onClick={() => actions.silence(participant)}
      />
      <Action
        label={text.people.stopCamera(name)}
        useful={media.camera}
        onClick={() => actions.stopCamera(participant)}
      />
      <button
        type="button"
        class="button small danger"
        aria-haspopup="dialog"
        onClick={() => actions.remove(participant)}
      >
        <NamedWords words={text.people.remove(name)} />
      </button>
    </div>
  );
}

interface ActionProps {
  readonly label: Named;
  readonly useful: boolean;
  readonly onClick: () => void;
}

function Action({ label, useful, onClick }: ActionProps) {
  return (
    <button type="button" class="button small" aria-disabled={!useful} onClick={() => useful && onClick()}>
      <NamedWords words={label} />
    </button>
  );
}

function NamedWords({ words: [before, name, after] }: { readonly words: Named }) {
  return (
    <span>
      {before}
      <span class="visually-hidden">{name}</span>
      {after}
    </span>
  );
}
