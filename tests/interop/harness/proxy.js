import { connect, createServer } from 'node:net';

/** A TCP proxy that is slow in both directions and whose connections can be cut. */
export class Proxy {
  #listener = createServer((client) => this.#accept(client));
  #pairs = [];
  #target = '';
  #delay;

  /** How many connections were ever made. */
  accepted = 0;

  constructor(delay) {
    this.#delay = delay;
  }

  /** In front of a WebSocket address such as `ws://127.0.0.1:40123/yjs`; `delay` is that of one direction, in milliseconds. */
  static async start(target, { delay = 20 } = {}) {
    const proxy = new Proxy(delay);
    proxy.leadTo(target);
    await new Promise((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** From now on connections go there. */
  leadTo(target) {
    this.#target = new URL(target);
  }

  /** The target's address, with the proxy in place of its host. */
  get url() {
    const { pathname } = this.#target;
    return `ws://127.0.0.1:${this.#listener.address().port}${pathname === '/' ? '' : pathname}`;
  }

  /** How many connections are open. */
  get open() {
    return this.#pairs.length;
  }

  /** Breaks one open connection; `choose` picks its number. What was under way is lost. */
  cutOne(choose) {
    if (this.#pairs.length > 0) this.#cut(this.#pairs[choose(this.#pairs.length)]);
  }

  /** Breaks every open connection. */
  cutAll() {
    for (const pair of [...this.#pairs]) this.#cut(pair);
  }

  async stop() {
    this.cutAll();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #cut(pair) {
    this.#pairs = this.#pairs.filter((other) => other !== pair);
    for (const end of pair) if (!end.destroyed) end.resetAndDestroy();
  }

  #accept(client) {
    this.accepted += 1;
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const pair = [client, server];
    this.#pairs.push(pair);
    this.#carry(client, server, pair);
    this.#carry(server, client, pair);
  }

  #carry(from, to, pair) {
    from.setNoDelay(true);
    // Timers of one length fire in the order in which they were set.
    const later = (action) => setTimeout(() => to.destroyed || action(), this.#delay);
    from.on('data', (chunk) => later(() => to.write(chunk)));
    from.on('end', () => later(() => to.end()));
    from.on('error', () => this.#cut(pair));
    from.on('close', () => later(() => this.#cut(pair)));
  }
}
