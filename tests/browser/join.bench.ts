import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { freshRoom, join, test } from './fixtures.js';

const ROUNDS = 40;
const REACH_MS = 1000;

/** Notes when "Join" is clicked and when another's first frame is shown, both by the page's own clock. */
async function instrument(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const times = { clicked: 0, shown: 0 };
    Object.assign(window, { times });
    document.addEventListener(
      'click',
      (event) => {
        const button = (event.target as Element).closest('button');
        if (button?.textContent?.trim() === 'Join') times.clicked = performance.now();
      },
      true,
    );
    const seen = new WeakSet<HTMLVideoElement>();
    const look = (): void => {
      for (const video of document.querySelectorAll('video')) {
        if (seen.has(video) || video.muted) continue;
        seen.add(video);
        video.requestVideoFrameCallback((now) => (times.shown ||= now));
      }
      requestAnimationFrame(look);
    };
    look();
  });
}

test('join click to first remote frame', async ({ server, chromium, pages }) => {
  const times: number[] = [];
  const ada = await pages.open(chromium);
  const bob = await pages.open(chromium);
  await instrument(bob);
  for (let round = 0; round <= ROUNDS; round += 1) {
    const room = freshRoom();
    await join(ada, server, room, 'Ada');
    await bob.goto(`${server.url}/r/${room}`);
    await bob.getByRole('textbox', { name: 'Your name' }).fill('Bob');
    // Warm: the preview runs, as with anybody who looks at it before joining.
    await bob.waitForFunction(() => document.querySelector('video')?.videoWidth);
    await bob.getByRole('button', { name: 'Join', exact: true }).click();
    const time = await bob.waitForFunction(() => {
      const { clicked, shown } = (window as unknown as { times: { clicked: number; shown: number } }).times;
      return clicked > 0 && shown > clicked ? shown - clicked : null;
    });
    // The first round fills the caches.
    if (round > 0) times.push((await time.jsonValue()) ?? Number.NaN);
    await bob.getByRole('button', { name: 'Leave' }).click();
    await ada.getByRole('button', { name: 'Leave' }).click();
  }
  times.sort((a, b) => a - b);
  const quantile = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN;
  const [p50, p95] = [quantile(0.5), quantile(0.95)];
  console.log(`join click to first remote frame: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms, ${ROUNDS} rounds`);
  const folder = fileURLToPath(new URL('../../target/bench', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const row = {
    name: 'join click to first remote frame, p95',
    unit: 'ms',
    ours: p95,
    rival: null,
    floor: null,
    ratio: null,
  };
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`;
  const report = { machine, rows: [{ ...row, reach: REACH_MS, met: p95 <= REACH_MS }] };
  writeFileSync(`${folder}/join.json`, `${JSON.stringify(report, null, 2)}\n`);
});
