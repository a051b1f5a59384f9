/** How to lay out equal 16:9 tiles so that they become as large as the stage allows. */

export interface Grid {
  readonly columns: number;
  /** Width of one tile in CSS pixels. */
  readonly tileWidth: number;
}

const ASPECT = 16 / 9;

/** Two people look at each other: side by side is better, unless it makes them much smaller. */
const SIDE_BY_SIDE_WORTH = 0.7;

/** Once one above the other, it takes more, so that a banner that comes and goes does not throw the tiles about. */
const CHANGE_WORTH = 0.8;

/** `before`: the grid until now, if there was one. */
export function fitGrid(tiles: number, width: number, height: number, gap: number, before?: Grid): Grid {
  const isStacked = before?.columns === 1 && before.tileWidth > 0;
  const sideBySideWorth = isStacked ? CHANGE_WORTH : SIDE_BY_SIDE_WORTH;
  let best: Grid = { columns: 1, tileWidth: 0 };
  for (let columns = 1; columns <= Math.max(1, tiles); columns += 1) {
    const rows = Math.ceil(tiles / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ASPECT;
    const tileWidth = Math.max(0, Math.floor(Math.min(byWidth, byHeight)));
    const worth = tiles === 2 && columns === 2 ? sideBySideWorth : 1;
    if (tileWidth > best.tileWidth * worth) best = { columns, tileWidth };
  }
  return best;
}
