import type { Locator, Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';
import { throttle } from './network.js';

function note(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Note', exact: true });
}

/** What the note says, without the cursors drawn into it. */
function text(page: Page): Promise<string | null> {
  return note(page).evaluate((element) => {
    const copy = element.cloneNode(true) as HTMLElement;
    for (const cursor of copy.querySelectorAll('.cm-ySelectionCaret')) cursor.remove();
    return copy.textContent;
  });
}

/** Writes at the end of the note. */
async function write(page: Page, text: string): Promise<void> {
  await note(page).click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}

for (const second of ['chromium', 'firefoxEsr'] as const) {
  test(`what one writes the other reads, with ${second}`, async ({ server, chromium, firefoxEsr, pages }) => {
    const room = freshRoom();
    const ada = await pages.open(chromium);
    const bob = await pages.open(second === 'chromium' ? chromium : firefoxEsr);
    await join(ada, server, room, 'Ada');
    await write(ada, 'Agenda: ');
    await join(bob, server, room, 'Bob');
    await expect(note(bob)).toContainText('Agenda:');
    await write(bob, 'bread and olives');
    await expect(note(ada)).toContainText('Agenda: bread and olives');
    // The other's cursor, with their name.
    await expect(ada.locator('.cm-ySelectionInfo', { hasText: 'Bob' })).toBeAttached();
    await expect(ada.getByText(/Also with Bob/)).toBeVisible();
  });
}

test('what both wrote while the link was cut comes together', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  const network = await throttle(ada);
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await write(ada, 'start. ');
  await expect(note(bob)).toContainText('start.');
  await network.cut();
  await expect(ada.getByRole('group', { name: 'Bob', exact: true }).getByText(/interrupted/i)).toBeVisible();
  await write(ada, 'alpha. ');
  await write(bob, 'beta. ');
  await expect(note(ada)).not.toContainText('beta');
  await expect(note(bob)).not.toContainText('alpha');
  await network.restore();
  for (const page of [ada, bob]) {
    await expect(note(page)).toContainText('alpha.', { timeout: 45_000 });
    await expect(note(page)).toContainText('beta.');
  }
  expect(await text(ada)).toBe(await text(bob));
});

test('the note stays in this browser, and the page says so', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const ada = await pages.open(chromium);
  await join(ada, server, room, 'Ada');
  await write(ada, '# Minutes');
  await expect(ada.getByText(/saved in this browser/i)).toBeVisible();
  await expect(ada.getByText(/server keeps no copy/i)).toBeVisible();
  await ada.reload();
  await expect(note(ada)).toContainText('# Minutes');
  await ada.getByRole('button', { name: 'Leave' }).click();
});
