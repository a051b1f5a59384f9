import type { Locator, Page } from '@playwright/test';

export function note(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Note', exact: true });
}

/** What the note says, without the cursors drawn into it. */
export function text(page: Page): Promise<string | null> {
  return note(page).evaluate((element) => {
    const copy = element.cloneNode(true) as HTMLElement;
    for (const cursor of copy.querySelectorAll('.cm-ySelectionCaret')) cursor.remove();
    return copy.textContent;
  });
}

/** Writes at the end of the note. */
export async function write(page: Page, text: string): Promise<void> {
  await note(page).click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}
