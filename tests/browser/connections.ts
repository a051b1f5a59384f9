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

/** How large the description of the page's connection to the server is. */
export interface Size {
  /** Media sections. */
  readonly sections: number;
  /** Of the server's answer, in bytes for each section. */
  readonly sectionBytes: number;
}

/** How large the connection of `page` to the server has become. */
export function sizeOf(page: Page): Promise<Size> {
  return page.evaluate(() => {
    const [open] = window.connections.filter(({ connectionState }) => connectionState === 'connected');
    const count = (sdp = '', kinds = /^m=(audio|video) /gm): number => sdp.match(kinds)?.length ?? 0;
    const answer = open?.remoteDescription?.sdp;
    const sections = Math.max(count(open?.localDescription?.sdp), count(answer));
    return { sections, sectionBytes: (answer ?? '').length / Math.max(1, count(answer, /^m=/gm)) };
  });
}
