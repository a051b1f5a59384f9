import { Listeners } from '../events';
import { TrackAnalyser } from './level-meter';
import { TalkingDetector } from './talking';

const PERIOD_MS = 50;

/**
 * Notices speech into a muted microphone. A muted track gives silence to everybody, this page included, so it listens to
 * a clone that is never sent; there is one only while the microphone is muted and somebody wants to know.
 */
export class MutedMeter {
  readonly #listeners = new Listeners();
  readonly #detector = new TalkingDetector();
  readonly #analyser = new TrackAnalyser();
  #muted: MediaStreamTrack | null = null;
  #clone: MediaStreamTrack | null = null;
  #count = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Calls `listener` when somebody speaks until the returned function is called. */
  add(listener: () => void): () => void {
    const remove = this.#listeners.add(listener);
    let isActive = true;
    this.#count += 1;
    this.#update();
    return () => {
      if (isActive) {
        isActive = false;
        this.#count -= 1;
        remove();
        this.#update();
      }
    };
  }

  /** The microphone's track while it is muted; null: it is on, or there is none. */
  setMuted(track: MediaStreamTrack | null): void {
    if (track !== this.#muted) {
      this.#muted = track;
      this.#stop();
      this.#update();
    }
  }

  #update(): void {
    const isWanted = this.#count > 0 && this.#muted !== null;
    if (!isWanted) {
      this.#stop();
    } else if (this.#clone === null && this.#muted !== null) {
      this.#clone = this.#muted.clone();
      this.#clone.enabled = true;
      this.#analyser.connect(this.#clone);
      this.#timer = setInterval(() => this.#measure(), PERIOD_MS);
    }
  }

  #measure(): void {
    if (this.#detector.push(this.#analyser.level(), performance.now())) {
      this.#listeners.notify();
    }
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#clone?.stop();
    this.#clone = null;
    this.#analyser.release();
    this.#detector.reset();
  }
}
