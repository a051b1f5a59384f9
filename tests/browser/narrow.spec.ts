import { expectWay } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { openMember, tile, type Member } from './gathering.js';
import { expectAllReceived, expectReceived } from './received.js';
import { watch } from './synthetic-media.js';
import { UdpPath } from './udp-path.js';

const LARGE = { width: 1280, height: 720, rate: 10 };

test('who has only 300 kbit/s keeps sound and a moving picture, and the others notice nothing', async ({
  startServer,
  chromium,
  pages,
}) => {
  test.setTimeout(480_000);
  // Every room has its media go by way of the server.
  const server = await startServer({ STOA_ROOMS_MESH_MAX: '1' });
  const room = freshRoom();
  const [ada, bob] = [await openMember(pages, chromium, 0, LARGE), await openMember(pages, chromium, 1, LARGE)];
  const cyd = await openMember(pages, chromium, 2);
  const path = new UdpPath();
  await path.lead(cyd.page);
  const members: Member[] = [ada, bob, cyd];
  for (const { page, name } of members) {
    // Tiles large enough for the best pictures.
    await page.setViewportSize({ width: 2560, height: 1440 });
    await join(page, server, room, name);
  }
  for (const { page } of members) await expectWay(page, 'server');
  const lines = (name: string): Promise<number> =>
    tile(cyd.page, name)
      .locator('video')
      .evaluate((video: HTMLVideoElement) => video.videoHeight);
  await expectAllReceived(members);

  path.bitsPerSecond = 300_000;
  // The best of both does not fit.
  const shown = async (): Promise<number> => (await lines('Ada')) + (await lines('Bob'));
  await expect.poll(shown).toBeLessThan(2 * 720);
  // It takes some seconds until the server knows how little there is room for.
  await expect(() => Promise.all([ada, bob].map(({ name, sent }) => expectReceived(cyd.page, name, sent)))).toPass();
  await expectReceived(ada.page, 'Cyd', cyd.sent);
  const expectNothingMissing = async ({ page }: Member, name: string): Promise<void> =>
    expect(meanStep((await watch(page, name)).counters)).toBeLessThan(2);
  await expect(() => Promise.all([expectNothingMissing(ada, 'Bob'), expectNothingMissing(bob, 'Ada')])).toPass();
  path.close();
});

/** How far the counters of the frames shown are apart: 1 if none is missing. */
function meanStep(counters: readonly number[]): number {
  const steps = counters.slice(1).map((counter, index) => (counter - counters[index]! + 256) % 256);
  return steps.reduce((sum, step) => sum + step, 0) / steps.length;
}
