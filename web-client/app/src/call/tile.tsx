import type { ParticipantView } from '@stoa/client';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useStream } from '../hooks';
import { MicrophoneOffIcon, SpeakerIcon } from '../icons';
import { text } from '../text';
import { Avatar } from './avatar';
import { tileState } from './changes';
import { speaker } from './devices';
import { TileMenu } from './tile-menu';
import { FULL_VOLUME, volumeOf } from './volume';

interface TileProps {
  readonly participant: ParticipantView;
}

export function Tile({ participant }: TileProps) {
  const { isSelf, name, media } = participant;
  const video = useRef<HTMLVideoElement>(null);
  useStream(video, participant.stream);
  useSpeaker(video, isSelf);
  useVolume(video, participant);
  const silenced = useAutoplay(video, participant);
  const shownName = isSelf ? text.call.you(name) : name;
  const state = tileState(participant);

  return (
    <div class="tile" role="group" aria-label={shownName}>
      {/* Always there, even behind the avatar: a remote one also plays the sound. */}
      <video ref={video} class={isSelf ? 'mirrored' : ''} autoplay playsinline muted={isSelf} tabIndex={-1} />
      {!media.camera && (
        <div class="tile-cover">
          <Avatar id={participant.id} name={name} />
          <span class="visually-hidden">{text.call.cameraIsOff}</span>
        </div>
      )}
      {state !== null && <p class="tile-state">{state}</p>}
      {silenced !== null && (
        <button type="button" class="button primary tile-hear" onClick={silenced}>
          <SpeakerIcon />
          {text.call.clickToHear}
        </button>
      )}
      {!isSelf && <TileMenu participant={participant} />}
      <div class="tile-badge">
        {!media.microphone && (
          <span class="tile-muted">
            <MicrophoneOffIcon size={16} />
            <span class="visually-hidden">{text.call.microphoneIsOff}</span>
          </span>
        )}
        <span class="tile-name">{shownName}</span>
      </div>
    </div>
  );
}

type VideoRef = RefObject<HTMLVideoElement | null>;

/** Plays a remote stream. If the browser wants a click first, gives the function for that click, else null. */
function useAutoplay(video: VideoRef, { isSelf, stream }: ParticipantView): (() => void) | null {
  const [refused, setRefused] = useState(false);

  const play = (): void => {
    const element = video.current;
    if (element === null) return;
    element.play().then(
      () => setRefused(false),
      // Any other refusal (AbortError) means that a newer attempt has begun.
      (error: unknown) => setRefused(error instanceof DOMException && error.name === 'NotAllowedError'),
    );
  };

  useEffect(() => {
    setRefused(false);
    if (stream === null || isSelf) return;
    play();
    // The first track may come after the stream.
    stream.addEventListener('addtrack', play);
    return () => stream.removeEventListener('addtrack', play);
  }, [stream, isSelf]);

  return refused ? play : null;
}

function useSpeaker(video: VideoRef, isSelf: boolean): void {
  const chosen = speaker.value;
  useEffect(() => {
    const element = video.current;
    if (isSelf || element === null || !('setSinkId' in element) || element.sinkId === chosen) return;
    element.setSinkId(chosen).catch(() => {
      // Unplugged meanwhile: the system's own speaker goes on playing, so the choice must say that too.
      speaker.value = '';
    });
  }, [video, isSelf, chosen]);
}

function useVolume(video: VideoRef, { id, isSelf }: ParticipantView): void {
  const percent = volumeOf(id);
  useLayoutEffect(() => {
    const element = video.current;
    if (isSelf || element === null) return;
    element.volume = percent / FULL_VOLUME;
    // Where the system alone sets the volume (iOS), at least silence is possible.
    element.muted = percent === 0;
  }, [video, isSelf, percent]);
}
