import type { Page } from '@playwright/test';
import { expectWay } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { openMember, tile } from './gathering.js';
import { expectReceived } from './received.js';
import { joinWithSdk } from './sdk-page.js';
import { expectFrames, type Synthetic } from './synthetic-media.js';

/** Every room has its media go by way of the server, also one of two. */
const ALWAYS = { STOA_ROOMS_MESH_MAX: '1' };
const LARGE = { width: 1280, height: 720 };

/** Lines of the picture that `page` shows of `name`. */
function lines(page: Page, name: string): Promise<number> {
  return tile(page, name)
    .locator('video')
    .evaluate((video: HTMLVideoElement) => video.videoHeight);
}

async function openMenu(page: Page, name: string): Promise<void> {
  await tile(page, name).hover();
  await page.getByRole('button', { name: `Options for ${name}` }).click();
}

async function pin(page: Page, name: string): Promise<void> {
  await openMenu(page, name);
  await page.getByRole('button', { name: `Pin ${name}` }).click();
}

test('a picture comes as large as it is shown', async ({ startServer, chromium, pages }) => {
  const server = await startServer(ALWAYS);
  const room = freshRoom();
  const ada = await openMember(pages, chromium, 0, LARGE);
  const [bob, cyd] = [await openMember(pages, chromium, 1), await openMember(pages, chromium, 2)];
  for (const { page, name } of [ada, bob, cyd]) await join(page, server, room, name);
  await expectFrames(bob.page, 'Ada');
  for (const [large, wanted] of [
    ['Ada', 720],
    ['Cyd', 180],
    ['Ada', 720],
  ] as const) {
    await pin(bob.page, large);
    await expect.poll(() => lines(bob.page, 'Ada')).toBe(wanted);
    await expectReceived(bob.page, 'Ada', ada.sent);
  }
});

/** What went wrong on the way, in words, and how the picture's size changed. */
interface Switches {
  wrong: string[];
  heights: number[];
  changes: number;
}

/**
 * Wishes for another layer so many times, after every ten frames, and looks at every frame. A key frame may take longer
 * than that to come: some wishes come true, others are overtaken by the next, and each twentieth is waited for.
 */
function switchLayers(page: Page, name: string, colour: Synthetic['colour'], switches: number): Promise<Switches> {
  const video = tile(page, name).locator('video');
  return video.evaluate(
    async (element: HTMLVideoElement, { name, colour, switches }) => {
      const { id } = window.room.state.participants.find((one) => one.name === name)!;
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
      const context = canvas.getContext('2d', { willReadFrequently: true })!;
      const wrong: string[] = [];
      const heights: number[] = [];
      let before: number | undefined;
      const look = async (turn: number): Promise<void> => {
        await new Promise((resolve) => element.requestVideoFrameCallback(resolve));
        context.drawImage(element, 0, 0, 64, 36);
        const at = (x: number, y: number): number[] => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
        const seen = at(32, 9);
        if (seen.some((value, index) => Math.abs(value - colour[index]!) > 40)) wrong.push(`${turn}: ${seen.join()}`);
        const bits = [...Array(8).keys()].map((bit) => at(bit * 8 + 4, 27)[1]!);
        const counter = bits.reduce((sum, light, bit) => sum + (light > 128 ? 1 << bit : 0), 0);
        const step = (counter - (before ?? counter) + 256) % 256;
        if (step > 128) wrong.push(`${turn}: ${before} -> ${counter}`);
        before = counter;
        if (heights.at(-1) !== element.videoHeight) heights.push(element.videoHeight);
      };
      const layers = ['low', 'high', 'medium', 'high'] as const;
      for (let turn = 0; turn < switches; turn += 1) {
        window.room.setQuality(id, 'camera', layers[turn % layers.length]!);
        for (let frame = 0; frame < 10; frame += 1) await look(turn);
        while (turn % 20 === 19 && element.videoHeight !== 720) await look(turn);
      }
      const seen = [...new Set(heights)].sort((a, b) => a - b);
      return { wrong, heights: seen, changes: heights.length - 1 };
    },
    { name, colour, switches },
  );
}

test('a picture stays right and moves through 200 switches between its sizes', async ({
  startServer,
  chromium,
  pages,
}) => {
  test.setTimeout(600_000);
  const server = await startServer(ALWAYS);
  const room = freshRoom();
  const ada = await openMember(pages, chromium, 0, { ...LARGE, rate: 30 });
  const bob = await openMember(pages, chromium, 1);
  await joinWithSdk(ada.page, server, room, ada.name);
  await joinWithSdk(bob.page, server, room, bob.name);
  await expectFrames(bob.page, 'Ada');
  const seen = await switchLayers(bob.page, 'Ada', ada.sent.colour, 200);
  expect(seen.wrong).toEqual([]);
  expect(seen.heights).toEqual([180, 360, 720]);
  expect(seen.changes).toBeGreaterThanOrEqual(20);
  await expectReceived(bob.page, 'Ada', ada.sent);
});

for (const codec of ['h264', 'vp9', 'av1'] as const) {
  test(`pictures come in ${codec.toUpperCase()}`, async ({ startServer, chromium, firefoxEsr, pages }) => {
    const server = await startServer(ALWAYS);
    const room = freshRoom();
    const ada = await openMember(pages, chromium, 0, { width: 640, height: 360 });
    const bob = await openMember(pages, chromium, 1);
    await joinWithSdk(ada.page, server, room, ada.name, { codec });
    const watchers = [bob];
    // Debian's Firefox has no H.264.
    if (codec !== 'h264') watchers.push(await openMember(pages, firefoxEsr, 2));
    for (const { page, name } of watchers) {
      await join(page, server, room, name);
      await expectReceived(page, 'Ada', ada.sent);
      await openMenu(page, 'Ada');
      await page.getByRole('button', { name: 'Connection details' }).click();
      await expect(page.locator('.details').getByText(codec.toUpperCase(), { exact: true })).toBeVisible();
      await page.keyboard.press('Escape');
    }
    // What the others send comes in what everybody can send.
    await expectReceived(ada.page, 'Bob', bob.sent);
  });
}
