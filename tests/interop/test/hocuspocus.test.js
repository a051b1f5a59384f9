import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { joinHocuspocus, joinYWebsocket, openHocuspocus } from '../harness/clients.js';
import { Proxy } from '../harness/proxy.js';
import { Server, onlyOurs, token } from '../harness/server.js';
import { untilEqual } from '../harness/verdict.js';
import { pause, until } from '../harness/wait.js';
import { AUTH, BROADCAST_STATELESS, STATELESS, Wire } from '../harness/wire.js';

describe('without tokens', async () => {
  const server = await Server.start();
  after(() => server.stop());

  test('two clients see each other and write the same text', async (t) => {
    const [ann, bob] = [1, 2].map(() => joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'hello'));
    ann.doc.getText('text').insert(0, 'Hello ');
    ann.provider.setAwarenessField('user', { name: 'Ann' });
    await until(
      'Ann in the list',
      () => bob.provider.awareness.getStates().get(ann.doc.clientID)?.user?.name === 'Ann',
    );
    await untilEqual([ann.doc, bob.doc]);
    bob.doc.getText('text').insert(6, 'world');
    await untilEqual([ann.doc, bob.doc]);
    assert.equal(ann.doc.getText('text').toString(), 'Hello world');
    assert.equal(ann.provider.authorizedScope, 'read-write');
    await until('everything saved', () => !ann.provider.hasUnsyncedChanges && !bob.provider.hasUnsyncedChanges);
    ann.provider.destroy();
    await until('Ann gone from the list', () => !bob.provider.awareness.getStates().has(ann.doc.clientID));
  });

  test('many documents share one socket', async (t) => {
    const proxy = await Proxy.start(server.hocuspocus, { delay: 1 });
    t.after(() => proxy.stop());
    const sockets = [openHocuspocus(t, proxy.url), openHocuspocus(t, proxy.url)];
    const names = Array.from({ length: 8 }, (_, number) => `shared/${number}`);
    const pairs = names.map((name) => sockets.map((socket) => joinHocuspocus(t, socket, name)));
    for (const [number, [ann]] of pairs.entries()) ann.doc.getText('text').insert(0, names[number]);
    for (const pair of pairs)
      await untilEqual(
        pair.map(({ doc }) => doc),
        () => pair.every(({ provider }) => provider.synced),
      );
    assert.deepEqual(
      pairs.map(([, bob]) => bob.doc.getText('text').toString()),
      names,
    );
    assert.equal(proxy.accepted, 2);

    // One that leaves takes nothing of the others with it, and may come back.
    pairs[0][0].provider.detach();
    pairs[1][0].doc.getText('text').insert(0, '!');
    await untilEqual(pairs[1].map(({ doc }) => doc));
    pairs[0][1].doc.getText('text').insert(0, '?');
    pairs[0][0].provider.attach();
    await untilEqual(pairs[0].map(({ doc }) => doc));
    assert.equal(proxy.accepted, 2);
  });

  test('one document twice on one socket, told apart by sessions', async (t) => {
    const socket = openHocuspocus(t, server.hocuspocus);
    const options = { sessionAwareness: true };
    const [ann, bob] = [joinHocuspocus(t, socket, 'twice', options), joinHocuspocus(t, socket, 'twice', options)];
    const eve = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'twice');
    const all = [ann, bob, eve];
    for (const [number, { doc, provider }] of all.entries()) {
      doc.getText('text').insert(0, String(number));
      provider.setAwarenessField('number', number);
    }
    await untilEqual(
      all.map(({ doc }) => doc),
      () => all.every(({ provider }) => provider.synced),
    );
    for (const { provider } of all)
      await until('everybody in the list', () => provider.awareness.getStates().size === 3);
    await until('everything saved', () => all.every(({ provider }) => !provider.hasUnsyncedChanges));
    ann.provider.destroy();
    await until('Ann gone from the list', () => bob.provider.awareness.getStates().size === 2);
    bob.doc.getText('text').insert(0, 'more');
    await untilEqual([bob.doc, eve.doc]);
  });

  test('a lost connection comes back, with what was written meanwhile', async (t) => {
    const proxy = await Proxy.start(server.hocuspocus);
    t.after(() => proxy.stop());
    const ann = joinHocuspocus(t, openHocuspocus(t, proxy.url), 'lost');
    const bob = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'lost');
    ann.doc.getText('text').insert(0, 'a');
    await untilEqual([ann.doc, bob.doc], () => ann.provider.synced && bob.provider.synced);
    for (let round = 0; round < 3; round += 1) {
      proxy.cutAll();
      ann.doc.getText('text').insert(0, `Ann ${round} `);
      bob.doc.getText('text').insert(0, `Bob ${round} `);
      await untilEqual([ann.doc, bob.doc], () => ann.provider.synced && !ann.provider.hasUnsyncedChanges);
    }
    assert.ok(proxy.accepted > 3);
  });

  test('batched changes are saved as one', async (t) => {
    const [ann, bob] = [1, 2].map(() =>
      joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'batched', { flushDelay: 20 }),
    );
    await until('synced providers', () => ann.provider.synced && bob.provider.synced);
    for (let i = 0; i < 50; i += 1) ann.doc.getText('text').insert(i, 'x');
    await untilEqual([ann.doc, bob.doc]);
    await until('everything saved', () => !ann.provider.hasUnsyncedChanges);
  });

  test('texts of the application reach the others who follow the document', onlyOurs, async (t) => {
    const heard = [];
    const follow = (name, who) =>
      joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), name, {
        onStateless: ({ payload }) => heard.push(`${who} ${payload}`),
      });
    const [ann, bob, eve] = [follow('texts', 'Ann'), follow('texts', 'Bob'), follow('other', 'Eve')];
    await until('synced providers', () => [ann, bob, eve].every(({ provider }) => provider.synced));
    ann.provider.sendStateless('ding 😀');
    await until('the text', () => heard.includes('Bob ding 😀'));
    // The order on one socket is kept, so whatever Eve was going to hear she would have heard before this.
    const loud = follow('other', 'Loud');
    await until('a synced provider', () => loud.provider.synced);
    loud.provider.sendStateless('here');
    await until('the text', () => heard.includes('Eve here'));
    assert.ok(!heard.includes('Eve ding 😀'));
  });

  test('a message that is too large is told, and not sent again for ever', onlyOurs, async (t) => {
    const proxy = await Proxy.start(server.hocuspocus, { delay: 0 });
    t.after(() => proxy.stop());
    const socket = openHocuspocus(t, proxy.url);
    const [small, large] = ['small', 'large'].map((name) => {
      const joined = joinHocuspocus(t, socket, name);
      joined.denials = [];
      joined.provider.on('authenticationFailed', ({ reason }) => joined.denials.push(reason));
      return joined;
    });
    await until('synced providers', () => small.provider.synced && large.provider.synced);
    large.doc.getText('text').insert(0, 'x'.repeat(9 << 20));
    // Nothing that comes after it on the socket can be read.
    for (const { denials } of [small, large]) await until('the denial', () => denials.length > 0);
    assert.deepEqual([...small.denials, ...large.denials], Array(2).fill('the message is too large'));
    // Long enough to come again several times.
    await pause(1500);
    assert.deepEqual([proxy.accepted, small.denials.length, large.denials.length], [1, 1, 1]);
    // What was saved before is there for others, and nothing of the rest.
    const bob = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'large');
    await until('a synced provider', () => bob.provider.synced);
    assert.equal(bob.doc.getText('text').length, 0);
  });

  test('what only servers say to each other does not pass', async (t) => {
    const heard = [];
    const ann = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'broadcast', {
      onStateless: ({ payload }) => heard.push(payload),
    });
    await until('a synced provider', () => ann.provider.synced);
    const wire = await Wire.open(t, server.hocuspocus, 'broadcast');
    wire.say(AUTH, 0, '');
    wire.say(BROADCAST_STATELESS, 'forged');
    const bob = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'broadcast');
    bob.doc.getText('text').insert(0, 'after it');
    await untilEqual([ann.doc, bob.doc], () => bob.provider.synced);
    assert.deepEqual(heard, []);
    assert.ok(wire.heard.every(({ type }) => type !== STATELESS));
  });

  test('an erased document ends for good, and no old copy brings it back', onlyOurs, async (t) => {
    const proxy = await Proxy.start(server.hocuspocus, { delay: 1 });
    t.after(() => proxy.stop());
    const socket = openHocuspocus(t, proxy.url);
    const denials = [];
    const onAuthenticationFailed = ({ reason }) => denials.push(reason);
    const ann = joinHocuspocus(t, socket, 'erased', { onAuthenticationFailed });
    const kept = joinHocuspocus(t, socket, 'kept');
    ann.doc.getText('text').insert(0, 'old');
    await until('everything saved', () => ann.provider.synced && !ann.provider.hasUnsyncedChanges);

    const url = new URL('/v1/docs/erased', server.hocuspocus.replace('ws:', 'http:'));
    assert.equal((await fetch(url, { method: 'DELETE' })).status, 204);
    await until('a denial', () => denials.length === 1);
    // What it still says is not heard, and the other document of the socket goes on.
    ann.doc.getText('text').insert(0, 'very ');
    kept.doc.getText('text').insert(0, 'kept');
    await until('everything saved', () => kept.provider.synced && !kept.provider.hasUnsyncedChanges);
    const bob = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'erased');
    await until('an empty document', () => bob.provider.synced);
    assert.deepEqual([proxy.accepted, denials.length], [1, 1]);

    // Its next socket makes it ask again. The answer is the same.
    proxy.cutAll();
    await until('another denial', () => denials.length === 2);
    assert.deepEqual(new Set(denials), new Set(['the document was erased']));
    assert.equal(bob.doc.getText('text').toString(), '');

    // An empty copy may take its place on that socket.
    ann.provider.detach();
    const anew = joinHocuspocus(t, socket, 'erased');
    bob.doc.getText('text').insert(0, 'new');
    await untilEqual([anew.doc, bob.doc], () => anew.provider.synced);
    assert.equal(anew.doc.getText('text').toString(), 'new');
  });

  test('clients of both kinds share a document', onlyOurs, async (t) => {
    const ann = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'both/kinds');
    const bob = joinYWebsocket(t, server.yjs, 'both/kinds');
    ann.doc.getText('text').insert(0, 'Ann');
    bob.doc.getText('text').insert(0, 'Bob');
    ann.provider.setAwarenessField('name', 'Ann');
    bob.provider.awareness.setLocalStateField('name', 'Bob');
    await untilEqual([ann.doc, bob.doc], () => ann.provider.synced && bob.provider.synced);
    await until('Bob in the list', () => ann.provider.awareness.getStates().get(bob.doc.clientID)?.name === 'Bob');
    await until('Ann in the list', () => bob.provider.awareness.getStates().get(ann.doc.clientID)?.name === 'Ann');
  });
});

