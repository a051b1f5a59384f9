import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import * as Y from 'yjs';
import { joinYWebsocket, permanentClose } from '../harness/clients.js';
import { Proxy } from '../harness/proxy.js';
import { Server, onlyOurs, token } from '../harness/server.js';
import { untilEqual } from '../harness/verdict.js';
import { until } from '../harness/wait.js';
import { SYNC, UPDATE, Wire } from '../harness/wire.js';

describe('without tokens', async () => {
  const server = await Server.start();
  after(() => server.stop());

  test('two clients see each other and write the same text', async (t) => {
    const [ann, bob] = [joinYWebsocket(t, server.yjs, 'hello'), joinYWebsocket(t, server.yjs, 'hello')];
    ann.doc.getText('text').insert(0, 'Hello ');
    ann.provider.awareness.setLocalStateField('user', { name: 'Ann' });
    await until(
      'Ann in the list',
      () => bob.provider.awareness.getStates().get(ann.doc.clientID)?.user?.name === 'Ann',
    );
    await untilEqual([ann.doc, bob.doc]);
    bob.doc.getText('text').insert(6, 'world');
    await untilEqual([ann.doc, bob.doc]);
    assert.equal(ann.doc.getText('text').toString(), 'Hello world');
    ann.provider.disconnect();
    await until('Ann gone from the list', () => !bob.provider.awareness.getStates().has(ann.doc.clientID));
  });

  test('names with slashes, spaces and letters of any script are names', async (t) => {
    const texts = ['a', 'a/b', 'a%2Fc', 'ä ö', '文書', 'x'.repeat(200)];
    const docs = texts.map((name) => {
      const path = name.split('/').map(encodeURIComponent).join('/');
      const pair = [joinYWebsocket(t, server.yjs, path), joinYWebsocket(t, server.yjs, path)];
      pair[0].doc.getText('text').insert(0, name);
      return pair.map(({ doc }) => doc);
    });
    for (const pair of docs) await untilEqual(pair);
    assert.deepEqual(
      docs.map(([, doc]) => doc.getText('text').toString()),
      texts,
    );
  });

  test('what was written offline arrives, and what was missed', async (t) => {
    const [ann, bob] = [joinYWebsocket(t, server.yjs, 'offline'), joinYWebsocket(t, server.yjs, 'offline')];
    ann.doc.getText('text').insert(0, 'both');
    await untilEqual([ann.doc, bob.doc], () => ann.provider.synced && bob.provider.synced);
    ann.provider.disconnect();
    ann.doc.getText('text').insert(4, ' Ann');
    bob.doc.getText('text').delete(0, 2);
    bob.doc.getText('text').insert(2, ' Bob');
    ann.provider.connect();
    await untilEqual([ann.doc, bob.doc], () => ann.provider.synced);
    assert.match(bob.doc.getText('text').toString(), /^th( Ann Bob| Bob Ann)$/);
  });

  test('a large document arrives whole', async (t) => {
    const ann = joinYWebsocket(t, server.yjs, 'large');
    const words = Array.from({ length: 40_000 }, (_, number) => `word number ${number} 😀`).join(' ');
    ann.doc.getText('text').insert(0, words);
    const bob = joinYWebsocket(t, server.yjs, 'large');
    await untilEqual([ann.doc, bob.doc], () => bob.provider.synced);
    assert.equal(bob.doc.getText('text').toString(), words);
  });

  test('many clients in one document', async (t) => {
    const all = Array.from({ length: 30 }, () => joinYWebsocket(t, server.yjs, 'crowd'));
    for (const [number, { doc, provider }] of all.entries()) {
      doc.getArray('array').push([number]);
      // The state that a client begins with counts as none for the others.
      provider.awareness.setLocalStateField('number', number);
    }
    await untilEqual(all.map(({ doc }) => doc));
    assert.deepEqual(
      all[0].doc
        .getArray('array')
        .toArray()
        .sort((a, b) => a - b),
      [...all.keys()],
    );
    await until('everybody in the list', () => all[0].provider.awareness.getStates().size === all.length);
  });

  test('a name that is none is refused for good', onlyOurs, async (t) => {
    const { provider } = joinYWebsocket(t, server.yjs, 'x'.repeat(257));
    assert.equal(await permanentClose(provider), 4404);
    assert.equal(provider.shouldConnect, false);
  });
});

