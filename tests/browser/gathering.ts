import type { Browser, Page } from '@playwright/test';
import { watchConnections } from './connections.js';
import { expect, join, type Pages } from './fixtures.js';
import type { Server } from './server.js';
import { useSyntheticMedia, type Synthetic } from './synthetic-media.js';

/** One of several people in a room. */
export interface Member {
  readonly page: Page;
  readonly name: string;
  readonly sent: Synthetic;
}

/**
 * Small and slow pictures: with five people a browser encodes five in up to three sizes and decodes twenty, and two
 * cores carry that beside the server only if none of them is large.
 */
const SMALL = { width: 320, height: 180, rate: 15 };

/** Colours and tones far enough apart to tell everybody from everybody. */
const PEOPLE: readonly { name: string; sent: Synthetic }[] = [
  { name: 'Ada', sent: { ...SMALL, colour: [220, 40, 40], hertz: 440 } },
  { name: 'Bob', sent: { ...SMALL, colour: [40, 60, 220], hertz: 880 } },
  { name: 'Cyd', sent: { ...SMALL, colour: [40, 180, 60], hertz: 620 } },
  { name: 'Dee', sent: { ...SMALL, colour: [220, 200, 40], hertz: 1040 } },
  { name: 'Eve', sent: { ...SMALL, colour: [200, 60, 200], hertz: 740 } },
];

/** What a shared screen shows and sounds like. */
export const SCREEN: Synthetic = { width: 640, height: 360, rate: 15, colour: [40, 200, 200], hertz: 1300 };

/** Opens a page of the person of this number (0 to 4), who is not in any room yet. */
export async function openMember(
  pages: Pages,
  browser: Browser,
  number: number,
  more: Partial<Synthetic> = {},
  options: Parameters<Pages['open']>[1] = {},
) {
  const { name, sent } = PEOPLE[number]!;
  const member: Member = { page: await pages.open(browser, options), name, sent: { ...sent, ...more } };
  await useSyntheticMedia(member.page, member.sent, SCREEN);
  await watchConnections(member.page);
  return member;
}

/** Opens so many pages, of which each joins the room. */
export async function gather(
  pages: Pages,
  browser: Browser,
  server: Server,
  room: string,
  count: number,
  options: Parameters<Pages['open']>[1] = {},
) {
  const members: Member[] = [];
  for (let number = 0; number < count; number += 1) {
    members.push(await openMember(pages, browser, number, {}, options));
  }
  for (const { page, name } of members) await join(page, server, room, name);
  return members;
}

/** The tile of somebody, or of a screen, in a page. */
export const tile = (page: Page, name: string) => page.getByRole('group', { name, exact: true });

/** The others' tiles in a page: nobody else is shown, and nobody twice. */
export async function expectPeople(page: Page, names: readonly string[]): Promise<void> {
  const shown = page.locator('.tile.camera');
  await expect(shown).toHaveCount(names.length + 1);
  for (const name of names) await expect(tile(page, name)).toHaveCount(1);
}

/** Opens the list of people. */
export async function openPeople(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: /people|only you/i });
  if ((await button.getAttribute('aria-expanded')) !== 'true') await button.click();
}
