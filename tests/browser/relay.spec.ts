import { networkInterfaces } from 'node:os';
import type { Page } from '@playwright/test';
import { launchChromium, launchFirefoxWith } from './browsers.js';
import { Certificate } from './certificate.js';
import { watchConnections } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { allowOnly } from './network.js';
import { expectReceived } from './received.js';
import { SoundServer } from './sound.js';
import { useSyntheticMedia, type Synthetic } from './synthetic-media.js';

const ADA: Synthetic = { colour: [220, 40, 40], hertz: 440 };
const BOB: Synthetic = { colour: [40, 60, 220], hertz: 880 };

/** Firefox does not talk to relays on loopback. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (own === undefined) throw new Error('the machine has no network interface besides loopback');
  return own.address;
}

/** Something comes by a data channel. */
async function expectMessages(page: Page): Promise<void> {
  const received = (): Promise<number> =>
    page.evaluate(async () => {
      const reports = await Promise.all(window.connections.map((connection) => connection.getStats()));
      const channels = reports.flatMap((report) => [...report.values()]).filter(({ type }) => type === 'data-channel');
      return Math.max(0, ...channels.map(({ messagesReceived }) => Number(messagesReceived)));
    });
  await expect.poll(received).toBeGreaterThan(0);
}

for (const [second, way] of [
  ['chromium', 'udp'],
  ['chromium', 'tcp'],
  ['firefoxEsr', 'udp'],
  ['firefoxEsr', 'tcp'],
] as const) {
  test(`a call goes through the relay over ${way.toUpperCase()}, with ${second}`, async ({
    startServer,
    chromium,
    firefoxEsr,
    pages,
  }) => {
    const server = await startServer({ STOA_UDP_EXTERNAL_ADDRESSES: ownAddress() });
    const room = freshRoom();
    const ada = await pages.open(chromium);
    const bob = await pages.open(second === 'chromium' ? chromium : firefoxEsr);
    await useSyntheticMedia(ada, ADA);
    await useSyntheticMedia(bob, BOB);
    for (const page of [ada, bob]) await watchConnections(page);
    await allowOnly(ada, way);
    await allowOnly(bob, way);
    await join(ada, server, room, 'Ada');
    await join(bob, server, room, 'Bob');
    await expectReceived(ada, 'Bob', BOB);
    await expectReceived(bob, 'Ada', ADA);
    await expectMessages(ada);
    await expectMessages(bob);
    await ada.getByRole('button', { name: /people/i }).click();
    await expect(ada.getByTitle(/go through the server/)).toBeVisible();
  });
}

test('a call goes through the relay over TLS', async ({ startServer, pages }) => {
  const certificate = Certificate.make('DNS:localhost');
  const tls = { STOA_TLS_CERT: certificate.cert, STOA_TLS_KEY: certificate.key, STOA_RELAY_TLS_LISTEN: '127.0.0.1:0' };
  const [server, chromium] = [await startServer(tls), await launchChromium('granted', ['--ignore-certificate-errors'])];
  const room = freshRoom();
  const ada = await pages.open(chromium);
  const bob = await pages.open(chromium);
  await useSyntheticMedia(ada, ADA);
  await useSyntheticMedia(bob, BOB);
  for (const page of [ada, bob]) await watchConnections(page);
  await allowOnly(ada, 'tls');
  await allowOnly(bob, 'tls');
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await expectReceived(ada, 'Bob', BOB);
  await expectReceived(bob, 'Ada', ADA);
  await expectMessages(ada);
  await expectMessages(bob);
  await pages.close();
  await chromium.close();
  certificate.remove();
});

// Firefox has no switch to trust a certificate for relays, and checks it by name.
test('a call goes through the relay over TLS, with firefoxEsr', async ({ startServer, pages }) => {
  const own = ownAddress();
  const certificate = Certificate.make('DNS:stoa.test', `IP:${own}`);
  const listen = { STOA_LISTEN: `${own}:0`, STOA_RELAY_TLS_LISTEN: `${own}:0` };
  const server = await startServer({ STOA_TLS_CERT: certificate.cert, STOA_TLS_KEY: certificate.key, ...listen });
  const sound = await SoundServer.start();
  const chromium = await launchChromium('granted', ['--ignore-certificate-errors']);
  const room = freshRoom();
  const ada = await pages.open(chromium);
  const bob = await pages.openIn(await launchFirefoxWith(certificate.profile(), own, sound));
  await useSyntheticMedia(ada, ADA);
  await useSyntheticMedia(bob, BOB);
  for (const page of [ada, bob]) await watchConnections(page);
  await allowOnly(ada, 'tls');
  await allowOnly(bob, 'tls');
  await join(ada, server, room, 'Ada');
  await join(bob, { url: server.url.replace(own, 'stoa.test') }, room, 'Bob');
  await expectReceived(ada, 'Bob', BOB);
  await expectReceived(bob, 'Ada', ADA);
  await expectMessages(ada);
  await expectMessages(bob);
  await pages.close();
  await chromium.close();
  await sound.stop();
  certificate.remove();
});
