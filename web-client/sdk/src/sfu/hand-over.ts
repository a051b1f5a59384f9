import type { TopologyMode } from '../signal/wire';

/** What there is to know about both ways at a moment. */
export interface Ways {
  /** Whether the connection to the SFU works. */
  readonly isLegConnected: boolean;
  /** Whether something is played that comes over a link and not yet by way of the server. */
  readonly playsFromLinks: boolean;
  /** Whether every link works. */
  readonly areLinksConnected: boolean;
  /** The same the other way round. */
  readonly playsFromLeg: boolean;
}

/** The old way is kept no longer than this once the new one works. */
const PATIENCE_MS = 5_000;
/** Others may need what oneself has no use for any more: they hear the change a moment later. */
const LINGER_MS = 1_000;

/**
 * Which of the two ways that media may take are kept open while a room goes from one to the other. The new way is made
 * before the old one is broken.
 */
export class HandOver {
  #mode: TopologyMode;
  #keepsOld: boolean;
  /** When the new way began to work; null: it does not. */
  #sinceMs: number | null = null;
  /** When the old way had nothing left to give; null: it has. */
  #idleSinceMs: number | null = null;

  /** Begins in this mode, with nothing from another. */
  constructor(mode: TopologyMode) {
    this.#mode = mode;
    this.#keepsOld = false;
  }

  /** The way to go. */
  get mode(): TopologyMode {
    return this.#mode;
  }

  /** Whether there are to be links; new ones only in a mesh. */
  get hasLinks(): boolean {
    return this.#mode === 'mesh' || this.#keepsOld;
  }

  /** Whether there is to be a connection to the SFU. */
  get hasLeg(): boolean {
    return this.#mode === 'sfu' || this.#keepsOld;
  }

  /** The room goes another way. */
  setMode(mode: TopologyMode): void {
    if (mode !== this.#mode) {
      this.#mode = mode;
      this.#keepsOld = true;
      this.#sinceMs = null;
      this.#idleSinceMs = null;
    }
  }

  /** Judges whether the old way is still needed. Returns whether that has just changed. */
  handleTick(ways: Ways, nowMs: number): boolean {
    if (!this.#keepsOld) {
      return false;
    }
    const works = this.#mode === 'sfu' ? ways.isLegConnected : ways.areLinksConnected;
    const isUsed = this.#mode === 'sfu' ? ways.playsFromLinks : ways.playsFromLeg;
    this.#sinceMs = works ? (this.#sinceMs ?? nowMs) : null;
    this.#idleSinceMs = works && !isUsed ? (this.#idleSinceMs ?? nowMs) : null;
    const isDone =
      (this.#sinceMs !== null && nowMs >= this.#sinceMs + PATIENCE_MS) ||
      (this.#idleSinceMs !== null && nowMs >= this.#idleSinceMs + LINGER_MS);
    this.#keepsOld = !isDone;
    return isDone;
  }

  /** When `handleTick` wants to be called next, however little happens. */
  nextTickMs(): number | undefined {
    if (!this.#keepsOld || this.#sinceMs === null) {
      return undefined;
    }
    return Math.min(this.#sinceMs + PATIENCE_MS, (this.#idleSinceMs ?? Infinity) + LINGER_MS);
  }
}
