import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';
import { gather, openPeople, tile, type Member } from './gathering.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Fails with what axe found. */
async function expectAccessible(page: Page): Promise<void> {
  await page.addScriptTag({ path: AXE });
  const violations = await page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: typeof import('axe-core') }).axe;
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const results = await axe.run(document, { runOnly: tags });
    return results.violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((node) => node.html) }));
  });
  expect(violations).toEqual([]);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`landing, pre-join and call are accessible in ${colorScheme}`, async ({ server, chromium, pages }) => {
    // The page's own policy would keep axe out.
    const page = await pages.open(chromium, { colorScheme, bypassCSP: true });
    await page.goto(server.url);
    await expect(page.getByRole('button', { name: 'Start a meeting' })).toBeVisible();
    await expectAccessible(page);
    const room = freshRoom();
    await page.goto(`${server.url}/r/${room}`);
    await expect(page.getByRole('button', { name: 'Join', exact: true })).toBeVisible();
    await expectAccessible(page);
    await join(page, server, room, 'Ada');
    await expect(page.getByRole('textbox', { name: 'Note', exact: true })).toBeVisible();
    await expectAccessible(page);
    const bob = await pages.open(chromium, { colorScheme });
    await join(bob, server, room, 'Bob');
    await expect(page.getByRole('group', { name: 'Bob', exact: true }).locator('video')).toHaveJSProperty(
      'paused',
      false,
    );
    await expectAccessible(page);
  });
}

test('a call of five is accessible with its panels, and everybody can be reached on a phone', async ({
  server,
  chromium,
  pages,
}) => {
  test.setTimeout(480_000);
  // The page's own policy would keep axe out.
  const members = await gather(pages, chromium, server, freshRoom(), 5, { bypassCSP: true });
  const [{ page }, bob] = members as [Member, Member];
  await expectAccessible(page);
  await openPeople(page);
  await expectAccessible(page);
  await page.getByRole('button', { name: /^Chat/ }).click();
  await page.getByRole('textbox', { name: /message/i }).fill('Read https://example.org');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: 'https://example.org' })).toBeVisible();
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: /^Note/ }).click();
  await bob.page.getByRole('button', { name: 'Share screen' }).click();
  await expect(tile(page, "Bob's screen")).toBeVisible();
  await expectAccessible(page);
  // Beside the note there is room for two of five at a time.
  const left = new Set(['Bob', 'Cyd', 'Dee', 'Eve']);
  await expect(async () => {
    for (const name of left) if (await tile(page, name).isVisible()) left.delete(name);
    if (left.size > 0) await page.getByRole('button', { name: /^\+\d more/ }).click();
    expect([...left]).toEqual([]);
  }).toPass();
  for (const [width, height] of [
    [390, 844],
    [844, 390],
  ] as const) {
    await page.setViewportSize({ width, height });
    await openPeople(page);
    await expect(page.locator('.person').first()).toBeInViewport();
    await expectAccessible(page);
    await page
      .getByRole('button', { name: /people/i })
      .first()
      .click();
    await expectAccessible(page);
  }
});

test('from the landing page into a call by a new room and by its link', async ({ server, chromium, pages }) => {
  const ada = await pages.open(chromium);
  await ada.goto(server.url);
  await ada.getByRole('button', { name: 'Start a meeting' }).click();
  await expect(ada).toHaveURL(/\/r\/[a-z0-9-]+$/);
  const bob = await pages.open(chromium);
  await bob.goto(server.url);
  await bob.getByRole('textbox', { name: 'Room name or link' }).fill(ada.url());
  await bob.getByRole('button', { name: 'Enter room' }).click();
  await expect(bob).toHaveURL(ada.url());
  for (const [page, name] of [
    [ada, 'Ada'],
    [bob, 'Bob'],
  ] as const) {
    await page.getByRole('textbox', { name: 'Your name' }).fill(name);
    await page.getByRole('button', { name: 'Join', exact: true }).click();
  }
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toBeVisible();
  await bob.goBack();
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toHaveCount(0);
});

test('a wrong address is told in words', async ({ server, chromium, pages }) => {
  const page = await pages.open(chromium);
  // The browser itself reports the status of the page to the console; that is its line, not ours.
  await page.route('**/nowhere', async (route) => {
    const response = await route.fetch();
    expect(response.status()).toBe(404);
    await route.fulfill({ response, status: 200 });
  });
  await page.goto(`${server.url}/nowhere`);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(/nothing here/i);
});
