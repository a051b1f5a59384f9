import { expect, freshRoom, test } from './fixtures.js';
import { openMember, tile, type Member } from './gathering.js';
import { joinWithSdk } from './sdk-page.js';
import { beepsAfterFlashes, expectFrames } from './synthetic-media.js';

/** What nobody notices yet, in milliseconds. */
const TOGETHER = 150;

/** Sound that came unevenly is held back for some seconds, longer than the picture; then they come together again. */
async function expectTogether({ page }: Member): Promise<void> {
  const apart = async (): Promise<number> => Math.abs(await beepsAfterFlashes(page, 'Ada'));
  await expect.poll(apart, { timeout: 120_000 }).toBeLessThan(TOGETHER);
}

test('sound and picture of somebody stay together, over other sizes and for who comes late', async ({
  startServer,
  chromium,
  pages,
}) => {
  test.setTimeout(900_000);
  const server = await startServer({ STOA_ROOMS_MESH_MAX: '1' });
  const room = freshRoom();
  const ada = await openMember(pages, chromium, 0, { width: 640, height: 360, rate: 20, beats: true });
  const bob = await openMember(pages, chromium, 1);
  await joinWithSdk(ada.page, server, room, ada.name);
  await joinWithSdk(bob.page, server, room, bob.name);
  await expectFrames(bob.page, 'Ada');
  const video = tile(bob.page, 'Ada').locator('video');
  for (const [quality, lines] of [
    ['low', 180],
    ['medium', 360],
    ['low', 180],
  ] as const) {
    await bob.page.evaluate((quality) => {
      const { id } = window.room.state.participants.find(({ name }) => name === 'Ada')!;
      window.room.setQuality(id, 'camera', quality);
    }, quality);
    await expect(video).toHaveJSProperty('videoHeight', lines, { timeout: 120_000 });
    await expectTogether(bob);
  }
  const cyd = await openMember(pages, chromium, 2);
  await joinWithSdk(cyd.page, server, room, cyd.name);
  await expectFrames(cyd.page, 'Ada');
  await expectTogether(cyd);
});
