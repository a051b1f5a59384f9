import type { Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';

async function people(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: /^People/ });
  if ((await button.getAttribute('aria-expanded')) !== 'true') await button.click();
}

test('a moderator silences, and only the silenced can speak again', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await people(ada);
  await ada.getByRole('button', { name: 'Silence Bob' }).first().click();
  await expect(bob.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
  await expect(bob.getByText(/Ada switched off your microphone/).first()).toBeVisible();
  await bob.getByRole('button', { name: 'Unmute microphone' }).click();
  const tile = ada.getByRole('group', { name: 'Bob', exact: true });
  await expect(tile.getByText(/microphone (is )?off|muted/i)).not.toBeAttached();
  await people(bob);
  await expect(bob.getByRole('button', { name: /Silence|Remove/ })).toHaveCount(0);
});

test('who is removed is told so and stays out; a locked room opens to an invitation', async ({
  server,
  chromium,
  pages,
}) => {
  const room = freshRoom();
  const [ada, bob, cyd] = [await pages.open(chromium), await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await people(ada);
  await ada.getByRole('button', { name: 'Remove Bob' }).first().click();
  await ada.getByRole('dialog').getByRole('button', { name: 'Yes, remove' }).click();
  await expect(bob.getByText(/removed from this room/i).first()).toBeVisible();
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toHaveCount(0);
  await ada.getByRole('button', { name: 'Lock room', exact: true }).click();
  await expect(ada.getByRole('button', { name: 'Unlock room' })).toBeVisible();
  await cyd.goto(`${server.url}/r/${room}`);
  await cyd.getByRole('textbox', { name: 'Your name' }).fill('Cyd');
  await cyd.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(cyd.getByText(/room is locked/i).first()).toBeVisible();
  await ada.getByRole('button', { name: 'Create invitation' }).click();
  const dialog = ada.getByRole('dialog');
  await dialog.locator('button[type=submit]').click();
  const link = await dialog.getByRole('textbox').inputValue();
  expect(link).toContain(`/r/${room}#invite=`);
  await cyd.goto('about:blank');
  await cyd.goto(link);
  await expect(cyd).toHaveURL(`${server.url}/r/${room}`);
  await cyd.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(ada.getByRole('group', { name: 'Cyd', exact: true })).toBeAttached();
});

test('keys mute, show help, and are left alone while writing', async ({ server, chromium, pages }) => {
  const page = await pages.open(chromium);
  await join(page, server, freshRoom(), 'Ada');
  await expect(page.getByRole('textbox', { name: 'Note', exact: true })).toBeVisible();
  await page.locator('body').press('m');
  await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
  await page.locator('body').press('m');
  await expect(page.getByRole('button', { name: 'Mute microphone', exact: true })).toBeVisible();
  await page.getByRole('textbox', { name: 'Note', exact: true }).click();
  await page.keyboard.type('mmm');
  await expect(page.getByRole('textbox', { name: 'Note', exact: true })).toContainText('mmm');
  await expect(page.getByRole('button', { name: 'Mute microphone', exact: true })).toBeVisible();
});
