import { expect, test as base, type Browser, type BrowserContext, type Page } from '@playwright/test';
import { launchChromium, launchFirefox } from './browsers.js';
import { Server } from './server.js';
import { SoundServer } from './sound.js';

/** Opens pages and remembers what they complained about. */
export class Pages {
  private readonly contexts: BrowserContext[] = [];
  private readonly complaints: string[] = [];
  private readonly forgiven: RegExp[] = [];

  /** A page in a context of its own: another person. */
  async open(browser: Browser, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    return this.openIn(await browser.newContext(options));
  }

  /** The same in a context that is there already. */
  async openIn(context: BrowserContext): Promise<Page> {
    this.contexts.push(context);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => this.complaints.push(`page: ${error.message}`));
    return page;
  }

  /** Complaints that a test itself brings about. */
  forgive(about: RegExp): void {
    this.forgiven.push(about);
  }

  async close(): Promise<void> {
    for (const context of this.contexts) await context.close();
  }

  /** Every test ends with this: a console error is a defect. */
  expectNoComplaints(): void {
    const left = this.complaints.filter((complaint) => !this.forgiven.some((about) => about.test(complaint)));
    expect(left).toEqual([]);
  }
}

interface TestFixtures {
  /** Starts a server with these settings for one test; it outlives the pages. */
  startServer: typeof Server.start;
  pages: Pages;
}

interface WorkerFixtures {
  server: Server;
  chromium: Browser;
  firefoxEsr: Browser;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  chromium: [
    async ({}, use) => {
      const browser = await launchChromium();
      await use(browser);
      await browser.close();
    },
    { scope: 'worker' },
  ],
  firefoxEsr: [
    async ({}, use) => {
      const sound = await SoundServer.start();
      const browser = await launchFirefox(sound);
      await use(browser);
      await browser.close();
      await sound.stop();
    },
    { scope: 'worker' },
  ],
  startServer: async ({}, use) => {
    const servers: Server[] = [];
    await use(async (environment) => {
      const server = await Server.start(environment);
      servers.push(server);
      return server;
    });
    for (const server of servers) await server.stop();
  },
  // After the servers, so that the pages are closed before them.
  pages: async ({ startServer: _ }, use) => {
    const pages = new Pages();
    await use(pages);
    await pages.close();
    pages.expectNoComplaints();
  },
});

export { expect };

let rooms = 0;

/** A room that no other test uses. */
export function freshRoom(): string {
  rooms += 1;
  return `test-${process.pid}-${rooms}`;
}

/** Goes to a room's pre-join page, gives a name and joins. */
export async function join(page: Page, server: Pick<Server, 'url'>, room: string, name: string): Promise<void> {
  await page.goto(`${server.url}/r/${room}`);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Leave' })).toBeVisible();
}