describe('with tokens', onlyOurs, async () => {
  const server = await Server.startWithTokens();
  after(() => server.stop());
  const grants = (documents, room = 'plan*') => token(room, '--documents', documents);

  test('who may write, writes; who may read, reads', async (t) => {
    const [writer, reader] = [grants('write'), grants('read')].map((token) =>
      joinYWebsocket(t, server.yjs, 'plan-1', { token }),
    );
    writer.doc.getText('text').insert(0, 'read this');
    await untilEqual([writer.doc, reader.doc], () => reader.provider.synced);
    reader.provider.awareness.setLocalStateField('name', 'Reader');
    await until(
      'the reader in the list',
      () => writer.provider.awareness.getStates().get(reader.doc.clientID)?.name === 'Reader',
    );
  });

  test('what a reader writes reaches nobody, and the reader is told', async (t) => {
    const join = (documents) => joinYWebsocket(t, server.yjs, 'plan-2', { token: grants(documents) });
    const [writer, reader] = [join('write'), join('read')];
    const told = silence(t);
    writer.doc.getText('text').insert(0, 'one');
    await untilEqual([writer.doc, reader.doc], () => reader.provider.synced);
    reader.doc.getText('text').insert(0, 'forbidden ');
    await until('a word to the reader', () => told.callCount() > 0);
    writer.doc.getText('text').insert(3, ' two');
    await until('the marker', () => reader.doc.getText('text').toString() === 'forbidden one two');
    assert.equal(writer.doc.getText('text').toString(), 'one two');
    const fresh = join('write');
    await untilEqual([writer.doc, fresh.doc], () => fresh.provider.synced);
    // Not even when it connects with the change in its copy.
    reader.provider.disconnect();
    reader.provider.connect();
    await until('a synced provider', () => reader.provider.synced);
    writer.doc.getText('text').insert(7, ' three');
    await until('the marker', () => reader.doc.getText('text').toString() === 'forbidden one two three');
    await untilEqual([writer.doc, fresh.doc]);
    assert.equal(fresh.doc.getText('text').toString(), 'one two three');
    assert.ok(reader.provider.wsconnected);
  });

  const refusals = [
    ['no token', undefined, 4401],
    ['something that is no token', 'nonsense', 4401],
    ['a token of another key', `${token('plan*').split('.').slice(0, 2).join('.')}.${'A'.repeat(43)}`, 4401],
    ['a token for another document', grants('write', 'other'), 4403],
    ['a token for a room whose name is but the beginning', grants('write', 'plan'), 4403],
    ['a token without documents', grants('none'), 4403],
  ];
  for (const [what, token, code] of refusals) {
    test(`${what} is refused for good, and the client does not come back`, async (t) => {
      const told = silence(t);
      const proxy = await Proxy.start(server.yjs, { delay: 1 });
      t.after(() => proxy.stop());
      const { provider } = joinYWebsocket(t, proxy.url, 'plan-3', { token, maxBackoffTime: 1 });
      assert.equal(await permanentClose(provider), code);
      assert.equal(provider.shouldConnect, false);
      assert.equal(provider.ws, null);
      assert.equal(proxy.accepted, 1);
      assert.equal(provider.synced, false);
      assert.equal(told.callCount(), 1);
    });
  }

  test('the room of a token covers the documents of the room', async (t) => {
    for (const name of ['plan-4', 'plan-4/minutes']) {
      const options = { token: grants('write', 'plan-4') };
      const pair = [1, 2].map(() => joinYWebsocket(t, server.yjs, name, options));
      pair[0].doc.getText('text').insert(0, 'x');
      await untilEqual(
        pair.map(({ doc }) => doc),
        () => pair.every(({ provider }) => provider.synced),
      );
    }
  });

  test('a refused socket has been told nothing', async (t) => {
    const { doc } = joinYWebsocket(t, server.yjs, 'plan-6', { token: grants('write') });
    doc.getText('text').insert(0, 'secret');
    const wire = await Wire.open(t, `${server.yjs}/plan-6?token=nonsense`);
    wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
    await until('the end', () => wire.closed);
    assert.equal(wire.closed.code, 4401);
    assert.ok(wire.heard.every(({ type }) => type !== SYNC));
  });
});

/** Keeps what y-websocket writes to the console when the server denies something; that is how it tells. */
function silence(t) {
  return t.mock.method(console, 'warn', () => {}).mock;
}
