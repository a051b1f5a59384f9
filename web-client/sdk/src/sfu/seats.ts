/** Which track of another comes in which media section. A section has one track at a time, and a track one section. */
export class Seats {
  readonly #mids = new Map<number, string>();

  /** The section of a track; undefined: it has none. */
  midOf(track: number): string | undefined {
    return this.#mids.get(track);
  }

  /** Seats a track; returns the track that had the section before. */
  seat(track: number, mid: string): number | null {
    let former: number | null = null;
    for (const [other, taken] of this.#mids) {
      if (taken === mid && other !== track) {
        this.#mids.delete(other);
        former = other;
      }
    }
    this.#mids.set(track, mid);
    return former;
  }

  /** A track is not wanted any more, or has ended. False: it had no section. */
  leave(track: number): boolean {
    return this.#mids.delete(track);
  }

  /** All of them leave; returns those who had a section. */
  clear(): number[] {
    const tracks = [...this.#mids.keys()];
    this.#mids.clear();
    return tracks;
  }
}

/** So many sections to receive in. */
export interface Slots {
  readonly audio: number;
  readonly video: number;
}

/** The server reads at most 256 sections; some are for what oneself sends. */
const MOST_SLOTS = 240;

const NONE: Slots = { audio: 0, video: 0 };

/**
 * How many sections the next offer gets: one for each track that is wished for. The server asks for more if those do
 * not do, and counts as of the last offer that it has answered: what is on its way counts against that.
 */
export class SlotDemand {
  #offered = NONE;
  #inFlight = NONE;
  #wanted = NONE;

  /** So many tracks are wished for. Returns whether an offer is needed. */
  require({ audio, video }: Slots): boolean {
    return this.#want({ audio: audio - this.#offered.audio, video: video - this.#offered.video });
  }

  /** The server lacks so many. Returns whether an offer is needed. */
  ask({ audio, video }: Slots): boolean {
    return this.#want({ audio: audio - this.#inFlight.audio, video: video - this.#inFlight.video });
  }

  /** How many to add to the offer that is made now. */
  take(): Slots {
    const free = this.#free();
    const audio = Math.min(this.#wanted.audio, free);
    const taken = { audio, video: Math.min(this.#wanted.video, free - audio) };
    this.#offered = sumOf(this.#offered, taken);
    this.#inFlight = sumOf(this.#inFlight, taken);
    this.#wanted = NONE;
    return taken;
  }

  /** The offer was answered: what the server lacks from now on is beyond it. */
  handleAnswered(): void {
    this.#inFlight = NONE;
  }

  #want({ audio, video }: Slots): boolean {
    this.#wanted = { audio: Math.max(this.#wanted.audio, audio), video: Math.max(this.#wanted.video, video) };
    return this.#wanted.audio + this.#wanted.video > 0 && this.#free() > 0;
  }

  #free(): number {
    return MOST_SLOTS - this.#offered.audio - this.#offered.video;
  }
}

const sumOf = (a: Slots, b: Slots): Slots => ({ audio: a.audio + b.audio, video: a.video + b.video });
