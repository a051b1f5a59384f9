import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../harness/wait.js';

const BINARY = process.env.STOA_BINARY ?? fileURLToPath(new URL('../../../target/release/stoa', import.meta.url));

/** With `INTEROP_AGAINST=rivals` coturn takes our place: a test that fails there is wrong itself. */
export const againstCoturn = process.env.INTEROP_AGAINST === 'rivals';

export const USER = 'stoa';
export const PASSWORD = 'secret';
/** Signs the credentials of applications. */
export const SECRET = 'north';
const REALM = 'stoa.test';

/** Free for UDP and TCP on every address; drawn so that no test is given another one's. */
let nextPort = 20_000 + (process.pid % 100) * 100;

/** A relay in a process of its own, with a folder for its files. */
class Relay {
  folder = mkdtempSync(join(tmpdir(), 'stoa-relay-'));
  port = 0;
  tlsPort = 0;
  #child;

  async run(command, args, options = {}) {
    const output = process.env.INTEROP_LOG ? 'inherit' : 'ignore';
    this.#child = spawn(command, args, { stdio: ['ignore', output, output], ...options });
    // Also when another relay could not be started, and no test ever gets this one.
    process.once('exit', () => this.#child.kill('SIGKILL'));
    const failed = new Promise((_, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code) => reject(new Error(`${command} ended with ${code} before it was ready`)));
    });
    await Promise.race([untilItAnswers(this.port), failed]);
    failed.catch(() => {});
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A certificate that nobody trusts; coturn's client does not ask. */
  makeCertificate() {
    const [cert, key] = [join(this.folder, 'cert.pem'), join(this.folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '2'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        ...subject,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      {
        stdio: 'ignore',
      },
    );
    return { cert, key };
  }
}

/**
 * Our relay. `listen`: hosts, of which the first is spoken to; `workers`: threads; `external`: the address that clients are told;
 * `usesSecret`: credentials are signed instead of known;
 * `hasAlternatePort`: as RFC 5780 wants it, also on the port after the first (coturn always is).
 */
export async function startStoa({
  listen = ['127.0.0.1'],
  workers = 1,
  external = [],
  usesSecret = false,
  hasAlternatePort = false,
} = {}) {
  if (againstCoturn) return startCoturn({ listen, external, usesSecret });
  const relay = new Relay();
  const { cert, key } = relay.makeCertificate();
  [relay.port, relay.tlsPort] = [await freePort(), await freePort()];
  const at = (port) => listen.map((host) => `"${host.includes(':') ? `[${host}]` : host}:${port}"`).join(', ');
  const ports = hasAlternatePort ? [relay.port, relay.port + 1] : [relay.port];
  const settings = `
[udp]
listen = [${ports.map(at).join(', ')}]
external_addresses = [${external.map((address) => `"${address}"`).join(', ')}]
workers = ${workers}
[tls]
cert = "${cert}"
key = "${key}"
[relay]
realm = "${REALM}"
${usesSecret ? `secret = "${SECRET}"` : `users = { ${USER} = "${PASSWORD}" }`}
allow_peers = ["127.0.0.0/8", "::1/128"]
port_range = [${FIRST_RELAYED}, 65535]
tls_listen = [${at(relay.tlsPort)}]
`;
  const file = join(relay.folder, 'stoa.toml');
  writeFileSync(file, settings);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STOA_'));
  await relay.run(BINARY, ['--config', file, '--listen', '127.0.0.1:0', '--data', join(relay.folder, 'data')], {
    env: Object.fromEntries(inherited),
  });
  return relay;
}

/** Debian's coturn, set up alike. */
export async function startCoturn({ listen = ['127.0.0.1'], external = [], usesSecret = false } = {}) {
  const relay = new Relay();
  const { cert, key } = relay.makeCertificate();
  [relay.port, relay.tlsPort] = [await freePort(), await freePort()];
  const hosts = listen.includes('0.0.0.0') ? ['127.0.0.1'] : listen;
  const lines = [
    ...hosts.map((host) => `listening-ip=${host}`),
    ...hosts.filter((host) => host !== '127.0.0.2').map((host) => `relay-ip=${host}`),
    ...external.map((address) => `external-ip=${address}`),
    `listening-port=${relay.port}`,
    `tls-listening-port=${relay.tlsPort}`,
    `min-port=${FIRST_RELAYED}`,
    'max-port=65535',
    `realm=${REALM}`,
    ...(usesSecret
      ? ['use-auth-secret', `static-auth-secret=${SECRET}`]
      : ['lt-cred-mech', `user=${USER}:${PASSWORD}`]),
    'allow-loopback-peers',
    // With more threads it loses reservations and mobility tickets on the way from one to the other.
    'relay-threads=1',
    'mobility',
    'no-cli',
    `cert=${cert}`,
    `pkey=${key}`,
    'simple-log',
    'log-file=/dev/null',
    `userdb=${join(relay.folder, 'users')}`,
    `pidfile=${join(relay.folder, 'pid')}`,
  ];
  const file = join(relay.folder, 'turnserver.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  await relay.run('turnserver', ['-c', file]);
  return relay;
}

/** A port that is free for UDP and TCP, together with the one after it. */
async function freePort() {
  for (;;) {
    nextPort += 2;
    const port = nextPort;
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

async function isFree(port) {
  return (await isUdpFree(port)) && (await isTcpFree(port));
}

function isUdpFree(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, () => socket.close(() => resolve(true)));
  });
}

function isTcpFree(port) {
  return new Promise((resolve) => {
    const listener = createServer();
    listener.once('error', () => resolve(false));
    listener.listen(port, () => listener.close(() => resolve(true)));
  });
}

/** Asks for a STUN Binding until there is an answer. */
async function untilItAnswers(port) {
  const socket = createSocket('udp4');
  let answered = false;
  socket.on('message', () => (answered = true));
  // Nobody is there yet.
  socket.on('error', () => {});
  const request = Buffer.from('000100002112a442', 'hex');
  try {
    await until('a relay that answers', () => {
      socket.send(Buffer.concat([request, Buffer.alloc(12, 7)]), port, '127.0.0.1');
      return answered;
    });
  } finally {
    socket.close();
  }
}

/** Relayed ports; below are those that the kernel gives to clients. */
const FIRST_RELAYED = 49_152;
