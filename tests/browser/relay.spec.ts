import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { launchChromium } from './browsers.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { allowOnly } from './network.js';
import { expectReceived } from './received.js';
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
    await allowOnly(ada, way);
    await allowOnly(bob, way);
    await join(ada, server, room, 'Ada');
    await join(bob, server, room, 'Bob');
    await expectReceived(ada, 'Bob', BOB);
    await expectReceived(bob, 'Ada', ADA);
    await ada.getByRole('button', { name: /people/i }).click();
    await expect(ada.getByTitle(/go through the server/)).toBeVisible();
  });
}

// Firefox has no switch to trust a certificate for relays, so this one is Chromium's.
test('a call goes through the relay over TLS', async ({ startServer, pages }) => {
  const folder = mkdtempSync(joinPath(tmpdir(), 'stoa-certificate-'));
  const [cert, key] = [joinPath(folder, 'cert.pem'), joinPath(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...request, ...names], { stdio: 'ignore' });
  const tls = { STOA_TLS_CERT: cert, STOA_TLS_KEY: key, STOA_RELAY_TLS_LISTEN: '127.0.0.1:0' };
  const [server, chromium] = [await startServer(tls), await launchChromium('granted', ['--ignore-certificate-errors'])];
  const room = freshRoom();
  const ada = await pages.open(chromium);
  const bob = await pages.open(chromium);
  await useSyntheticMedia(ada, ADA);
  await useSyntheticMedia(bob, BOB);
  await allowOnly(ada, 'tls');
  await allowOnly(bob, 'tls');
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await expectReceived(ada, 'Bob', BOB);
  await expectReceived(bob, 'Ada', ADA);
  await ada.context().close();
  await bob.context().close();
  await chromium.close();
  rmSync(folder, { recursive: true });
});
