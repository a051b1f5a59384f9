import type { TrackSource } from '../signal/wire';

/** The tracks that go to others; absent: nothing at the moment. */
export type LocalTracks = Partial<Readonly<Record<TrackSource, MediaStreamTrack>>>;

/** Whether both are the same tracks. */
export function areSameTracks(a: LocalTracks, b: LocalTracks): boolean {
  return (
    a.microphone === b.microphone && a.camera === b.camera && a.screen === b.screen && a.screen_audio === b.screen_audio
  );
}
