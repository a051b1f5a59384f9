import { expect, it } from 'vitest';
import { measureApp, measureSdk } from '../scripts/size.mjs';

const KB = 1000;
const shown = (bytes) => `${(bytes / KB).toFixed(1)} kB`;

it('stays small enough to open quickly', { timeout: 60_000 }, async () => {
  const { call, note, rest, css } = await measureApp();
  const sdk = await measureSdk();
  console.info(`gzip: call ${shown(call)}, SDK alone ${shown(sdk)}, styles ${shown(css)}, note ${shown(note)}, loaded later ${shown(rest)}`);
  // A measurement that finds nothing must not pass.
  for (const bytes of [call, note, rest, css, sdk]) expect(bytes).toBeGreaterThan(KB);
  expect(call).toBeLessThanOrEqual(60 * KB);
  expect(sdk).toBeLessThanOrEqual(30 * KB);
  expect(css).toBeLessThanOrEqual(10 * KB);
  expect(note).toBeLessThanOrEqual(145 * KB);
  expect(rest).toBeLessThanOrEqual(15 * KB);
});
