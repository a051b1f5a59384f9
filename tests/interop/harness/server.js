import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BINARY = process.env.STOA_BINARY ?? fileURLToPath(new URL('../../../target/release/stoa', import.meta.url));

/** With `INTEROP_AGAINST=rivals` the servers of the clients' own authors run instead: a test that fails there is wrong itself. */
export const againstRivals = process.env.INTEROP_AGAINST === 'rivals';

/** For tests of what the rivals' servers do not have: tokens, and documents that outlive them. */
export const onlyOurs = { skip: againstRivals && 'the rivals do not have this' };

/** Signs the tokens of servers that are started with it. */
export const AUTH_KEY = 'a key that only the tests know, 32 characters at least';

/** A server on free ports. */
export class Server {
  #folder = mkdtempSync(join(tmpdir(), 'stoa-interop-'));
  #environment;
  #processes = [];

  /** Base addresses of the endpoints, such as `ws://127.0.0.1:40123/yjs`. They change with every start. */
  yjs = '';
  hocuspocus = '';
  webrtc = '';

  constructor(environment) {
    this.#environment = environment;
  }

  static async start(environment = {}) {
    const server = new Server(environment);
    await server.startAgain();
    return server;
  }

  /** One that asks for tokens. */
  static startWithTokens() {
    return Server.start({ STOA_AUTH_KEY: AUTH_KEY });
  }

  /** On the same data, after it has ended. */
  async startAgain() {
    await (againstRivals ? this.#startRivals() : this.#startStoa());
  }

  async #startStoa() {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STOA_'));
    const child = spawn(BINARY, ['--listen', '127.0.0.1:0', '--udp', '127.0.0.1:0', '--data', this.#folder], {
      env: { ...Object.fromEntries(inherited), ...this.#environment },
      stdio: ['ignore', 'pipe', process.env.INTEROP_LOG ? 'inherit' : 'ignore'],
    });
    this.#processes = [child];
    const address = await addressFrom(child, /^ {2}http\s+(\S+)/);
    this.yjs = `ws://${address}/yjs`;
    this.hocuspocus = `ws://${address}/hocuspocus`;
    this.webrtc = `ws://${address}/y-webrtc`;
  }

  async #startRivals() {
    const start = (path, environment = {}) => {
      const child = fork(fileURLToPath(new URL(path, import.meta.url)), {
        env: { ...process.env, PORT: '0', ...environment },
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      });
      this.#processes.push(child);
      return child;
    };
    this.#processes = [];
    const rivals = [
      start('../rivals/y-websocket.js'),
      start('../rivals/hocuspocus.js'),
      start('../rivals/y-webrtc.js'),
    ];
    const addresses = await Promise.all(rivals.map((child) => addressFrom(child, /^listening on (\S+)/)));
    [this.yjs, this.hocuspocus, this.webrtc] = addresses.map((address) => `ws://${address}`);
  }

  /** Ends it without a word to anybody. */
  kill() {
    return this.#end('SIGKILL');
  }

  /** Asks it to end. */
  quit() {
    return this.#end('SIGTERM');
  }

  async #end(signal) {
    const running = this.#processes.filter((child) => child.exitCode === null && child.signalCode === null);
    await Promise.all(
      running.map((child) => {
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.kill(signal);
        return exited;
      }),
    );
  }

  /** Ends it for good. */
  async stop() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Reads what the process prints up to its address; the rest is thrown away. */
async function addressFrom(child, pattern) {
  const lines = createInterface({ input: child.stdout });
  const address = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the server ended before it was ready')));
    lines.on('line', (line) => {
      const found = pattern.exec(line);
      if (found) resolve(found[1]);
    });
  });
  child.removeAllListeners('exit');
  return address;
}

/** Signs an access token; `options` are those of `stoa token`. */
export function token(room, ...options) {
  const identity = ['--identity', 'somebody', '--room', room];
  return execFileSync(BINARY, ['token', ...identity, ...options], {
    env: { STOA_AUTH_KEY: AUTH_KEY },
    encoding: 'utf8',
  }).trim();
}
