import { createConnection, createServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';

/** A TCP proxy between page and server, whose connections can be broken, frozen, and led to another server. */
export class Proxy {
  private readonly pairs = new Set<[Socket, Socket]>();
  /** Accepted while frozen: they lead nowhere. */
  private readonly stranded = new Set<Socket>();
  private isFrozen = false;

  private constructor(
    private readonly listener: TcpServer,
    private target: URL,
  ) {}

  static async start(target: string): Promise<Proxy> {
    const listener = createServer();
    const proxy = new Proxy(listener, new URL(target));
    listener.on('connection', (client) => proxy.accept(client));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** Such as `http://localhost:40123`. */
  get url(): string {
    return `http://localhost:${(this.listener.address() as AddressInfo).port}`;
  }

  /** From now on connections go to this server. */
  leadTo(target: string): void {
    this.target = new URL(target);
  }

  /** Breaks every open connection. */
  cut(): void {
    for (const [client, server] of this.pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    for (const client of this.stranded) client.resetAndDestroy();
    this.pairs.clear();
    this.stranded.clear();
  }

  /** Lets nothing through, without either end noticing: half-open connections, and new ones that lead nowhere. */
  freeze(): void {
    this.isFrozen = true;
    for (const [client, server] of this.pairs) {
      client.unpipe(server).pause();
      server.unpipe(client).pause();
    }
  }

  /** New connections work again; frozen ones stay dead. */
  thaw(): void {
    this.isFrozen = false;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.isFrozen) {
      client.on('error', () => {});
      client.pause();
      this.stranded.add(client);
      return;
    }
    const server = createConnection(Number(this.target.port), '127.0.0.1');
    const pair: [Socket, Socket] = [client, server];
    this.pairs.add(pair);
    for (const [one, other] of [pair, [server, client] as const]) {
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        other.destroy();
        this.pairs.delete(pair);
      });
    }
  }
}
