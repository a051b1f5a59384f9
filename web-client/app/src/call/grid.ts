/** How large equal tiles may become, and how many of them an area holds. All lengths in CSS pixels. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Grid {
  readonly columns: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
}

/** Cameras send 16:9; a tile may be taller where there is room, and shows the middle then. */
const WIDEST = 16 / 9;

/** Two people look at each other: side by side is better, unless it makes them much smaller. In shares of the area. */
const SIDE_BY_SIDE_WORTH = 0.65;

/** Once one above the other, it takes more, so that a banner that comes and goes does not throw the tiles about. */
const CHANGE_WORTH = 0.75;

/** More faces than this nobody can follow, and every one of them has to be decoded. */
const MOST_TILES = 49;

/** `tallest`: the least width of a tile as a multiple of its height; `before`: the grid until now, if there was one. */
export function fitGrid(tiles: number, { width, height }: Size, gap: number, tallest: number, before?: Grid): Grid {
  const isStacked = before?.columns === 1 && before.tileWidth > 0;
  const sideBySideWorth = isStacked ? CHANGE_WORTH : SIDE_BY_SIDE_WORTH;
  let best: Grid = { columns: 1, tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= Math.max(1, tiles); columns += 1) {
    const rows = Math.ceil(tiles / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = (height - gap * (rows - 1)) / rows;
    const tileWidth = Math.max(0, Math.floor(Math.min(byWidth, byHeight * WIDEST)));
    const tileHeight = Math.max(0, Math.floor(Math.min(byHeight, tileWidth / tallest)));
    const worth = tiles === 2 && columns === 2 ? sideBySideWorth : 1;
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight * worth) best = { columns, tileWidth, tileHeight };
  }
  return best;
}

/** How many of `tiles` an area shows at once without making one narrower than `smallest`; at least one. */
export function placesOn(tiles: number, area: Size, gap: number, tallest: number, smallest: number): number {
  for (let places = Math.min(tiles, MOST_TILES); places > 1; places -= 1) {
    if (fitGrid(places, area, gap, tallest).tileWidth >= smallest) return places;
  }
  return 1;
}
