import type { Page } from '@playwright/test';

/** Puts Chromium's network conditions under the page's WebRTC traffic; must be called before the page links up. */
export async function throttle(page: Page): Promise<{ cut(): Promise<void>; restore(): Promise<void> }> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const emulate = (packetLoss: number): Promise<unknown> =>
    session.send('Network.emulateNetworkConditions', {
      offline: false,
      // 0 would switch the emulation off for good.
      latency: 1,
      downloadThroughput: -1,
      uploadThroughput: -1,
      packetLoss,
      packetQueueLength: 1000,
    });
  await emulate(0);
  return {
    cut: async () => void (await emulate(100)),
    restore: async () => void (await emulate(0)),
  };
}
