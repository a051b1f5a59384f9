/** Loudness as a fraction: speech lands between about 0.2 and 0.8. */
const FLOOR_DB = -60;

/** 0..1 from samples in -1..1: the root mean square on a decibel scale, which is how loudness is heard. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) {
    sum += sample * sample;
  }
  return levelOfAmplitude(Math.sqrt(sum / Math.max(1, samples.length)));
}

/** 0..1 from an amplitude in 0..1. */
export function levelOfAmplitude(amplitude: number): number {
  const decibel = 20 * Math.log10(Math.max(amplitude, 1e-6));
  return Math.min(1, Math.max(0, 1 - decibel / FLOOR_DB));
}

/** Reads the level of one track. */
export class TrackAnalyser {
  #context: AudioContext | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #analyser: AnalyserNode | null = null;

  /** Measures this track from now on; null: none. */
  connect(track: MediaStreamTrack | null): void {
    this.#source?.disconnect();
    this.#source = null;
    if (track === null) {
      return;
    }
    this.#context ??= new AudioContext();
    // Suspended until a user gesture in some browsers; then the level stays 0, which is not worth an error.
    this.#context.resume().catch(() => undefined);
    this.#analyser ??= this.#context.createAnalyser();
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** The level at the moment, 0..1. */
  level(): number {
    if (this.#source === null || this.#analyser === null) {
      return 0;
    }
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    return levelOf(samples);
  }

  /** Gives everything back; `connect` begins anew. */
  release(): void {
    this.#source?.disconnect();
    this.#context?.close().catch(() => undefined);
    this.#context = null;
    this.#source = null;
    this.#analyser = null;
  }
}

/** Measures the level of a track on animation frames; costs nothing while nobody listens. */
export class LevelMeter {
  readonly #track: () => MediaStreamTrack | null;
  readonly #listeners = new Set<(level: number) => void>();
  readonly #analyser = new TrackAnalyser();
  #measured: MediaStreamTrack | null = null;
  #frame = 0;

  /** `track` gives the track to measure at the moment. */
  constructor(track: () => MediaStreamTrack | null) {
    this.#track = track;
  }

  /** Calls `listener` with 0..1 on every animation frame until the returned function is called. */
  add(listener: (level: number) => void): () => void {
    const registered = (level: number) => listener(level);
    this.#listeners.add(registered);
    if (this.#listeners.size === 1) {
      this.#frame = requestAnimationFrame(this.#measure);
    }
    return () => {
      this.#listeners.delete(registered);
      if (this.#listeners.size === 0) {
        cancelAnimationFrame(this.#frame);
        this.#analyser.release();
        this.#measured = null;
      }
    };
  }

  readonly #measure = (): void => {
    this.#frame = requestAnimationFrame(this.#measure);
    const track = this.#track();
    if (track !== this.#measured) {
      this.#measured = track;
      this.#analyser.connect(track);
    }
    const level = track?.enabled === true ? this.#analyser.level() : 0;
    for (const listener of [...this.#listeners]) {
      listener(level);
    }
  };
}
