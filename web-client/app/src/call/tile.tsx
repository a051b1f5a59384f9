import type { ParticipantView, PictureSource, Room } from '@stoa/client';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { useStream } from '../hooks';
import { MicrophoneIcon, MicrophoneOffIcon, PinIcon, ScreenIcon, SpeakerIcon, SpeakingIcon } from '../icons';
import { text } from '../text';
import { Avatar } from './avatar';
import { tileState } from './changes';
import { styleOf, type Box } from './layout';
import { useAutoplay, useSpeaker, useVolume } from './tile-media';
import { TileMenu } from './tile-menu';
import { useTileSize } from './tile-size';
import type { TileKey } from './spotlight';
import type { Pins } from './use-spotlight';

export interface TileProps {
  readonly room: Room;
  readonly participant: ParticipantView;
  readonly tileKey: TileKey;
  /** Null: on another page. Its sound plays all the same. */
  readonly box: Box | null;
  readonly pins: Pins;
}

export function Tile(props: TileProps) {
  const { participant } = props;
  const { isSelf, name, media, speaking } = participant;
  const shownName = isSelf ? text.call.you(name) : name;
  const state = tileState(participant);
  const mayReceive = isSelf || props.room.state.grants.subscribe;
  return (
    <Frame {...props} source="camera" label={shownName} stream={participant.stream}>
      {(!media.camera || !mayReceive) && (
        <div class="tile-cover">
          <Avatar id={participant.id} name={name} />
          {!media.camera && <span class="visually-hidden">{text.call.cameraIsOff}</span>}
        </div>
      )}
      {state !== null && <p class="tile-state">{state}</p>}
      <div class="tile-badge">
        <Voice on={media.microphone} speaking={speaking} />
        <span class="tile-name">{shownName}</span>
        {props.pins.large === props.tileKey && (
          <span class="tile-voice">
            <PinIcon size={16} />
            <span class="visually-hidden">{text.call.pinned}</span>
          </span>
        )}
      </div>
    </Frame>
  );
}

/** A screen that somebody else shares. */
export function ScreenTile(props: TileProps) {
  const { participant } = props;
  const label = text.screen.of(participant.name);
  return (
    <Frame {...props} source="screen" label={label} stream={participant.screen}>
      {participant.screen === null && <p class="tile-cover">{text.screen.waiting}</p>}
      <div class="tile-badge">
        <ScreenIcon size={16} />
        <span class="tile-name">{label}</span>
      </div>
    </Frame>
  );
}

interface FrameProps extends TileProps {
  readonly source: PictureSource;
  readonly label: string;
  readonly stream: MediaStream | null;
  readonly children: ComponentChildren;
}

/** What the tiles of people and of screens have in common. */
function Frame({ room, participant, tileKey, box, pins, source, label, stream, children }: FrameProps) {
  const { id, isSelf } = participant;
  const video = useRef<HTMLVideoElement>(null);
  const isLarge = pins.large === tileKey;
  useStream(video, stream);
  useSpeaker(video, isSelf);
  useVolume(video, id, isSelf);
  useTileSize(room, id, source, video, isLarge, isSelf);
  const silenced = useAutoplay(video, isSelf ? null : stream);
  const classes = ['tile', source, isLarge && 'large', source === 'camera' && participant.speaking && 'speaking'];

  return (
    <div
      class={classes.filter(Boolean).join(' ')}
      role="group"
      aria-label={label}
      hidden={box === null}
      style={box === null ? {} : styleOf(box)}
      data-tile={tileKey}
    >
      {/* Always there, even behind the avatar: a remote one also plays the sound. */}
      <video ref={video} class={isSelf ? 'mirrored' : ''} autoplay playsinline muted={isSelf} tabIndex={-1} />
      {children}
      {silenced !== null && (
        <button type="button" class="button primary tile-hear" onClick={silenced}>
          <SpeakerIcon />
          {text.call.clickToHear}
        </button>
      )}
      <TileMenu room={room} participant={participant} source={source} tileKey={tileKey} pins={pins} />
    </div>
  );
}

/** Always of the same width, so that nothing moves when somebody speaks. */
function Voice({ on, speaking }: { readonly on: boolean; readonly speaking: boolean }) {
  const [icon, words] = !on
    ? [<MicrophoneOffIcon size={16} />, text.call.microphoneIsOff]
    : speaking
      ? [<SpeakingIcon size={16} />, text.call.speaking]
      : [<MicrophoneIcon size={16} />, null];
  return (
    <span class={on ? 'tile-voice' : 'tile-voice off'}>
      {icon}
      {words !== null && <span class="visually-hidden">{words}</span>}
    </span>
  );
}
