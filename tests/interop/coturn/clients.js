import { spawn } from 'node:child_process';
import { PASSWORD, USER } from './relays.js';

/** Runs a client. What it says, and the status with which it ended; `null` when it had to be ended. */
export function run(program, args, { patience = 30_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: patience, killSignal: 'SIGKILL' });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, text }));
  });
}

/** coturn's `turnutils_uclient`: how many of its messages came back, and what share of them was lost, in percent. */
export async function uclient(relay, flags, { host = '127.0.0.1', user = USER, password = PASSWORD, patience } = {}) {
  const port = flags.includes('-S') ? relay.tlsPort : relay.port;
  const args = ['-u', user, '-w', password, '-p', String(port), ...flags, host];
  const { status, text } = await run('turnutils_uclient', args, { patience });
  const [, sent, received] = [...text.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)/g)].at(-1) ?? [];
  const lost = /Total lost packets \d+ \(([\d.]+)%\)/.exec(text)?.[1];
  return { status, sent: Number(sent), received: Number(received), lost: Number(lost), text };
}
