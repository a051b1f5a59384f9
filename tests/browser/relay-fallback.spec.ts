import type { Page } from '@playwright/test';
import { expect, freshRoom, join, test } from './fixtures.js';
import { expectReceived } from './received.js';
import { useSyntheticMedia, type Synthetic } from './synthetic-media.js';

const ADA: Synthetic = { colour: [220, 40, 40], hertz: 440 };
const BOB: Synthetic = { colour: [40, 60, 220], hertz: 880 };

/** As behind a NAT that lets nobody in: the page never learns of another way to somebody than by a relay. */
async function loseDirectPaths(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const isDirect = (candidate: string): boolean => !candidate.includes(' typ relay');
    window.RTCPeerConnection = class extends RTCPeerConnection {
      override addIceCandidate(candidate?: RTCIceCandidateInit | null): Promise<void> {
        const text = candidate?.candidate ?? '';
        return text !== '' && isDirect(text) ? Promise.resolve() : super.addIceCandidate(candidate);
      }

      override setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
        const lines = (description.sdp ?? '').split('\r\n');
        const sdp = lines.filter((line) => !line.startsWith('a=candidate:') || !isDirect(line)).join('\r\n');
        return super.setRemoteDescription({ type: description.type, sdp });
      }
    };
  });
}

test('where no direct path works the relay is used, and the people list says so', async ({
  server,
  chromium,
  pages,
}) => {
  const room = freshRoom();
  const ada = await pages.open(chromium);
  const bob = await pages.open(chromium);
  for (const page of [ada, bob]) await loseDirectPaths(page);
  await useSyntheticMedia(ada, ADA);
  await useSyntheticMedia(bob, BOB);
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await expectReceived(ada, 'Bob', BOB);
  await expectReceived(bob, 'Ada', ADA);
  await ada.getByRole('button', { name: /people/i }).click();
  await expect(ada.getByTitle(/go through the server/)).toBeVisible();
});
