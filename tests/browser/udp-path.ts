import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Page } from '@playwright/test';

/** What waits longer than this is dropped, in milliseconds: as in a modem. */
const LONGEST_WAIT_MS = 500;
/** Of IPv4 and UDP, in bytes. */
const HEADERS = 28;

/** One direction: datagrams that leave one after the other, as fast as the path allows. */
class Lane {
  private readonly waiting: { bytes: Buffer; dueMs: number }[] = [];
  private freeMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly path: { readonly bitsPerSecond: number },
    private readonly send: (bytes: Buffer) => void,
  ) {}

  push(bytes: Buffer): void {
    if (this.isClosed) return;
    const now = performance.now();
    const start = Math.max(now, this.freeMs);
    if (start > now + LONGEST_WAIT_MS) return;
    this.freeMs = start + ((bytes.length + HEADERS) * 8_000) / this.path.bitsPerSecond;
    this.waiting.push({ bytes, dueMs: this.freeMs });
    this.timer ??= setTimeout(() => this.deliver(), this.freeMs - now);
  }

  close(): void {
    clearTimeout(this.timer);
    this.isClosed = true;
  }

  private deliver(): void {
    this.timer = undefined;
    while (this.waiting[0] !== undefined && this.waiting[0].dueMs <= performance.now()) {
      this.send(this.waiting.shift()!.bytes);
    }
    const next = this.waiting[0];
    if (next !== undefined) this.timer = setTimeout(() => this.deliver(), next.dueMs - performance.now());
  }
}

/** The UDP way between one page and the server, which can be made narrow. */
export class UdpPath {
  private readonly sockets: Socket[] = [];
  private readonly lanes: Lane[] = [];
  /** Our port before each address of the server. */
  private readonly ports = new Map<string, Promise<number>>();
  /** How much it carries in each direction. */
  bitsPerSecond = Infinity;

  /** Has all media between this page and the server go this way; must be called before the page is opened. */
  async lead(page: Page): Promise<void> {
    await page.exposeFunction('leadThrough', (address: string, port: number) => this.portTo(address, port));
    await page.addInitScript(() => {
      const { leadThrough } = window as unknown as { leadThrough(address: string, port: number): Promise<number> };
      const through = async (sdp: string): Promise<string> => {
        const [, address, port] = /^a=candidate:\S+ \d udp \d+ (\d+\.\S+) (\d+) typ host/m.exec(sdp) ?? [];
        if (address === undefined) return sdp;
        const own = await leadThrough(address, Number(port));
        const others = sdp.replace(/^a=candidate:(?!.* udp \d+ \d+\.\S+ \d+ typ host).*\r\n/gm, '');
        return others.replace(/^(a=candidate:\S+ \d udp \d+) \S+ \d+ typ host/gm, `$1 127.0.0.1 ${own} typ host`);
      };
      window.RTCPeerConnection = class extends RTCPeerConnection {
        override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
          const { type, sdp = '' } = description;
          await super.setRemoteDescription({ type, sdp: await through(sdp) });
        }
      };
    });
  }

  close(): void {
    for (const lane of this.lanes) lane.close();
    for (const socket of this.sockets) socket.close();
  }

  private portTo(address: string, port: number): Promise<number> {
    const key = `${address} ${port}`;
    const known = this.ports.get(key) ?? this.open(address, port);
    this.ports.set(key, known);
    return known;
  }

  private async open(address: string, port: number): Promise<number> {
    const near = createSocket('udp4');
    const ways = new Map<number, Lane>();
    near.on('message', (bytes, from) => {
      const known = ways.get(from.port);
      const way = known ?? this.join(near, from.port, address, port);
      ways.set(from.port, way);
      way.push(bytes);
    });
    this.sockets.push(near);
    near.bind(0, '127.0.0.1');
    await once(near, 'listening');
    return near.address().port;
  }

  /** A way of its own for each port of the page, so that the server can tell them apart. */
  private join(near: Socket, from: number, address: string, port: number): Lane {
    const far = createSocket('udp4');
    const up = new Lane(this, (bytes) => far.send(bytes, port, address));
    const down = new Lane(this, (bytes) => near.send(bytes, from, '127.0.0.1'));
    far.on('message', (bytes) => down.push(bytes));
    this.sockets.push(far);
    this.lanes.push(up, down);
    return up;
  }
}
