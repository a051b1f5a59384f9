import type { Page } from '@playwright/test';
import { expect } from './fixtures.js';
import { watch, type Synthetic } from './synthetic-media.js';

/** Everybody there, by name, with what they send. */
export type Cast = readonly { readonly page: Page; readonly name: string; readonly sent: Synthetic }[];

/** Everybody sees and hears everybody else. */
export async function expectAllReceived(cast: Cast): Promise<void> {
  const pairs = cast.flatMap((to) => cast.filter((from) => from !== to).map((from) => ({ to, from })));
  await Promise.all(pairs.map(({ to, from }) => expectReceived(to.page, from.name, from.sent)));
}

/** The picture and the tone that `page` gets from `name` are those that were sent, and the picture moves. */
export async function expectReceived(page: Page, name: string, sent: Synthetic): Promise<void> {
  const seen = await watch(page, name);
  const words = `what came from ${name}: ${JSON.stringify(seen)}`;
  for (const [index, value] of sent.colour.entries()) {
    expect(Math.abs(seen.colour[index]! - value), words).toBeLessThan(40);
  }
  expect(new Set(seen.counters).size, words).toBeGreaterThan(10);
  // Counters rise (modulo 256), perhaps with a gap, which on a slow machine may have any length: behind the first frame, for example. A
  // picture that runs backwards would show steps just below 256 all the time.
  const steps = seen.counters.slice(1).map((counter, index) => (counter - seen.counters[index]! + 256) % 256);
  expect(steps.filter((step) => step >= 192).length, words).toBeLessThan(3);
  expect(Math.abs(seen.hertz - sent.hertz), words).toBeLessThan(20);
}
