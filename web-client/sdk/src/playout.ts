import type { MediaState, TopologyMode, TrackSource } from './signal/wire';

/** In the order in which they are looked at. */
export const TRACK_SOURCES: readonly TrackSource[] = ['microphone', 'camera', 'screen', 'screen_audio'];

type Candidates = Partial<Record<TrackSource, MediaStreamTrack>>;

/**
 * What is played of one participant. The same sound and picture may come over a link and by way of the server at the
 * same time: each is played from one of them, and from the other one when that has something to play.
 */
export class Playout {
  /** Microphone and camera; always the same object. */
  readonly stream = new MediaStream();
  readonly #screen = new MediaStream();
  readonly #candidates: Record<TopologyMode, Candidates> = { mesh: {}, sfu: {} };
  readonly #changed: () => void;
  #playing: Candidates = {};
  #mode: TopologyMode = 'mesh';
  #media: MediaState = { microphone: false, camera: false, screen: false };

  /** `changed` is called when a track that was awaited began to play. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The shared screen with its sound; null: there is none to be seen. */
  get screen(): MediaStream | null {
    return this.#media.screen && this.#playing.screen !== undefined ? this.#screen : null;
  }

  /** A track came, or (null) is gone. */
  setTrack(mode: TopologyMode, source: TrackSource, track: MediaStreamTrack | null): void {
    const candidates = this.#candidates[mode];
    const former = candidates[source];
    if (former === (track ?? undefined)) {
      return;
    }
    former?.removeEventListener('unmute', this.#onUnmute);
    if (former !== undefined) {
      former.enabled = false;
    }
    if (track === null) {
      delete candidates[source];
    } else {
      candidates[source] = track;
      track.addEventListener('unmute', this.#onUnmute);
    }
    this.#update();
  }

  /** This track does not come any more; another may have taken its place already. */
  dropTrack(mode: TopologyMode, source: TrackSource, track: MediaStreamTrack): void {
    if (this.#candidates[mode][source] === track) {
      this.setTrack(mode, source, null);
    }
  }

  /** The way that is to be taken. */
  prefer(mode: TopologyMode): void {
    if (mode !== this.#mode) {
      this.#mode = mode;
      this.#update();
    }
  }

  /** What the participant says that they publish: nothing else is played, whatever they send. */
  setMedia(media: MediaState): void {
    this.#media = media;
    this.#update();
  }

  /** Whether something that is to be heard or seen comes this way only. */
  dependsOn(mode: TopologyMode): boolean {
    return TRACK_SOURCES.some((source) => {
      const track = this.#candidates[mode][source];
      return track !== undefined && track === this.#playing[source] && isLive(track) && this.#isOn(source);
    });
  }

  readonly #onUnmute = (): void => {
    this.#update();
    this.#changed();
  };

  #update(): void {
    const playing: Candidates = {};
    for (const source of TRACK_SOURCES) {
      const track = this.#choose(source);
      if (track !== undefined) {
        playing[source] = track;
      }
      for (const candidates of Object.values(this.#candidates)) {
        const candidate = candidates[source];
        if (candidate !== undefined) {
          candidate.enabled = candidate === track && this.#isOn(source);
        }
      }
    }
    this.#playing = playing;
    fill(this.stream, [playing.microphone, playing.camera]);
    fill(this.#screen, [playing.screen, playing.screen_audio]);
  }

  #choose(source: TrackSource): MediaStreamTrack | undefined {
    const preferred = this.#candidates[this.#mode][source];
    const other = this.#candidates[this.#mode === 'mesh' ? 'sfu' : 'mesh'][source];
    const isOtherBetter = other !== undefined && isLive(other) && (preferred === undefined || !isLive(preferred));
    return isOtherBetter ? other : (preferred ?? other);
  }

  #isOn(source: TrackSource): boolean {
    return source === 'screen_audio' ? this.#media.screen : this.#media[source];
  }
}

/** Whether anything has come in this track. */
const isLive = (track: MediaStreamTrack): boolean => !track.muted && track.readyState === 'live';

/** Changes only what differs: an element that plays the stream goes on with the rest. */
function fill(stream: MediaStream, tracks: readonly (MediaStreamTrack | undefined)[]): void {
  for (const old of stream.getTracks()) {
    if (!tracks.includes(old)) {
      stream.removeTrack(old);
    }
  }
  for (const track of tracks) {
    if (track !== undefined && !stream.getTracks().includes(track)) {
      stream.addTrack(track);
    }
  }
}
