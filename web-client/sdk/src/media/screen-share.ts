import { StoaError } from '../errors';

/** Sharp text rather than smooth motion; more than 30 pictures a second help nobody. */
const VIDEO: MediaTrackConstraints = { frameRate: { ideal: 15, max: 30 } };
/** Music and films sound wrong after what is done to voices. */
const AUDIO: MediaTrackConstraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** The own shared screen, if there is one. */
export class ScreenShare {
  readonly #changed: () => void;
  #stream: MediaStream | null = null;
  #asking: Promise<void> | null = null;
  /** Rises when what is being asked for is not wanted any more. */
  #round = 0;

  /** `changed` is called whenever `stream` is another. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The picture, and the sound if there is any; null: nothing is shared. */
  get stream(): MediaStream | null {
    return this.#stream;
  }

  /** Lets the user choose; see `LocalMedia.startScreen`. */
  start(): Promise<void> {
    if (this.#stream !== null) {
      return Promise.resolve();
    }
    this.#asking ??= this.#ask(this.#round).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** Gives the screen back. */
  stop(): void {
    this.#round += 1;
    const stream = this.#stream;
    if (stream !== null) {
      this.#stream = null;
      stop(stream);
      this.#changed();
    }
  }

  async #ask(round: number): Promise<void> {
    const stream = await openScreen();
    const [video] = stream.getVideoTracks();
    if (video === undefined || round !== this.#round) {
      stop(stream);
      if (video === undefined) {
        throw new StoaError('screen_failed', 'the browser gave no picture');
      }
      return;
    }
    video.contentHint = 'detail';
    // The browser's own "stop sharing" ends the picture.
    video.addEventListener('ended', () => {
      if (this.#stream === stream) {
        this.stop();
      }
    });
    this.#stream = stream;
    this.#changed();
  }
}

async function openScreen(): Promise<MediaStream> {
  if (!('mediaDevices' in navigator) || typeof navigator.mediaDevices?.getDisplayMedia !== 'function') {
    throw new StoaError('screen_unsupported', 'this browser cannot share a screen');
  }
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: VIDEO, audio: AUDIO });
  } catch (error) {
    const name = error instanceof Error || error instanceof DOMException ? error.name : '';
    const message = error instanceof Error || error instanceof DOMException ? error.message : String(error);
    throw new StoaError(name === 'NotAllowedError' ? 'screen_denied' : 'screen_failed', message);
  }
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.stop();
  }
}
