import type { Browser, Page } from '@playwright/test';
import { expectWay, sizeOf } from './connections.js';
import { expect, freshRoom, join, test, type Pages } from './fixtures.js';
import { expectPeople, openMember, type Member } from './gathering.js';
import { expectAllReceived } from './received.js';
import type { Server } from './server.js';

/** Steps of the churn; 150 take some three minutes. */
const STEPS = Number(process.env['STOA_CHURN_STEPS'] ?? 20);
const SEED = Number(process.env['STOA_CHURN_SEED'] ?? 7);
const PEOPLE = 5;
/** Own microphone and camera, both of each of four others, and one of each kind that another may need meanwhile. */
const MOST_SECTIONS = 2 + 2 * (PEOPLE - 1) + 2;
/** What memory may grow by, in bytes. Both give back late; what is lost at every step shows in a long run. */
const SERVER_GROWTH = 48 * 2 ** 20;
const PAGE_GROWTH = 12 * 2 ** 20;

/** The same row of numbers from 0 to 1 for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** People who come, go, and switch their devices. The first stays. */
class Churn {
  readonly present = new Map<number, Member>();

  constructor(
    private readonly pages: Pages,
    private readonly chromium: Browser,
    private readonly server: Server,
    private readonly room: string,
    private readonly random: () => number,
  ) {}

  async come(number: number): Promise<void> {
    const member = await openMember(this.pages, this.chromium, number);
    await join(member.page, this.server, this.room, member.name);
    this.present.set(number, member);
  }

  async step(): Promise<void> {
    const number = Math.floor(this.random() * PEOPLE);
    const member = this.present.get(number);
    if (member === undefined) return this.come(number);
    const choice = Math.floor(this.random() * 4);
    if (choice === 0 && number > 0) return this.go(number, member);
    if (choice === 1) return this.toggle(member, /^(Unm|M)ute microphone$/);
    if (choice === 2) return this.toggle(member, /^Turn camera o(n|ff)$/);
    await member.page.reload();
    await expect(member.page.getByRole('button', { name: 'Leave' })).toBeVisible();
  }

  /** Everybody sends again. */
  async settle(): Promise<void> {
    for (const { page } of this.present.values()) {
      for (const name of ['Unmute microphone', 'Turn camera on']) {
        const button = page.getByRole('button', { name, exact: true });
        if (await button.isVisible()) await button.click();
      }
    }
  }

  private async go(number: number, { page }: Member): Promise<void> {
    this.present.delete(number);
    // By the door or by closing the tab.
    if (this.random() < 0.5) await page.getByRole('button', { name: 'Leave' }).click();
    await page.context().close();
  }

  private async toggle({ page }: Member, name: RegExp): Promise<void> {
    await page.getByRole('button', { name }).click();
  }
}

/** Memory that the page's scripts hold, in bytes. */
async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

test('people come and go, and those who stay see and hear each other', async ({ startServer, chromium, pages }) => {
  test.setTimeout(240_000 + STEPS * 15_000);
  const server = await startServer({ STOA_ROOMS_MESH_MAX: '1' });
  const churn = new Churn(pages, chromium, server, freshRoom(), randomFrom(SEED));
  for (const number of [0, 1, 2]) await churn.come(number);
  const survivor = churn.present.get(0)!;
  await expectAllReceived([...churn.present.values()]);
  const before = { size: await sizeOf(survivor.page), memory: server.memory(), heap: await heapOf(survivor.page) };
  for (let step = 0; step < STEPS; step += 1) {
    await churn.step();
    expect((await sizeOf(survivor.page)).sections).toBeLessThanOrEqual(MOST_SECTIONS);
  }
  for (const number of [1, 2]) if (!churn.present.has(number)) await churn.come(number);
  await churn.settle();
  const members = [...churn.present.values()];
  for (const { page, name } of members) {
    // A closed tab says nothing: it is gone once it has not been heard for a while.
    await expectPeople(
      page,
      members.filter((other) => other.name !== name).map((other) => other.name),
    );
    await expectWay(page, 'server');
  }
  await expectAllReceived(members);
  const after = { size: await sizeOf(survivor.page), memory: server.memory(), heap: await heapOf(survivor.page) };
  test.info().annotations.push({ type: 'sizes', description: JSON.stringify({ before, after, steps: STEPS }) });
  expect(after.size.sections).toBeLessThanOrEqual(MOST_SECTIONS);
  expect(after.size.sectionBytes).toBeLessThan(1.2 * before.size.sectionBytes);
  expect(after.memory - before.memory).toBeLessThan(SERVER_GROWTH);
  expect(after.heap - before.heap).toBeLessThan(PAGE_GROWTH);
  await expect.poll(() => server.metric('stoa_sfu_sessions')).toBe(members.length);
});
