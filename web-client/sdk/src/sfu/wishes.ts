import type { Track, TrackWish, Wish } from '../signal/wire';
import type { Tile, TileQuality } from '../tiles';

/** How the app shows a picture. */
export interface Shown {
  /** Undefined: it did not say; null: nobody can see it. */
  readonly tile: Tile | null | undefined;
  readonly quality: TileQuality;
}

/** A tile that is being dragged larger is not worth a message for every step. */
const DEBOUNCE_MS = 150;
/** Lines of the largest size that cameras send; each smaller one has half of that. */
const FULL_LINES = 720;
/** A picture may be shown so much larger than it is before the next size is fetched. */
const STRETCH = 1.25;
/** A smaller size is taken only when it clearly is enough, so that a tile at the border does not flip. */
const CLEARLY = 0.85;
/** So many pictures that nobody can see keep their section, to be there at once when they are scrolled to. */
const MOST_PAUSED = 24;
const LARGEST_PRIORITY = 255;
const SCREEN_PRIORITY = 100;

/** What is wanted of the tracks of others, and what of that the server was told. */
export class Wishes {
  readonly #desired = new Map<number, Wish>();
  readonly #said = new Map<number, Wish>();
  #dueMs = Infinity;

  /** Tracks that the server was told to send, or to have ready. */
  get said(): ReadonlyMap<number, Wish> {
    return this.#said;
  }

  /** Tracks that are wished for, whether the server was told already or not. */
  get wanted(): Iterable<number> {
    return this.#desired.keys();
  }

  /** Decides anew for these tracks and no others. A track that was not wanted before is wanted at once. */
  plan(tracks: Iterable<Track>, shown: (track: Track) => Shown, nowMs: number): void {
    const before = new Map(this.#desired);
    this.#desired.clear();
    let paused = 0;
    for (const track of tracks) {
      const wish = wishFor(track, shown(track), before.get(track.id));
      paused += wish.paused === true ? 1 : 0;
      if (wish.paused !== true || paused <= MOST_PAUSED) {
        this.#desired.set(track.id, wish);
      }
    }
    if ([...this.#desired.keys()].some((id) => !this.#said.has(id))) {
      this.#dueMs = nowMs;
    } else if (this.#dueMs === Infinity && this.#differences().length > 0) {
      this.#dueMs = nowMs + DEBOUNCE_MS;
    }
  }

  /** A track has ended, and with it what was wished of it. */
  forget(track: number): void {
    this.#desired.delete(track);
    this.#said.delete(track);
  }

  /** A new connection begins: the server was told nothing yet. */
  reset(nowMs: number): void {
    this.#said.clear();
    this.#dueMs = this.#desired.size > 0 ? nowMs : Infinity;
  }

  /** What to tell the server now. */
  take(nowMs: number): TrackWish[] {
    if (nowMs < this.#dueMs) {
      return [];
    }
    this.#dueMs = Infinity;
    const differences = this.#differences();
    for (const { track, wish } of differences) {
      if (wish === null) {
        this.#said.delete(track);
      } else {
        this.#said.set(track, wish);
      }
    }
    return differences;
  }

  /** When `take` has something. */
  nextTickMs(): number | undefined {
    return this.#dueMs === Infinity ? undefined : this.#dueMs;
  }

  #differences(): TrackWish[] {
    const gone = [...this.#said.keys()].filter((track) => !this.#desired.has(track));
    const other = [...this.#desired].filter(([track, wish]) => !isSame(wish, this.#said.get(track)));
    return [...gone.map((track) => ({ track, wish: null })), ...other.map(([track, wish]) => ({ track, wish }))];
  }
}

function wishFor(track: Track, shown: Shown, before: Wish | undefined): Wish {
  if (track.source === 'microphone' || track.source === 'screen_audio') {
    return {};
  }
  const priority = shown.tile?.priority ?? (track.source === 'screen' ? SCREEN_PRIORITY : 0);
  const layer = shown.tile === null ? before?.layer : layerFor(track.layers, shown, before);
  return {
    ...(layer === undefined ? {} : { layer }),
    ...(shown.tile === null ? { paused: true } : {}),
    ...(priority === 0 ? {} : { priority: Math.min(LARGEST_PRIORITY, Math.max(0, Math.round(priority))) }),
  };
}

/** Undefined: the best. */
function layerFor(layers: number, { tile, quality }: Shown, before: Wish | undefined): number | undefined {
  const best = layers - 1;
  if (best < 1 || quality === 'high') {
    return undefined;
  }
  if (quality === 'low') {
    return 0;
  }
  if (quality === 'medium') {
    return Math.min(best, 1) === best ? undefined : 1;
  }
  if (tile === null || tile === undefined) {
    return undefined;
  }
  const lines = Math.max(tile.height, (tile.width * 9) / 16);
  const fits = (layer: number, share: number): boolean => lines <= (FULL_LINES / 2 ** (best - layer)) * STRETCH * share;
  // Nothing was chosen yet if it was paused from the beginning.
  const isChosen = before !== undefined && (before.paused !== true || before.layer !== undefined);
  const present = isChosen ? (before.layer ?? best) : 0;
  for (let layer = 0; layer < best; layer += 1) {
    if (fits(layer, layer < present ? CLEARLY : 1)) {
      return layer;
    }
  }
  return undefined;
}

function isSame(a: Wish, b: Wish | undefined): boolean {
  return b !== undefined && a.layer === b.layer && a.paused === b.paused && a.priority === b.priority;
}
