import type { Page } from '@playwright/test';
import { watchConnections } from './connections.js';
import { expect, freshRoom, test } from './fixtures.js';
import type { Server } from './server.js';
import { useSyntheticMedia, watch } from './synthetic-media.js';

const KEY = 'a key of at least thirty-two characters';

/** Joins with a token that comes in the link. */
async function joinWith(page: Page, server: Server, room: string, name: string, token: string): Promise<void> {
  await page.goto(`${server.url}/r/${room}#token=${token}`);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Leave' })).toBeVisible();
}

/** Bytes of video that the page's links have received. */
function videoBytes(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let bytes = 0;
    for (const connection of window.connections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') bytes += report.bytesReceived;
      }
    }
    return bytes;
  });
}

const note = (page: Page) => page.getByRole('textbox', { name: 'Note', exact: true });

test('tokens decide who enters, sees, speaks and writes', async ({ startServer, chromium, pages }) => {
  const server = await startServer({ STOA_AUTH_KEY: KEY });
  const room = freshRoom();
  const [ada, wilma] = [await pages.open(chromium), await pages.open(chromium)];
  await useSyntheticMedia(ada, { colour: [220, 40, 40], hertz: 440 });
  await useSyntheticMedia(wilma, { colour: [40, 60, 220], hertz: 880 });
  await watchConnections(ada);
  await watchConnections(wilma);
  await ada.goto(`${server.url}/r/${room}`);
  await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await ada.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(ada.getByRole('heading', { name: /needs an access link/i })).toBeVisible();
  for (const [options, change, words] of [
    [[], 'x', /access link is not good/i],
    [['--expires-in', '1s'], '', /access has expired/i],
  ] as const) {
    const token = server.token(KEY, '--identity', 'ada', '--room', room, ...options);
    await ada.goto('about:blank');
    await ada.goto(`${server.url}/r/${room}#token=${token}${change}`);
    await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
    await ada.getByRole('button', { name: 'Join', exact: true }).click();
    // Some seconds of leeway let one in who is sent out again.
    await expect(ada.getByRole('heading', { name: words })).toBeVisible();
  }
  await ada.goto('about:blank');
  await joinWith(ada, server, room, 'Ada', server.token(KEY, '--identity', 'ada', '--room', room));
  // Wilma may send, but neither receive media nor change the note.
  const token = server.token(KEY, '--identity', 'wilma', '--room', room, '--no-subscribe', '--documents', 'read');
  await joinWith(wilma, server, room, 'Wilma', token);
  const seen = await watch(ada, 'Wilma');
  expect(seen.colour[2]).toBeGreaterThan(150);
  await note(ada).click();
  await ada.keyboard.type('minutes');
  await expect(note(wilma)).toContainText('minutes');
  expect(await videoBytes(ada)).toBeGreaterThan(10_000);
  expect(await videoBytes(wilma), 'who may not subscribe is sent no media').toBe(0);
  await expect(note(wilma)).toHaveAttribute('contenteditable', 'false');
});
