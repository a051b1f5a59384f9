import type { Page } from '@playwright/test';
import { expect } from './fixtures.js';

declare global {
  interface Window {
    /** Every RTCPeerConnection that the page has made, see `watchConnections`. */
    connections: RTCPeerConnection[];
  }
}

/** Keeps hold of the page's RTCPeerConnections, so that their statistics can be read. */
export async function watchConnections(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const all: RTCPeerConnection[] = [];
    Object.assign(window, { connections: all });
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        all.push(this);
      }
    };
  });
}

/**
 * Waits until the connections of `page` lead where they should, and nowhere else: one to the server, or so many to
 * others. What the server says of itself, ICE-lite, no browser says.
 */
export async function expectWay(page: Page, way: 'server' | { others: number }): Promise<void> {
  const wanted = way === 'server' ? ['server'] : Array.from({ length: way.others }, () => 'other');
  const ways = (): Promise<string[]> =>
    page.evaluate(() =>
      window.connections
        .filter(({ connectionState }) => connectionState !== 'closed')
        .map(({ connectionState, remoteDescription }) => {
          if (connectionState !== 'connected') return connectionState;
          return remoteDescription?.sdp.includes('a=ice-lite') ? 'server' : 'other';
        }),
    );
  await expect.poll(ways).toEqual(wanted);
}

/** Media sections of the page's connection to the server. */
export function sections(page: Page): Promise<number> {
  return page.evaluate(() => {
    const [open] = window.connections.filter(({ connectionState }) => connectionState === 'connected');
    return open?.localDescription?.sdp.match(/^m=(audio|video) /gm)?.length ?? 0;
  });
}
