import { networkInterfaces } from 'node:os';
import type { Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';
import { expectReceived } from './received.js';
import { Server } from './server.js';
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

/** As in a network that lets nothing through but the way to the relay: the page has no other candidates. */
async function allowOnly(page: Page, way: 'udp' | 'tcp' | 'tls'): Promise<void> {
  await page.addInitScript((wanted) => {
    const fits = (url: string): boolean =>
      wanted === 'tls' ? url.startsWith('turns:') : url.startsWith('turn:') && url.endsWith(`transport=${wanted}`);
    const narrow = (configuration: RTCConfiguration = {}): RTCConfiguration => ({
      ...configuration,
      iceTransportPolicy: 'relay',
      iceServers: (configuration.iceServers ?? [])
        .map((server) => ({ ...server, urls: [server.urls].flat().filter(fits) }))
        .filter(({ urls }) => urls.length > 0),
    });
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(narrow(configuration));
      }

      override setConfiguration(configuration?: RTCConfiguration): void {
        super.setConfiguration(narrow(configuration));
      }
    };
  }, way);
}

for (const [second, way] of [
  ['chromium', 'udp'],
  ['chromium', 'tcp'],
  ['firefoxEsr', 'udp'],
  ['firefoxEsr', 'tcp'],
] as const) {
  test(`a call goes through the relay over ${way.toUpperCase()}, with ${second}`, async ({
    chromium,
    firefoxEsr,
    pages,
  }) => {
    const server = await Server.start({ STOA_UDP_EXTERNAL_ADDRESSES: ownAddress() });
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
    await server.stop();
  });
}
