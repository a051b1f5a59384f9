import { describe, expect, it } from 'vitest';
import { fitGrid, placesOn, type Grid, type Size } from '../src/call/grid';
import { layOut, type Box, type Layout } from '../src/call/layout';

const GAP = 12;

/** Stages of a laptop with and without a panel, a phone upright and lying (two), the strip above a panel, a large screen. */
const STAGES: readonly Size[] = [
  { width: 1248, height: 660 },
  { width: 820, height: 660 },
  { width: 336, height: 600 },
  { width: 780, height: 260 },
  { width: 640, height: 260 },
  { width: 336, height: 120 },
  { width: 1888, height: 960 },
];

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;

/** Positions are rounded. */
const isOn = (stage: Size, { left, top, width, height }: Box): boolean =>
  width > 0 &&
  height > 0 &&
  left >= 0 &&
  top >= 0 &&
  left + width <= stage.width + 1 &&
  top + height <= stage.height + 1;

const everything = ({ large, boxes, pager }: Layout): Box[] => [large, ...boxes, pager].filter((box) => box !== null);

const fit = (tiles: number, width: number, height: number, before?: Grid): Grid =>
  fitGrid(tiles, { width, height }, GAP, 4 / 3, before);

describe('the grid', () => {
  it('puts two side by side on a wide stage and one above the other on a narrow one', () => {
    expect(fit(2, 1248, 660)).toEqual({ columns: 2, tileWidth: 618, tileHeight: 463 });
    expect(fit(2, 336, 600)).toEqual({ columns: 1, tileWidth: 336, tileHeight: 252 });
  });

  it('keeps two side by side until that makes them much smaller', () => {
    expect(fit(2, 830, 660).columns).toBe(2);
    expect(fit(2, 800, 660).columns).toBe(1);
  });

  it('does not throw two tiles about because a banner takes some height', () => {
    const stacked = fit(2, 813, 669);
    expect(stacked.columns).toBe(1);
    expect(fit(2, 813, 620, stacked).columns).toBe(1);
    expect(fit(2, 813, 620).columns).toBe(2);
    expect(fit(2, 1248, 669, stacked).columns).toBe(2);
  });

  it('bears a stage without size', () => {
    expect(fit(2, 0, 0)).toEqual({ columns: 1, tileWidth: 0, tileHeight: 0 });
    expect(placesOn(9, { width: 0, height: 0 }, GAP, 1, 100)).toBe(1);
  });
});

describe('the layout', () => {
  it('keeps everything on the stage and nothing over another', () => {
    const wrong: unknown[] = [];
    for (const stage of STAGES) {
      for (let tiles = 0; tiles <= 60; tiles += 1) {
        for (const hasLarge of [false, true]) {
          if (tiles === 0 && !hasLarge) continue;
          const boxes = everything(layOut(stage, tiles, hasLarge, GAP));
          const isBad = (box: Box, at: number): boolean =>
            !isOn(stage, box) || boxes.slice(at + 1).some((other) => overlap(box, other));
          if (boxes.length === 0 || boxes.some(isBad)) wrong.push({ stage, tiles, hasLarge, boxes });
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('has a place for each, or a way to the others', () => {
    for (const stage of STAGES) {
      for (let tiles = 1; tiles <= 60; tiles += 1) {
        for (const hasLarge of [false, true]) {
          const { boxes, pager, more, large } = layOut(stage, tiles, hasLarge, GAP);
          expect(large !== null).toBe(hasLarge);
          expect(boxes.length).toBeLessThanOrEqual(tiles);
          expect([pager, more].filter((way) => way !== null)).toHaveLength(boxes.length < tiles ? 1 : 0);
          expect(more === null || isOn(stage, more)).toBe(true);
        }
      }
    }
  });

  it('makes tiles between 4:3 (1:1 upright) and 16:9 that fill a good part of the stage', () => {
    for (const stage of STAGES) {
      for (let tiles = 1; tiles <= 25; tiles += 1) {
        for (const { width, height } of layOut(stage, tiles, false, GAP).boxes) {
          expect(width / height).toBeGreaterThan(stage.height > stage.width ? 0.99 : 1.3);
          expect(width / height).toBeLessThan(1.81);
        }
      }
    }
    const { boxes } = layOut({ width: 1248, height: 660 }, 25, false, GAP);
    expect(boxes).toHaveLength(25);
    const filled = boxes.reduce((sum, { width, height }) => sum + width * height, 0);
    expect(filled / (1248 * 660)).toBeGreaterThan(0.75);
  });

  it('turns pages on a phone, and shows no more than 49 anywhere', () => {
    const phone = layOut({ width: 336, height: 600 }, 25, false, 8);
    expect(phone.boxes).toHaveLength(12);
    expect(phone.pager).not.toBeNull();
    expect(layOut({ width: 3800, height: 2000 }, 500, false, GAP).boxes).toHaveLength(49);
  });

  it('gives the large tile most of the stage, with the strip where it costs less', () => {
    const laptop = layOut({ width: 1248, height: 660 }, 4, true, GAP);
    expect(laptop.large).toMatchObject({ left: 0, top: 0, height: 660 });
    expect(laptop.boxes.every(({ left }) => left > 980)).toBe(true);
    // As high as a picture of 16:9 and its name need it.
    const phone = layOut({ width: 336, height: 600 }, 3, true, 8);
    expect(phone.large).toEqual({ left: 0, top: 0, width: 336, height: 225 });
    expect(phone.boxes).toHaveLength(3);
    expect(phone.boxes.every(({ top }) => top >= 233)).toBe(true);
  });

  it('gives the whole stage to a large tile that is alone', () => {
    const stage = { width: 800, height: 600 };
    expect(layOut(stage, 0, true, GAP)).toMatchObject({ large: { left: 0, top: 0, ...stage }, boxes: [] });
  });

  it('centres an incomplete last row', () => {
    const { boxes } = layOut({ width: 1248, height: 660 }, 5, false, GAP);
    const [first, second] = [boxes[3], boxes[4]];
    if (first === undefined || second === undefined) throw new Error('five places');
    expect(Math.abs(first.left - (1248 - second.left - second.width))).toBeLessThanOrEqual(1);
  });
});
