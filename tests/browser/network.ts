import type { Page } from '@playwright/test';

/** What can be done to a page's network. */
export interface Network {
  /** Lets nothing through. */
  cut(): Promise<void>;
  /** Lets everything through. */
  restore(): Promise<void>;
}

/** Puts Chromium's network conditions under the page's WebRTC traffic; must be called before the page links up. */
export async function throttle(page: Page): Promise<Network> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const emulate = async (packetLoss: number): Promise<void> => {
    await session.send('Network.emulateNetworkConditions', {
      offline: false,
      // 0 would switch the emulation off for good.
      latency: 1,
      downloadThroughput: -1,
      uploadThroughput: -1,
      packetLoss,
      packetQueueLength: 1000,
    });
  };
  await emulate(0);
  return {
    cut: () => emulate(100),
    restore: () => emulate(0),
  };
}

/** As in a network that lets nothing through but the way to the relay: the page has no other candidates. */
export async function allowOnly(page: Page, way: 'udp' | 'tcp' | 'tls'): Promise<void> {
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
