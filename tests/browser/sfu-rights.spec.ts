import type { Page } from '@playwright/test';
import { expectWay } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { expectPeople, gather, openMember, openPeople, SCREEN, tile, type Member } from './gathering.js';
import { allowOnly } from './network.js';
import { expectAllReceived, expectReceived } from './received.js';
import type { Server } from './server.js';

const KEY = 'a key of at least thirty-two characters';
/** Every room has its media go by way of the server, also one of two. */
const ALWAYS = { STOA_ROOMS_MESH_MAX: '1' };

const note = (page: Page) => page.getByRole('textbox', { name: 'Note', exact: true });

test('the note and the chat reach five people', async ({ server, chromium, pages }) => {
  const members = await gather(pages, chromium, server, freshRoom(), 5);
  for (const { page } of members) await expectWay(page, 'server');
  for (const { page, name } of members) {
    await note(page).click();
    await page.keyboard.press('ControlOrMeta+End');
    await page.keyboard.type(`${name} was here. `);
  }
  for (const { page } of members) {
    for (const { name } of members) await expect(note(page)).toContainText(`${name} was here.`);
  }
  // Cursors go from page to page, and nowhere over the server's documents.
  await expect(members[0]!.page.locator('.cm-ySelectionInfo', { hasText: 'Eve' })).toBeAttached();
  for (const { page } of members) await page.getByRole('button', { name: /^Chat/ }).click();
  for (const { page, name } of members) {
    await page.getByRole('textbox', { name: /message/i }).fill(`${name} says hello`);
    await page.keyboard.press('Enter');
  }
  for (const { page } of members) {
    for (const { name } of members) await expect(page.getByText(`${name} says hello`, { exact: true })).toBeVisible();
  }
});

test('a moderator silences and removes, and the others go on', async ({ startServer, chromium, pages }) => {
  const server = await startServer(ALWAYS);
  const members = await gather(pages, chromium, server, freshRoom(), 3);
  const [ada, bob, cyd] = members as [Member, Member, Member];
  for (const { page } of members) await expectWay(page, 'server');
  await openPeople(ada.page);
  await ada.page.getByRole('button', { name: 'Silence Bob' }).first().click();
  await expect(bob.page.getByText(/Ada switched off your microphone/).first()).toBeVisible();
  await expectReceived(cyd.page, 'Bob', { ...bob.sent, hertz: 0 });
  await bob.page.getByRole('button', { name: 'Unmute microphone' }).click();
  await expect(tile(cyd.page, 'Bob').getByText(/microphone (is )?off|muted/i)).not.toBeAttached();
  await expectReceived(cyd.page, 'Bob', bob.sent);
  await ada.page.getByRole('button', { name: 'Remove Bob' }).first().click();
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Yes, remove' }).click();
  await expect(bob.page.getByText(/removed from this room/i).first()).toBeVisible();
  await expectPeople(ada.page, ['Cyd']);
  await expectPeople(cyd.page, ['Ada']);
  await expectAllReceived([ada, cyd]);
});

/** Joins with a token that comes in the link. */
async function joinWith(member: Member, server: Server, room: string, ...rights: string[]): Promise<void> {
  const { page, name } = member;
  const token = server.token(KEY, '--identity', name.toLowerCase(), '--room', room, ...rights);
  await page.goto(`${server.url}/r/${room}#token=${token}`);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Leave' })).toBeVisible();
}

/** Bytes of media that the page has received. */
function receivedBytes(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let bytes = 0;
    for (const connection of window.connections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'inbound-rtp') bytes += report.bytesReceived;
      }
    }
    return bytes;
  });
}

test('who may not publish is not seen, and who may not subscribe sees nobody', async ({
  startServer,
  chromium,
  pages,
}) => {
  const server = await startServer({ ...ALWAYS, STOA_AUTH_KEY: KEY });
  const room = freshRoom();
  const ada = await openMember(pages, chromium, 0);
  const [bob, cyd] = [await openMember(pages, chromium, 1), await openMember(pages, chromium, 2)];
  await joinWith(ada, server, room);
  await joinWith(bob, server, room, '--publish', 'none');
  await joinWith(cyd, server, room, '--no-subscribe');
  await expectReceived(ada.page, 'Cyd', cyd.sent);
  await expectReceived(bob.page, 'Ada', ada.sent);
  await expectReceived(bob.page, 'Cyd', cyd.sent);
  await expect(tile(ada.page, 'Bob').getByText(/camera (is )?off/i)).toBeAttached();
  // What cannot be sent is shown as off, with the reason, and cannot be switched on.
  for (const words of [/^Microphone: .* may not send sound/, /^Camera: .* may not send a picture/]) {
    await expect(bob.page.getByRole('button', { name: words })).toHaveAttribute('aria-disabled', 'true');
  }
  await bob.page.locator('body').press('m');
  await expect(tile(bob.page, 'Bob (you)').getByText(/microphone off/i)).toBeAttached();
  await expect(cyd.page.getByText(/may not see or hear the others/)).toBeVisible();
  const adas = await receivedBytes(ada.page);
  expect(adas).toBeGreaterThan(10_000);
  expect(await receivedBytes(cyd.page)).toBe(0);
});

test('two workers carry a room each', async ({ startServer, chromium, pages }) => {
  const server = await startServer({ ...ALWAYS, STOA_UDP_WORKERS: '2' });
  // Rooms take turns on the workers, in the order in which they begin.
  const [first, second] = [freshRoom(), freshRoom()];
  const one = await gather(pages, chromium, server, first, 2);
  const two = await gather(pages, chromium, server, second, 2);
  for (const { page } of [...one, ...two]) await expectWay(page, 'server');
  await Promise.all([expectAllReceived(one), expectAllReceived(two)]);
  await one[0]!.page.getByRole('button', { name: 'Share screen' }).click();
  await expectReceived(one[1]!.page, "Ada's screen", SCREEN);
  await expectPeople(two[1]!.page, ['Ada']);
});

test('a call goes through the relay to the server', async ({ startServer, chromium, pages }) => {
  const server = await startServer(ALWAYS);
  const room = freshRoom();
  const [ada, bob] = [await openMember(pages, chromium, 0), await openMember(pages, chromium, 1)];
  await allowOnly(ada.page, 'udp');
  await join(ada.page, server, room, ada.name);
  await join(bob.page, server, room, bob.name);
  for (const { page } of [ada, bob]) await expectWay(page, 'server');
  await expectAllReceived([ada, bob]);
});
