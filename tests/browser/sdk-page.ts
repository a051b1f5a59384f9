import type { Page } from '@playwright/test';
import { expect } from './fixtures.js';
import type { Server } from './server.js';

/** Rollup's output, as far as it matters here. */
interface Output {
  readonly output: readonly { readonly fileName: string; readonly code?: string }[];
}

const WEB_CLIENT = new URL('../../web-client/', import.meta.url);

let built: Promise<ReadonlyMap<string, string>> | undefined;

/** The SDK's files by name, built once. */
function sdk(): Promise<ReadonlyMap<string, string>> {
  built ??= (async () => {
    const vite = await import(new URL('node_modules/vite/dist/node/index.js', WEB_CLIENT).href);
    const entry = new URL('sdk/src/index.ts', WEB_CLIENT).pathname;
    const results: Output[] = await vite.build({
      configFile: false,
      logLevel: 'error',
      root: new URL('sdk', WEB_CLIENT).pathname,
      build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'sdk' } },
    });
    return new Map(results.flatMap(({ output }) => output.map(({ fileName, code }) => [fileName, code ?? ''])));
  })();
  return built;
}

/** Runs in a page without an app: each other person becomes a video in a group of their name, as in the app. */
async function enter(options: object): Promise<void> {
  const file: string = '/sdk-page/sdk.js';
  const { join, LocalMedia } = await import(file);
  const show = ({ id, name, stream }: { id: string; name: string; stream: MediaStream | null }): void => {
    const known = document.getElementById(id);
    const group = known ?? Object.assign(document.createElement('div'), { id, role: 'group', ariaLabel: name });
    if (known === null) {
      group.append(Object.assign(document.createElement('video'), { autoplay: true, playsInline: true }));
      document.body.append(group);
    }
    const video = group.querySelector('video')!;
    if (video.srcObject !== stream) video.srcObject = stream;
  };
  const media = new LocalMedia({ microphone: true, camera: true });
  await media.start();
  const room = await join({ ...options, media });
  window.room = room;
  const render = (): void => room.state.participants.filter((one: { isSelf: boolean }) => !one.isSelf).forEach(show);
  room.subscribe(render);
  render();
}

/** What the page makes of the SDK. */
export interface SdkRoom {
  readonly state: {
    readonly topology: string;
    readonly participants: readonly { readonly id: string; readonly name: string; readonly isSelf: boolean }[];
  };
  setQuality(participant: string, source: 'camera', quality: 'auto' | 'low' | 'medium' | 'high'): void;
}

declare global {
  interface Window {
    room: SdkRoom;
  }
}

/** Joins with the SDK alone, which lets one choose what the app has no switch for. */
export async function joinWithSdk(page: Page, server: Server, room: string, name: string, options: object = {}) {
  await page.route('**/sdk-page/*', async (route) => {
    const body = (await sdk()).get(new URL(route.request().url()).pathname.replace('/sdk-page/', ''));
    return body === undefined ? route.abort() : route.fulfill({ contentType: 'text/javascript', body });
  });
  // Any answer of the server that is no app: what the test itself made up, a browser keeps away from local servers.
  await page.goto(`${server.url}/metrics`);
  const url = `${server.url.replace('http', 'ws')}/v1/ws`;
  await page.evaluate(enter, { url, room, name, ...options });
  await expect.poll(() => page.evaluate(() => window.room.state.topology)).toBe('sfu');
}
