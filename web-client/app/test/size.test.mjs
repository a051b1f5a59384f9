import { expect, it } from 'vitest';
import { measureApp, measureSdk } from '../scripts/size.mjs';

const KB = 1000;
const shown = (bytes) => `${(bytes / KB).toFixed(1)} kB`;

it('stays small enough to open quickly', { timeout: 60_000 }, async () => {
  const { call, many, note, rest, css } = await measureApp();
  const sdk = await measureSdk();
  console.info(
    `gzip: call ${shown(call)}, with many people ${shown(many)} more, styles ${shown(css)}, note ${shown(note)}, ` +
      `loaded later ${shown(rest)}; SDK alone ${shown(sdk.core)}, later ${shown(sdk.later)}`,
  );
  // A measurement that finds nothing must not pass.
  for (const bytes of [call, many, note, rest, css, sdk.core, sdk.later]) expect(bytes).toBeGreaterThan(KB);
  expect(call).toBeLessThanOrEqual(60 * KB);
  expect(many).toBeLessThanOrEqual(12 * KB);
  expect(sdk.core).toBeLessThanOrEqual(30 * KB);
  expect(sdk.later).toBeLessThanOrEqual(12 * KB);
  expect(css).toBeLessThanOrEqual(10 * KB);
  expect(note).toBeLessThanOrEqual(145 * KB);
  expect(rest).toBeLessThanOrEqual(18 * KB);
});
