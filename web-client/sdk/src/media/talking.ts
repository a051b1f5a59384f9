/** Speech of usual loudness at a usual distance is above it, a room without speech below. */
const SPEECH_LEVEL = 0.35;
const WINDOW_MS = 500;
const SPOKEN_MS = 300;
/** Told once is enough for a while. */
const PAUSE_MS = 10_000;
/** A longer time between two samples counts as this much: what was between them is not known. */
const LONGEST_SAMPLE_MS = 150;

/** Decides from the level of a muted microphone when its owner is to be told that nobody hears them. */
export class TalkingDetector {
  #samples: { readonly atMs: number; readonly spokenMs: number }[] = [];
  #lastAtMs: number | null = null;
  #toldAtMs = -Infinity;

  /** Takes a level, 0..1. True: somebody speaks, and has not been told lately. */
  push(level: number, nowMs: number): boolean {
    const sinceMs = Math.min(LONGEST_SAMPLE_MS, nowMs - (this.#lastAtMs ?? nowMs));
    this.#lastAtMs = nowMs;
    this.#samples.push({ atMs: nowMs, spokenMs: level >= SPEECH_LEVEL ? sinceMs : 0 });
    this.#samples = this.#samples.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
    const spokenMs = this.#samples.reduce((sum, sample) => sum + sample.spokenMs, 0);
    if (spokenMs < SPOKEN_MS || nowMs < this.#toldAtMs + PAUSE_MS) {
      return false;
    }
    this.#toldAtMs = nowMs;
    return true;
  }

  /** The microphone was switched: what was heard before says nothing any more. */
  reset(): void {
    this.#samples = [];
    this.#lastAtMs = null;
  }
}
