import type { Page } from '@playwright/test';
import { throttle } from './network.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { expectReceived } from './received.js';
import { useSyntheticMedia, type Synthetic } from './synthetic-media.js';

const ADA: Synthetic = { colour: [220, 40, 40], hertz: 440 };
const BOB: Synthetic = { colour: [40, 60, 220], hertz: 880 };

/** Frames that `page` has displayed of `name` so far. */
function framesOf(page: Page, name: string): Promise<number> {
  const video = page.getByRole('group', { name, exact: true }).locator('video');
  return video.evaluate((element: HTMLVideoElement) => element.getVideoPlaybackQuality().totalVideoFrames);
}

for (const [title, second] of [
  ['Chromium and Chromium', 'chromium'],
  ['Chromium and Firefox', 'firefoxEsr'],
] as const) {
  test(`${title}: both see the right moving picture and hear the right tone`, async ({
    server,
    chromium,
    firefoxEsr,
    pages,
  }) => {
    const room = freshRoom();
    const ada = await pages.open(chromium);
    const bob = await pages.open(second === 'chromium' ? chromium : firefoxEsr);
    await useSyntheticMedia(ada, ADA);
    await useSyntheticMedia(bob, BOB);
    await join(ada, server, room, 'Ada');
    await join(bob, server, room, 'Bob');
    await expectReceived(ada, 'Bob', BOB);
    await expectReceived(bob, 'Ada', ADA);
  });
}

test('real devices are sent, muted, switched off and on again, as the others are told', async ({
  server,
  chromium,
  pages,
}) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  const adasTile = bob.getByRole('group', { name: 'Ada', exact: true });
  const frames = (): Promise<number> => framesOf(bob, 'Ada');
  await expect.poll(frames).toBeGreaterThan(10);
  await ada.getByRole('button', { name: 'Mute microphone' }).click();
  await expect(adasTile.getByText(/microphone (is )?off|muted/i)).toBeAttached();
  await ada.getByRole('button', { name: 'Unmute microphone' }).click();
  await expect(adasTile.getByText(/microphone (is )?off|muted/i)).not.toBeAttached();
  await ada.getByRole('button', { name: 'Turn camera off' }).click();
  await expect(ada.getByRole('button', { name: 'Turn camera on' })).toBeVisible();
  await ada.getByRole('button', { name: 'Turn camera on' }).click();
  await expect(ada.getByRole('button', { name: 'Turn camera off' })).toBeVisible();
  const before = await frames();
  await expect.poll(frames).toBeGreaterThan(before + 10);
});

test('one person too many is told in words that the room is full', async ({ startServer, chromium, pages }) => {
  const server = await startServer({ STOA_ROOMS_MAX_PARTICIPANTS: '2' });
  const room = freshRoom();
  const [ada, bob, cyd] = [await pages.open(chromium), await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await cyd.goto(`${server.url}/r/${room}`);
  await cyd.getByRole('textbox', { name: 'Your name' }).fill('Cyd');
  await cyd.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(cyd.getByText(/room is full/i).first()).toBeVisible();
  await bob.getByRole('button', { name: 'Leave' }).click();
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toHaveCount(0);
  await cyd.getByRole('button', { name: 'Try again' }).click();
  await expect(ada.getByRole('group', { name: 'Cyd', exact: true })).toBeVisible();
});

test('a link that loses its network says so and repairs itself', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  const network = await throttle(ada);
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await expect.poll(() => framesOf(bob, 'Ada')).toBeGreaterThan(10);
  await network.cut();
  const tile = ada.getByRole('group', { name: 'Bob', exact: true });
  await expect(tile.getByText(/interrupted/i)).toBeVisible();
  await network.restore();
  await expect(tile.getByText(/interrupted|connecting/i)).toBeHidden({ timeout: 45_000 });
  const before = await framesOf(bob, 'Ada');
  await expect.poll(() => framesOf(bob, 'Ada')).toBeGreaterThan(before + 10);
});
