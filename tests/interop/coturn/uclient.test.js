import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { run, uclient } from './clients.js';
import { SECRET, startCoturn, startStoa } from './relays.js';

// Each variant is asked of our relay, with one worker and with two, and of coturn in the same moment: what coturn's own client
// loses with coturn is the most that it may lose with us.
const VARIANTS = {
  'channels, RTP and RTCP pairs': ['-y'],
  'channels, single': ['-y', '-c'],
  'Send and Data indications': ['-y', '-c', '-s'],
  "DON'T-FRAGMENT": ['-y', '-c', '-g'],
  'extra requests': ['-y', '-c', '-G'],
  'padded channel data': ['-y', '-c', '-D'],
  'explicit IPv4': ['-y', '-c', '-X'],
  'explicit IPv6': ['-y', '-c', '-x'],
  'both families in one allocation': ['-y', '-Z'],
  'both families in one allocation, single': ['-y', '-c', '-Z'],
  mobility: ['-y', '-c', '-M'],
  TCP: ['-t', '-y', '-c'],
  'TCP, pairs': ['-t', '-y'],
  'TCP, indications': ['-t', '-y', '-c', '-s'],
  TLS: ['-t', '-S', '-y', '-c'],
  'TCP allocations (RFC 6062)': ['-T', '-y', '-c'],
  'TCP allocations, pairs': ['-T', '-y'],
  negative: ['-y', '-c', '-N'],
  'random disconnects': ['-y', '-c', '-B'],
};
const AMOUNT = ['-n', '5', '-m', '2'];
const HOSTS = ['127.0.0.1', '::1'];

const relays = {};
before(async () => {
  const [coturn, one, two] = await Promise.all([
    startCoturn({ listen: HOSTS }),
    startStoa({ listen: HOSTS, workers: 1 }),
    startStoa({ listen: HOSTS, workers: 2 }),
  ]);
  Object.assign(relays, { coturn, one, two });
});
after(() => Promise.all(Object.values(relays).map((relay) => relay.stop())));

test('every variant of the client', { concurrency: 4 }, async (t) => {
  const variants = Object.entries(VARIANTS).map(([name, flags]) => t.test(name, () => compare([...flags, ...AMOUNT])));
  await Promise.all(variants);
});

async function compare(flags) {
  const host = flags.includes('-x') ? '::1' : '127.0.0.1';
  const ask = (relay) => uclient(relay, flags, { host });
  const [theirs, ...ours] = await Promise.all([relays.coturn, relays.one, relays.two].map(ask));
  assert.equal(theirs.status, 0, `coturn itself failed: ${theirs.text}`);
  for (const result of ours) {
    assert.equal(result.status, 0, result.text);
    assert.equal(result.sent, theirs.sent, 'as many messages as with coturn');
    assert.ok(result.received > 0, result.text);
  }
  const worst = ours.reduce((one, two) => (one.lost > two.lost ? one : two));
  assert.ok(worst.lost <= theirs.lost, `${worst.lost} % were lost, with coturn ${theirs.lost} %\n${worst.text}`);
}

test('a wrong password is refused', async () => {
  for (const flags of [
    ['-y', '-c'],
    ['-t', '-y', '-c'],
  ]) {
    const { status, text } = await uclient(relays.one, flags, { password: 'nope' });
    assert.equal(status, 255, text);
    assert.match(text, /Cannot complete Allocation/);
  }
});

test('time-limited credentials', async (t) => {
  const relay = await startStoa({ usesSecret: true });
  t.after(() => relay.stop());
  const signed = async (secret) => {
    const args = ['-u', 'alice', '-W', secret, '-p', String(relay.port), '-y', '-c', ...AMOUNT, '127.0.0.1'];
    return run('turnutils_uclient', args);
  };
  const { status, text } = await signed(SECRET);
  assert.equal(status, 0, text);
  assert.match(text, /Total lost packets 0 /);
  assert.equal((await signed('south')).status, 255);
});

test('an address before a NAT', async (t) => {
  // The client sends to the relayed address that it is told; this one leads back to the relay.
  const relay = await startStoa({ listen: ['0.0.0.0'], external: ['127.0.0.1'], workers: 2 });
  t.after(() => relay.stop());
  const { status, lost, text } = await uclient(relay, ['-y', '-c', ...AMOUNT]);
  assert.equal(status, 0, text);
  assert.equal(lost, 0, text);
});

test('a peer that is not relayed, and requests that must be refused', async (t) => {
  const port = 3_500;
  const peer = spawn('turnutils_peer', ['-L', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  t.after(() => peer.kill('SIGKILL'));
  const towards = ['-e', '127.0.0.1', '-r', String(port)];
  const exchange = async () => {
    const { status, lost, text } = await uclient(relays.two, ['-c', ...AMOUNT, ...towards]);
    assert.equal(status, 0, text);
    assert.equal(lost, 0, text);
  };
  await exchange();
  // Of what it damages itself the client may wait for an answer without end, with coturn as with us: it gets as long as it usually takes,
  // and what counts is that the others are served.
  const damaging = ['-c', '-R', '-n', '1', '-m', '1', ...towards];
  const runs = [1, 2, 3].map(() => uclient(relays.two, damaging, { patience: 8_000 }));
  for (const { status, text } of await Promise.all(runs)) assert.ok(status === 0 || status === null, text);
  await exchange();
});
