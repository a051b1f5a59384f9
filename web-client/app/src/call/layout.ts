/** Where every tile stands: all alike in a grid, or one of them large and the others on a shelf beside or below it. */
import { fitGrid, placesOn, type Grid, type Size } from './grid';

/** In CSS pixels, from the upper left corner of the stage. */
export interface Box extends Size {
  readonly left: number;
  readonly top: number;
}

export interface Layout {
  /** Of the large tile. */
  readonly large: Box | null;
  /** The places that are seen at once. */
  readonly boxes: readonly Box[];
  /** The buttons that turn the pages; null while all tiles have a place, and where there is no room for them. */
  readonly pager: Box | null;
  /** Where there is no room for those: one button on the last tile, which tells how many are missing. */
  readonly more: Box | null;
  readonly grid: Grid;
}

/** A stage of less height is the strip above an open panel: for recognising who is there, no more. */
export const LOW_STAGE = 200;

/** In CSS pixels: two buttons and the number of the page. They stand below the tiles, beside them in a low area. */
const PAGER: Size = { width: 144, height: 44 };
const LOW_AREA = 300;
const MORE: Size = { width: 44, height: 32 };

/** The least width of a tile, in CSS pixels: to recognise a face and read a name. */
const SMALLEST = { grid: 136, shelf: 104, strip: 88 };

/** The least width of a tile as a multiple of its height. Upright, as on a phone, much would stay empty otherwise. */
const TALLEST = { usual: 4 / 3, upright: 1 };

/** How wide a shelf beside the large tile is: its share of the stage, and the bounds of it in CSS pixels. */
const SHELF = { share: 0.2, least: 104, most: 272 };

const ASPECT = 16 / 9;

/** Below a large screen stands its name, in CSS pixels: it must not cover what is written there. */
const CAPTION = 36;

/** `tiles` besides the large one; `before`: the grid until now. */
export function layOut(stage: Size, tiles: number, hasLarge: boolean, gap: number, before?: Grid): Layout {
  const whole: Box = { left: 0, top: 0, width: stage.width, height: stage.height };
  const isLow = stage.height < LOW_STAGE;
  if (!hasLarge) {
    const tallest = stage.height > stage.width ? TALLEST.upright : TALLEST.usual;
    const smallest = isLow ? SMALLEST.strip : SMALLEST.grid;
    return { large: null, ...shelve(whole, tiles, { gap, tallest, smallest, canTurn: !isLow, before }) };
  }
  const [large, shelf] = split(whole, gap);
  const smallest = isLow ? SMALLEST.strip : SMALLEST.shelf;
  const rules = { gap, tallest: TALLEST.usual, smallest, canTurn: !isLow };
  return tiles === 0
    ? { large: whole, boxes: [], pager: null, more: null, grid: fitGrid(1, stage, gap, 1) }
    : { large, ...shelve(shelf, tiles, rules) };
}

/** Puts an element there. */
export function styleOf({ left, top, width, height }: Box): Readonly<Record<string, string>> {
  return { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
}

/** Into the place of the large tile and the shelf, so that a picture of 16:9 with its name becomes as large as possible. */
function split({ width, height }: Box, gap: number): [large: Box, shelf: Box] {
  const least = Math.round(Math.min(SHELF.most, Math.max(SHELF.least, width * SHELF.share)));
  const left = Math.max(0, width - least - gap);
  const shelfHeight = Math.round(Math.max(least / ASPECT, height - gap - CAPTION - width / ASPECT));
  const top = Math.max(0, height - shelfHeight - gap);
  if (Math.min(left, (height - CAPTION) * ASPECT) >= Math.min(width, (top - CAPTION) * ASPECT)) {
    return [
      { left: 0, top: 0, width: left, height },
      { left: left + gap, top: 0, width: least, height },
    ];
  }
  return [
    { left: 0, top: 0, width, height: top },
    { left: 0, top: top + gap, width, height: shelfHeight },
  ];
}

interface Rules {
  readonly gap: number;
  readonly tallest: number;
  readonly smallest: number;
  /** Whether there may be further pages. */
  readonly canTurn: boolean;
  readonly before?: Grid | undefined;
}

/** Fills an area with equal tiles. */
function shelve(area: Box, tiles: number, rules: Rules): Omit<Layout, 'large'> {
  const { gap, tallest, smallest, before } = rules;
  const places = placesOn(tiles, area, gap, tallest, smallest);
  if (places < tiles && rules.canTurn) {
    const [rest, pager] = cutPager(area, gap);
    const fewer = Math.min(places, placesOn(tiles, rest, gap, tallest, smallest));
    return { ...fill(rest, fewer, gap, fitGrid(fewer, rest, gap, tallest)), pager, more: null };
  }
  const filled = fill(area, places, gap, fitGrid(places, area, gap, tallest, before));
  return { ...filled, pager: null, more: places < tiles ? cornerOf(filled.boxes.at(-1)) : null };
}

function cornerOf(box: Box | undefined): Box | null {
  if (box === undefined) return null;
  return { left: box.left + box.width - MORE.width, top: box.top + box.height - MORE.height, ...MORE };
}

function cutPager({ left, top, width, height }: Box, gap: number): [rest: Box, pager: Box] {
  if (height < LOW_AREA && width > 2 * PAGER.width) {
    const rest = { left, top, width: width - PAGER.width - gap, height };
    return [rest, { left: left + rest.width + gap, top: top + (height - PAGER.height) / 2, ...PAGER }];
  }
  const pagerWidth = Math.min(PAGER.width, width);
  const rest = { left, top, width, height: Math.max(0, height - PAGER.height - gap) };
  return [
    rest,
    { left: left + (width - pagerWidth) / 2, top: top + height - PAGER.height, ...PAGER, width: pagerWidth },
  ];
}

/** In the middle of the area, an incomplete last row in the middle of the others. */
function fill(area: Box, places: number, gap: number, grid: Grid): Pick<Layout, 'boxes' | 'grid'> {
  const { columns, tileWidth: width, tileHeight: height } = grid;
  const rows = Math.ceil(places / columns);
  const top = area.top + (area.height - lengthOf(rows, height, gap)) / 2;
  const boxes = Array.from({ length: places }, (_, place) => {
    const row = Math.floor(place / columns);
    const inRow = Math.min(columns, places - row * columns);
    const left = area.left + (area.width - lengthOf(inRow, width, gap)) / 2;
    return {
      left: Math.round(left + (place - row * columns) * (width + gap)),
      top: Math.round(top + row * (height + gap)),
      width,
      height,
    };
  });
  return { boxes, grid };
}

function lengthOf(count: number, each: number, gap: number): number {
  return count * each + Math.max(0, count - 1) * gap;
}
