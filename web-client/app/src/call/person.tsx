import type { ParticipantView } from '@stoa/client';
import { useState } from 'preact/hooks';
import { CameraIcon, CameraOffIcon, DownIcon, MicrophoneIcon, MicrophoneOffIcon, ScreenIcon } from '../icons';
import { laterText } from '../later-text';
import { text, type Named } from '../text';
import { Avatar } from './avatar';
import { Connection, NamedWords } from './person-words';
import { PinButton } from './tile-menu';
import type { Pins } from './use-spotlight';
import { VolumeSlider } from './volume-slider';

/** What a moderator may do to another person. */
export interface PersonActions {
  silence(participant: ParticipantView): void;
  stopCamera(participant: ParticipantView): void;
  stopScreen(participant: ParticipantView): void;
  remove(participant: ParticipantView): void;
}

interface PersonProps {
  readonly participant: ParticipantView;
  readonly pins: Pins;
  /** What can be done with them shows only when asked for. */
  readonly isFolded: boolean;
  /** Null: oneself is no moderator. */
  readonly actions: PersonActions | null;
}

/** One line of the list of people. */
export function Person({ participant, pins, isFolded, actions }: PersonProps) {
  const [isUnfolded, setUnfolded] = useState(false);
  const { id, name, isSelf, moderator, speaking } = participant;
  const more = laterText.people.more(name);
  const hasMore = !isSelf && isFolded;
  return (
    <li class={speaking ? 'person speaking' : 'person'}>
      <Avatar id={id} name={name} />
      <div class="person-words">
        <p class="person-name">{isSelf ? text.call.you(name) : name}</p>
        {moderator && <p class="person-role">{laterText.people.moderator}</p>}
        <Connection participant={participant} />
      </div>
      <div class="person-devices">
        <Devices participant={participant} />
        {hasMore && (
          <button
            type="button"
            class={isUnfolded ? 'icon-button unfolded' : 'icon-button'}
            aria-label={more}
            title={more}
            aria-expanded={isUnfolded}
            onClick={() => setUnfolded(!isUnfolded)}
          >
            <DownIcon size={18} />
          </button>
        )}
      </div>
      {!isSelf && (isUnfolded || !isFolded) && <More participant={participant} pins={pins} actions={actions} />}
    </li>
  );
}

function Devices({ participant: { media, speaking } }: { readonly participant: ParticipantView }) {
  const sound = speaking ? text.call.speaking : text.call.microphoneOn;
  return (
    <>
      {media.screen && (
        <span>
          <ScreenIcon size={18} />
          <span class="visually-hidden">{text.screen.short}</span>
        </span>
      )}
      <span class={media.microphone ? '' : 'off'}>
        {media.microphone ? <MicrophoneIcon size={18} /> : <MicrophoneOffIcon size={18} />}
        <span class="visually-hidden">{media.microphone ? sound : text.call.microphoneIsOff}</span>
      </span>
      <span class={media.camera ? '' : 'off'}>
        {media.camera ? <CameraIcon size={18} /> : <CameraOffIcon size={18} />}
        <span class="visually-hidden">{media.camera ? text.call.cameraIsOn : text.call.cameraIsOff}</span>
      </span>
    </>
  );
}

type MoreProps = Pick<PersonProps, 'participant' | 'pins' | 'actions'>;

function More({ participant, pins, actions }: MoreProps) {
  return (
    <>
      <VolumeSlider participant={participant} />
      <div class="person-actions">
        <PinButton name={participant.name} tileKey={participant.id} pins={pins} />
        {actions !== null && <Moderation participant={participant} actions={actions} />}
      </div>
    </>
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
    <>
      <Action
        label={laterText.people.silence(name)}
        useful={media.microphone}
        onClick={() => actions.silence(participant)}
      />
      <Action
        label={laterText.people.stopCamera(name)}
        useful={media.camera}
        onClick={() => actions.stopCamera(participant)}
      />
      <Action
        label={laterText.people.stopScreen(name)}
        useful={media.screen}
        onClick={() => actions.stopScreen(participant)}
      />
      <button
        type="button"
        class="button small danger"
        aria-haspopup="dialog"
        onClick={() => actions.remove(participant)}
      >
        <NamedWords words={laterText.people.remove(name)} />
      </button>
    </>
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
