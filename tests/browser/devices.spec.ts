import type { Page } from '@playwright/test';
import { launchChromium } from './browsers.js';
import { expect, freshRoom, test } from './fixtures.js';
import type { Server } from './server.js';

/** Whatever is wrong with the devices, one can still join and be there. */
async function expectToJoinAnyway(page: Page, server: Server): Promise<void> {
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('group', { name: /^Ada/ })).toBeVisible();
  expect(page.url()).toContain(server.url);
}

for (const [devices, words] of [
  ['denied', /(allow|permission|blocked)/i],
  ['missing', /no (camera|microphone)/i],
] as const) {
  test(`a ${devices} device is explained`, async ({ server, pages }) => {
    const browser = await launchChromium(devices);
    try {
      const page = await pages.open(browser);
      await page.goto(`${server.url}/r/${freshRoom()}`);
      await expect(page.getByText(words).first()).toBeVisible();
      await expectToJoinAnyway(page, server);
      await pages.close();
    } finally {
      await browser.close();
    }
  });
}

for (const [name, words] of [
  ['NotReadableError', /(another|other) (program|app)/i],
  ['OverconstrainedError', /./],
] as const) {
  test(`${name} is explained`, async ({ server, chromium, pages }) => {
    const page = await pages.open(chromium);
    await page.addInitScript((name) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('made up', name));
    }, name);
    await page.goto(`${server.url}/r/${freshRoom()}`);
    await expect(page.getByText(words).first()).toBeVisible();
    await expect(page.getByRole('button', { name: 'Try again' }).first()).toBeVisible();
    await expectToJoinAnyway(page, server);
  });
}

test('an insecure page is explained', async ({ server, chromium, pages }) => {
  const page = await pages.open(chromium);
  await page.addInitScript(() => {
    Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
    Object.defineProperty(window, 'isSecureContext', { value: false });
  });
  await page.goto(`${server.url}/r/${freshRoom()}`);
  await expect(page.getByText(/https/i).first()).toBeVisible();
  await expectToJoinAnyway(page, server);
});

test('a missing camera does not cost the microphone', async ({ server, chromium, pages }) => {
  const page = await pages.open(chromium);
  await page.addInitScript(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) =>
      constraints?.video ? Promise.reject(new DOMException('none', 'NotFoundError')) : real(constraints);
  });
  await page.goto(`${server.url}/r/${freshRoom()}`);
  await expect(page.getByText(/no camera/i).first()).toBeVisible();
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Mute microphone' })).toBeVisible();
});
