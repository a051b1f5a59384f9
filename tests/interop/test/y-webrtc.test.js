import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { Proxy } from '../harness/proxy.js';
import { Server, onlyOurs, token } from '../harness/server.js';
import { until } from '../harness/wait.js';

const PEER = fileURLToPath(new URL('../harness/y-webrtc-peer.js', import.meta.url));

/** A stock client in a process of its own, when the server knows of it. */
async function join(t, url, topic, password = '') {
  const child = fork(PEER, [url, topic, password]);
  const peer = { text: '', peers: 0, insert: (at, text) => child.send({ insert: [at, text] }) };
  child.on('message', (news) => Object.assign(peer, news));
  t.after(() => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    // An end with a farewell takes the native part of the package too long.
    child.kill('SIGKILL');
    return exited;
  });
  await until('an announcement', () => peer.isAnnounced);
  return peer;
}

/** A socket that says what y-webrtc says, and keeps what it hears. */
async function listen(t, url, topics) {
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  const listener = { heard: [], closed: null, say: (message) => socket.send(JSON.stringify(message)) };
  socket.on('message', (data) => listener.heard.push(JSON.parse(data.toString())));
  socket.on('close', (code) => (listener.closed = code));
  await until('an open socket', () => socket.readyState === WebSocket.OPEN);
  if (topics) listener.say({ type: 'subscribe', topics });
  listener.settle = async () => {
    const pongs = () => listener.heard.filter(({ type }) => type === 'pong').length;
    const before = pongs();
    listener.say({ type: 'ping' });
    await until('a pong', () => pongs() > before);
  };
  await listener.settle();
  return listener;
}

describe('without tokens', async () => {
  const server = await Server.start();
  after(() => server.stop());

  for (const [what, password] of [
    ['', ''],
    [' with a password', 'secret'],
  ]) {
    test(`peers of a topic${what} find each other and share a document`, async (t) => {
      const topic = `room${what}`;
      const listener = await listen(t, server.webrtc, ['elsewhere']);
      const ann = await join(t, server.webrtc, topic, password);
      const bob = await join(t, server.webrtc, topic, password);
      const stranger = await join(t, server.webrtc, `${topic} 2`, password);
      ann.insert(0, 'Ann');
      await until('what Ann wrote', () => bob.text === 'Ann');
      stranger.insert(0, 'stranger');
      bob.insert(3, ' and Bob');
      await until('what Bob wrote', () => ann.text === 'Ann and Bob');
      await until('the stranger', () => stranger.text === 'stranger');
      const eve = await join(t, server.webrtc, topic, password);
      await until('all of it at a third', () => eve.text === 'Ann and Bob');
      assert.equal(stranger.peers, 0);
      await listener.settle();
      assert.ok(listener.heard.every(({ type }) => type === 'pong'));
    });
  }

  test('peers stay together while the server is away, and meet others when it is back', async (t) => {
    const other = await Server.start();
    t.after(() => other.stop());
    const proxy = await Proxy.start(other.webrtc, { delay: 1 });
    t.after(() => proxy.stop());
    const ann = await join(t, proxy.url, 'away');
    const bob = await join(t, proxy.url, 'away');
    ann.insert(0, 'a');
    await until('what Ann wrote', () => bob.text === 'a');
    await other.kill();
    bob.insert(1, 'b');
    await until('what Bob wrote', () => ann.text === 'ab');
    ann.isAnnounced = false;
    bob.isAnnounced = false;
    await other.startAgain();
    proxy.leadTo(other.webrtc);
    await until('both announced again', () => ann.isAnnounced && bob.isAnnounced);
    const eve = await join(t, proxy.url, 'away');
    await until('all of it at a third', () => eve.text === 'ab');
  });

  test('a signal goes to nobody but its receiver', onlyOurs, async (t) => {
    const listener = await listen(t, server.webrtc, ['private']);
    const ann = await join(t, server.webrtc, 'private');
    const bob = await join(t, server.webrtc, 'private');
    ann.insert(0, 'x');
    await until('what Ann wrote', () => bob.text === 'x');
    await listener.settle();
    const types = listener.heard.map(({ data }) => data?.type).filter(Boolean);
    assert.ok(types.includes('announce'));
    assert.ok(!types.includes('signal'), 'peers signal after both have announced themselves');
  });

  test('quotas are told, and the socket goes on', onlyOurs, async (t) => {
    const many = Array.from({ length: 65 }, (_, number) => `topic ${number}`);
    const listener = await listen(t, server.webrtc, many);
    listener.say({ type: 'subscribe', topics: ['one more'] });
    listener.say({ type: 'subscribe', topics: ['x'.repeat(257)] });
    await listener.settle();
    assert.deepEqual(
      listener.heard.filter(({ type }) => type === 'error').map(({ code }) => code),
      ['bad_topics', 'too_many', 'bad_topics'],
    );
  });

  test('a message that is too large closes the socket', onlyOurs, async (t) => {
    const listener = await listen(t, server.webrtc, ['large']);
    listener.say({ type: 'publish', topic: 'large', data: 'x'.repeat(64 * 1024) });
    await until('the end', () => listener.closed);
    assert.equal(listener.closed, 1009);
  });
});

describe('with tokens', onlyOurs, async () => {
  const server = await Server.startWithTokens();
  after(() => server.stop());
  const url = (...options) => `${server.webrtc}?token=${token('plan*', ...options)}`;

  test('peers with good tokens find each other, others do not', async (t) => {
    const outsider = await join(t, server.webrtc, 'plan-1');
    const ann = await join(t, url(), 'plan-1');
    const bob = await join(t, url('--documents', 'read'), 'plan-1');
    ann.insert(0, 'Ann');
    await until('what Ann wrote', () => bob.text === 'Ann');
    outsider.insert(0, 'outsider');
    await until('the outsider', () => outsider.text === 'outsider');
    assert.equal(ann.peers, 1);
  });

  test('a refusal says why, and the socket stays open', async (t) => {
    const refusals = [
      [server.webrtc, 'plan-2', 'not_authenticated'],
      [`${server.webrtc}?token=nonsense`, 'plan-2', 'not_authenticated'],
      [url(), 'other', 'forbidden'],
      [url('--documents', 'none'), 'plan-2', 'forbidden'],
    ];
    for (const [address, topic, code] of refusals) {
      const listener = await listen(t, address, [topic]);
      await listener.settle();
      const errors = listener.heard.filter(({ type }) => type === 'error');
      assert.deepEqual(
        errors.map((error) => [error.topic, error.code]),
        [[topic, code]],
      );
    }
  });
});
