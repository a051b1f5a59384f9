/** How to lay out equal 16:9 tiles so that they become as large as the stage allows. */

export interface Grid {
  readonly columns: number;
  /** Width of one tile in CSS pixels. */
  readonly tileWidth: number;
}

const ASPECT = 16 / 9;

export function fitGrid(tiles: number, width: number, height: number, gap: number): Grid {
  let best: Grid = { columns: 1, tileWidth: 0 };
  for (let columns = 1; columns <= Math.max(1, tiles); columns += 1) {
    const rows = Math.ceil(tiles / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ASPECT;
    const tileWidth = Math.max(0, Math.floor(Math.min(byWidth, byHeight)));
    if (tileWidth > best.tileWidth) best = { columns, tileWidth };
  }
  return best;
}
