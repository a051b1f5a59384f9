import type { Page } from '@playwright/test';
import { watchConnections } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { Proxy } from './proxy.js';
import { Server } from './server.js';
import { expectFrames } from './synthetic-media.js';

/** What the link of `page` has received and how it fared, from the WebRTC statistics of its only connection. */
interface Received {
  frames: number;
  lost: number;
  /** Rises when ICE restarts or the path changes. */
  pathChanges: number;
  /** Local ICE credentials: another text after an ICE restart. */
  ufrag: string;
}

function received(page: Page): Promise<Received> {
  return page.evaluate(async () => {
    const all = window.connections;
    const [connection] = all.filter((candidate) => candidate.connectionState === 'connected');
    const result = { frames: 0, lost: 0, pathChanges: 0, ufrag: '' };
    if (connection === undefined) return result;
    for (const report of (await connection.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.kind === 'video') {
        result.frames = report.framesDecoded;
        result.lost = report.packetsLost;
      }
      if (report.type === 'transport') result.pathChanges = report.selectedCandidatePairChanges;
    }
    result.ufrag = /a=ice-ufrag:(\S+)/.exec(connection.localDescription?.sdp ?? '')?.[1] ?? '';
    return result;
  });
}

// The announcement for screen readers says the same and stays.
const banner = (page: Page) => page.locator('.banner', { hasText: /connection to the server (is )?lost/i });

/** Two people in a call, Ada through a proxy. */
async function call(server: Server, proxy: Proxy, ada: Page, bob: Page): Promise<string> {
  const room = freshRoom();
  await watchConnections(ada);
  await watchConnections(bob);
  await ada.goto(`${proxy.url}/r/${room}`);
  await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await ada.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(ada.getByRole('button', { name: 'Leave' })).toBeVisible();
  await join(bob, server, room, 'Bob');
  await expect.poll(async () => (await received(ada)).frames).toBeGreaterThan(10);
  await expect.poll(async () => (await received(bob)).frames).toBeGreaterThan(10);
  return room;
}

/** Media went on as if nothing had happened. */
async function expectUntouched(page: Page, before: Received): Promise<void> {
  await expect.poll(async () => (await received(page)).frames).toBeGreaterThan(before.frames + 30);
  const after = await received(page);
  expect({ lost: after.lost, pathChanges: after.pathChanges, ufrag: after.ufrag }).toEqual({
    lost: before.lost,
    pathChanges: before.pathChanges,
    ufrag: before.ufrag,
  });
}