describe('with tokens', onlyOurs, async () => {
  const server = await Server.startWithTokens();
  after(() => server.stop());
  const grants = (documents, room = 'plan*') => token(room, '--documents', documents);
  const join = (t, name, token, options = {}) =>
    joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), name, { token, ...options });

  test('a good token is told its scope', async (t) => {
    for (const [documents, scope] of [
      ['write', 'read-write'],
      ['read', 'readonly'],
    ]) {
      const { provider } = join(t, 'plan-1', grants(documents));
      await until('a synced provider', () => provider.synced);
      assert.equal(provider.authorizedScope, scope);
    }
  });

  const refusals = [
    ['no token', null],
    ['something that is no token', 'nonsense'],
    ['a token for another document', grants('write', 'other')],
    ['a token without documents', grants('none')],
  ];
  for (const [what, token] of refusals) {
    test(`${what} is refused, and other documents of the socket go on`, async (t) => {
      const socket = openHocuspocus(t, server.hocuspocus);
      const reasons = [];
      const onAuthenticationFailed = ({ reason }) => reasons.push(reason);
      const refused = joinHocuspocus(t, socket, 'plan-2', { token, onAuthenticationFailed });
      const good = joinHocuspocus(t, socket, 'plan-3', { token: grants('write') });
      await until('a refusal', () => reasons.length > 0);
      await until('a synced provider', () => good.provider.synced);
      good.doc.getText('text').insert(0, 'x');
      await until('everything saved', () => !good.provider.hasUnsyncedChanges);
      assert.equal(refused.provider.synced, false);
      assert.equal(refused.provider.isAuthenticated, false);
    });
  }

  test('what a reader writes reaches nobody, and is never called saved', async (t) => {
    const [writer, reader] = [join(t, 'plan-4', grants('write')), join(t, 'plan-4', grants('read'))];
    writer.doc.getText('text').insert(0, 'one');
    await untilEqual([writer.doc, reader.doc], () => reader.provider.synced);
    reader.doc.getText('text').insert(0, 'forbidden ');
    writer.doc.getText('text').insert(3, ' two');
    await until('the marker', () => reader.doc.getText('text').toString() === 'forbidden one two');
    assert.equal(writer.doc.getText('text').toString(), 'one two');
    assert.ok(reader.provider.hasUnsyncedChanges);
    const fresh = join(t, 'plan-4', grants('read'));
    await untilEqual([writer.doc, fresh.doc], () => fresh.provider.synced);
  });

  test('a reader who has changed nothing has nothing unsaved', async (t) => {
    const [writer, reader] = [join(t, 'plan-5', grants('write')), join(t, 'plan-5', grants('read'))];
    writer.doc.getText('text').insert(0, 'one');
    await untilEqual([writer.doc, reader.doc], () => reader.provider.synced);
    for (const { provider } of [writer, reader]) await until('nothing unsaved', () => !provider.hasUnsyncedChanges);
  });

  test('a newer token may take rights away, and give them back', async (t) => {
    let current = grants('write');
    const scopes = [];
    const ann = join(t, 'plan-6', () => current, { onAuthenticated: ({ scope }) => scopes.push(scope) });
    const bob = join(t, 'plan-6', grants('write'));
    await until('synced providers', () => ann.provider.synced && bob.provider.synced);
    current = grants('read');
    await ann.provider.sendToken();
    await until('fewer rights', () => scopes.at(-1) === 'readonly');
    ann.doc.getText('text').insert(0, 'no');
    bob.doc.getText('text').insert(0, 'marker');
    await until('the marker', () => ann.doc.getText('text').toString().includes('marker'));
    assert.equal(bob.doc.getText('text').toString(), 'marker');
    current = grants('write');
    await ann.provider.sendToken();
    await until('more rights', () => scopes.at(-1) === 'read-write');
    ann.doc.getText('text').insert(0, 'yes');
    // The refused change comes with the next handshake.
    ann.provider.forceSync();
    await untilEqual([ann.doc, bob.doc]);
  });
});
