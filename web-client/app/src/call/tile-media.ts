/** What the media elements on the tiles do: play, and be as loud as wished, on the chosen speaker. */
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { speaker } from './devices';
import { FULL_VOLUME, volumeOf } from './volume';

export type VideoRef = RefObject<HTMLVideoElement | null>;

/** A stream of somebody else. Null: there is none, or it is one's own, which makes no sound. */
type Remote = MediaStream | null;

/** After one of these a page may play sound. */
const GESTURES = ['pointerup', 'keydown'] as const;

/** Plays a remote stream. If the browser wants a click first, gives the function for that click, else null. */
export function useAutoplay(video: VideoRef, stream: Remote): (() => void) | null {
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
    if (stream === null) return;
    play();
    // The first track may come after the stream.
    stream.addEventListener('addtrack', play);
    return () => stream.removeEventListener('addtrack', play);
  }, [stream]);

  // One click anywhere allows all: with twenty people nobody should need twenty.
  useEffect(() => {
    if (!refused) return;
    for (const gesture of GESTURES) addEventListener(gesture, play);
    return () => GESTURES.forEach((gesture) => removeEventListener(gesture, play));
  }, [refused]);

  return refused ? play : null;
}

export function useSpeaker(video: VideoRef, isSelf: boolean): void {
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

export function useVolume(video: VideoRef, participant: string, isSelf: boolean): void {
  const percent = volumeOf(participant);
  useLayoutEffect(() => {
    const element = video.current;
    if (isSelf || element === null) return;
    element.volume = percent / FULL_VOLUME;
    // Where the system alone sets the volume (iOS), at least silence is possible.
    element.muted = percent === 0;
  }, [video, isSelf, percent]);
}
