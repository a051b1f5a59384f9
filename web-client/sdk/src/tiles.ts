import type { ParticipantId } from './roster';

/** Pictures that there are tiles for. */
export type PictureSource = 'camera' | 'screen';

/** How a picture is shown, in device pixels. */
export interface Tile {
  readonly width: number;
  readonly height: number;
  /** Those with a higher one, of 0 to 255, get bandwidth first. */
  readonly priority?: number;
}

/** `auto`: what fits the tile. */
export type TileQuality = 'auto' | 'low' | 'medium' | 'high';

/** What the app shows, and how it wants it. */
export class Tiles {
  readonly #tiles = new Map<string, Tile | null>();
  readonly #qualities = new Map<string, TileQuality>();

  /** See `Room.setTile`. */
  setTile(participant: ParticipantId, source: PictureSource, tile: Tile | null): void {
    this.#tiles.set(keyOf(participant, source), tile);
  }

  /** See `Room.setQuality`. */
  setQuality(participant: ParticipantId, source: PictureSource, quality: TileQuality): void {
    this.#qualities.set(keyOf(participant, source), quality);
  }

  /** The tile of a picture; null: nobody can see it, undefined: the app did not say. */
  tileOf(participant: ParticipantId, source: PictureSource): Tile | null | undefined {
    return this.#tiles.get(keyOf(participant, source));
  }

  /** The quality chosen for a picture. */
  qualityOf(participant: ParticipantId, source: PictureSource): TileQuality {
    return this.#qualities.get(keyOf(participant, source)) ?? 'auto';
  }

  /** Forgets whoever is not there any more. */
  keepOnly(present: ReadonlySet<ParticipantId>): void {
    for (const key of [...this.#tiles.keys(), ...this.#qualities.keys()]) {
      if (!present.has(key.slice(key.indexOf(' ') + 1))) {
        this.#tiles.delete(key);
        this.#qualities.delete(key);
      }
    }
  }
}

const keyOf = (participant: ParticipantId, source: PictureSource): string => `${source} ${participant}`;