test('a broken signaling socket is resumed and costs no media', async ({ server, chromium, pages }) => {
  const proxy = await Proxy.start(server.url);
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await call(server, proxy, ada, bob);
  await ada.getByRole('button', { name: 'Mute microphone' }).click();
  const [adas, bobs] = [await received(ada), await received(bob)];
  for (let time = 0; time < 3; time += 1) {
    proxy.cut();
    // Signaling works again when what Ada says reaches Bob.
    await ada.getByRole('button', { name: 'Turn camera off' }).click();
    await expect(bob.getByRole('group', { name: 'Ada', exact: true }).getByText(/camera (is )?off/i)).toBeAttached();
    await ada.getByRole('button', { name: 'Turn camera on' }).click();
    await expect(
      bob.getByRole('group', { name: 'Ada', exact: true }).getByText(/camera (is )?off/i),
    ).not.toBeAttached();
  }
  await expectUntouched(ada, adas);
  expect((await received(bob)).ufrag).toBe(bobs.ufrag);
  await expect(ada.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
  await expect(bob.getByRole('group', { name: /^Ada/ })).toHaveCount(1);
  await pages.close();
  await proxy.stop();
});

test('a half-open socket is found, told in words, and replaced', async ({ server, chromium, pages }) => {
  const proxy = await Proxy.start(server.url);
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await call(server, proxy, ada, bob);
  const before = await received(ada);
  const isOff = bob.getByRole('group', { name: 'Ada', exact: true }).getByText(/microphone (is )?off|muted/i);
  await ada.getByRole('button', { name: 'Mute microphone' }).click();
  await expect(isOff).toBeAttached();
  proxy.freeze();
  await expect(banner(ada)).toBeVisible();
  // The others would have to be told first.
  await ada.getByRole('button', { name: 'Unmute microphone' }).click();
  await expect(banner(ada)).toContainText('The others get sound from you only when it is back.');
  await expect(isOff).toBeAttached();
  proxy.thaw();
  await expect(banner(ada)).toBeHidden();
  await expect(isOff).not.toBeAttached();
  await expectUntouched(ada, before);
  await pages.close();
  await proxy.stop();
});

test('a call goes on over a restart of the server', async ({ chromium, pages }) => {
  const first = await Server.start();
  const proxy = await Proxy.start(first.url);
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  // Both through the proxy, so that the address stays while the server changes.
  await call({ url: proxy.url } as Server, proxy, ada, bob);
  await ada.getByRole('button', { name: 'Mute microphone' }).click();
  const [adas, bobs] = [await received(ada), await received(bob)];
  // While the server is away the browser itself reports what it cannot reach.
  pages.forgive(/WebSocket connection to .* failed|Failed to load resource: net::ERR_/);
  await first.kill();
  await expect(banner(ada)).toBeVisible();
  await expect(banner(bob)).toBeVisible();
  const second = await first.startAgain();
  proxy.leadTo(second.url);
  await expect(banner(ada)).toBeHidden();
  await expect(banner(bob)).toBeHidden();
  await expectUntouched(ada, adas);
  await expectUntouched(bob, bobs);
  await expect(ada.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
  await ada.getByRole('button', { name: 'Unmute microphone' }).click();
  const tile = bob.getByRole('group', { name: 'Ada', exact: true });
  await expect(tile.getByText(/microphone (is )?off|muted/i)).not.toBeAttached();
  await expect(bob.getByRole('group', { name: /^Ada/ })).toHaveCount(1);
  await pages.close();
  await proxy.stop();
  await second.stop();
});

for (const engine of ['chromium', 'firefoxEsr'] as const) {
  test(`a reload brings the same participant back, in ${engine}`, async ({ server, chromium, firefoxEsr, pages }) => {
    const room = freshRoom();
    const ada = await pages.open(engine === 'chromium' ? chromium : firefoxEsr);
    const bob = await pages.open(chromium);
    await join(ada, server, room, 'Ada');
    await join(bob, server, room, 'Bob');
    await expect(bob.getByRole('group', { name: 'Ada', exact: true })).toBeVisible();
    await ada.getByRole('button', { name: 'Mute microphone' }).click();
    await ada.reload();
    await expect(ada.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
    await expectFrames(ada, 'Bob');
    await expectFrames(bob, 'Ada');
    await expect(bob.getByRole('group', { name: /^Ada/ })).toHaveCount(1);
    await ada.getByRole('button', { name: 'Leave' }).click();
    await expect(bob.getByRole('group', { name: /^Ada/ })).toHaveCount(0);
  });
}

test('the tile of a killed tab goes', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toBeVisible();
  const session = await bob.context().newCDPSession(bob);
  // A crashed renderer says goodbye to nobody.
  void session.send('Page.crash').catch(() => {});
  await expect(ada.getByRole('group', { name: 'Bob', exact: true })).toHaveCount(0);
});

test('a hundred quick visits end in one session', async ({ server, chromium, pages }) => {
  const page = await pages.open(chromium);
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Start a meeting' }).click();
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Leave' })).toBeVisible();
  await page.evaluate(async () => {
    for (let turn = 0; turn < 50; turn += 1) {
      for (const step of [-1, 1]) {
        const arrived = new Promise((resolve) => addEventListener('popstate', resolve, { once: true }));
        history.go(step);
        await arrived;
      }
    }
  });
  await expect.poll(() => server.metric('stoa_signaling_connections')).toBeLessThanOrEqual(1);
});
