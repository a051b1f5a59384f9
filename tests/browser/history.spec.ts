import type { Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';
import { note, text, write } from './note-page.js';

/** Writes, and waits until the server has it. */
async function writeAndSave(page: Page, words: string): Promise<void> {
  await write(page, words);
  await expect(page.getByText('Saved', { exact: true })).toBeVisible();
}

/** A file that the page gave to the browser. */
interface Download {
  readonly name: string;
  readonly bytes: number[];
}

/** Keeps what the page downloads: not every browser tells the test of it. */
async function catchDownloads(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const downloads: Download[] = [];
    const blobs = new Map<string, Blob>();
    Object.assign(window, { downloads });
    const create = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob: Blob) => {
      const url = create(blob);
      blobs.set(url, blob);
      return url;
    };
    HTMLAnchorElement.prototype.click = function click() {
      const { download: name, href } = this;
      void blobs
        .get(href)
        ?.arrayBuffer()
        .then((bytes) => downloads.push({ name, bytes: [...new Uint8Array(bytes)] }));
    };
  });
}

const downloads = (page: Page): Promise<Download[]> =>
  page.evaluate(() => (window as unknown as { downloads: Download[] }).downloads);

for (const engine of ['chromium', 'firefoxEsr'] as const) {
  test(`a version is kept, shown and restored, and the note exported, in ${engine}`, async ({
    server,
    chromium,
    firefoxEsr,
    pages,
  }) => {
    const doc = freshRoom();
    const ada = await pages.open(engine === 'chromium' ? chromium : firefoxEsr);
    const bob = await pages.open(chromium);
    await catchDownloads(ada);
    await ada.goto(`${server.url}/d/${doc}`);
    await bob.goto(`${server.url}/d/${doc}`);
    await writeAndSave(ada, 'bread');
    await ada.getByRole('button', { name: 'History' }).click();
    const dialog = ada.getByRole('dialog');
    await dialog.getByLabel(/^Name/).fill('shopping');
    await dialog.getByRole('button', { name: 'Save this version' }).click();
    await expect(dialog.getByRole('button', { name: /shopping/ })).toBeVisible();
    await ada.keyboard.press('Escape');
    await writeAndSave(ada, ' and olives');
    await expect(note(bob)).toContainText('bread and olives');

    await ada.getByRole('button', { name: 'History' }).click();
    await dialog.getByRole('button', { name: /shopping/ }).click();
    await expect(dialog.locator('ins')).toContainText('and olives');
    await dialog.getByRole('radio', { name: 'The text then' }).check();
    await expect(dialog.getByRole('region', { name: 'The text then' })).toHaveText('bread');
    await dialog.getByRole('button', { name: 'Restore' }).click();
    for (const page of [ada, bob]) await expect.poll(() => text(page)).toBe('bread');
    await note(ada).click();
    await ada.keyboard.press('ControlOrMeta+z');
    for (const page of [ada, bob]) await expect(note(page)).toContainText('bread and olives');

    await ada.getByRole('button', { name: 'Download .md' }).click();
    await ada.getByRole('button', { name: 'History' }).click();
    await dialog.getByRole('button', { name: 'Download as Yjs update' }).click();
    await expect.poll(async () => (await downloads(ada)).map(({ name }) => name)).toEqual([`${doc}.md`, `${doc}.yjs`]);
    const [markdown, update] = await downloads(ada);
    expect(Buffer.from(markdown!.bytes).toString()).toBe('bread and olives');
    expect(Buffer.from(update!.bytes).includes(' and olives')).toBe(true);
  });
}

test('Firefox writes into the chat and the document beside the call', async ({
  server,
  chromium,
  firefoxEsr,
  pages,
}) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(firefoxEsr), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  for (const [page, name] of [
    [ada, 'Ada'],
    [bob, 'Bob'],
  ] as const) {
    await page.getByRole('button', { name: /^Chat/ }).click();
    await page.getByRole('textbox', { name: /message/i }).fill(`${name} says hello`);
    await page.keyboard.press('Enter');
  }
  for (const page of [ada, bob]) {
    for (const name of ['Ada', 'Bob'])
      await expect(page.getByText(`${name} says hello`, { exact: true })).toBeVisible();
  }
  // The note of the room in a tab of its own.
  const alone = await pages.open(firefoxEsr);
  await alone.goto(`${server.url}/d/${room}`);
  await writeAndSave(alone, '# Minutes');
  for (const page of [ada, bob]) await expect(note(page)).toContainText('# Minutes');
});
