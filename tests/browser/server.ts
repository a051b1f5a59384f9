import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** `STOA_TEST_BINARY` names another one to be tested. */
const BINARY = process.env['STOA_TEST_BINARY'] ?? fileURLToPath(new URL('../../target/release/stoa', import.meta.url));

/** Servers of tests that failed before they stopped them. */
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A running `stoa` on free ports. */
export class Server {
  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
    /** Such as `http://localhost:40123`. */
    readonly url: string,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<Server> {
    return Server.launch(mkdtempSync(join(tmpdir(), 'stoa-browser-')), environment);
  }

  private static async launch(folder: string, environment: Record<string, string>): Promise<Server> {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STOA_'));
    const listen = environment['STOA_LISTEN'] ?? '127.0.0.1:0';
    // Media needs an address that is not loopback in Firefox; the port answers STUN and nothing else.
    const child = spawn(BINARY, ['--listen', listen, '--udp', '0.0.0.0:0', '--data', join(folder, 'data')], {
      env: { ...Object.fromEntries(inherited), ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /^ {2}open\s+(\S+)/.exec(line)?.[1];
      if (url !== undefined) return new Server(child, folder, url);
    }
    throw new Error('the server ended before it was ready');
  }

  /** Memory that it holds, in bytes. */
  memory(): number {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.process.pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) * 1024;
  }

  /** The value of a metric. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
  }

  /** Signs an access token; `options` are those of `stoa token`. */
  token(key: string, ...options: string[]): string {
    return execFileSync(BINARY, ['token', ...options], { env: { STOA_AUTH_KEY: key }, encoding: 'utf8' }).trim();
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await exited;
  }

  /** Another process on the same data, after this one has ended; on other ports. */
  startAgain(): Promise<Server> {
    return Server.launch(this.folder, {});
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exited = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill('SIGTERM');
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
