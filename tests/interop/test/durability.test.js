// "Saved" means that it is on disk: the server is killed as soon as it has said so.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as prng from 'lib0/prng';
import { joinHocuspocus, joinYWebsocket, openHocuspocus } from '../harness/clients.js';
import { change } from '../harness/edits.js';
import { Proxy } from '../harness/proxy.js';
import { Server, onlyOurs } from '../harness/server.js';
import { untilEqual } from '../harness/verdict.js';
import { until } from '../harness/wait.js';

const server = await Server.start();
const proxy = await Proxy.start(server.hocuspocus, { delay: 1 });
after(async () => {
  await proxy.stop();
  await server.stop();
});

async function restart() {
  await server.startAgain();
  proxy.leadTo(server.hocuspocus);
}

test('what was called saved is there after a crash', onlyOurs, async (t) => {
  const gen = prng.create(5);
  for (let round = 0; round < 8; round += 1) {
    const name = `saved-${round % 3}`;
    const ann = joinHocuspocus(t, openHocuspocus(t, proxy.url), name);
    await until('a synced provider', () => ann.provider.synced && !ann.provider.hasUnsyncedChanges);
    const counts = [];
    ann.provider.on('unsyncedChanges', ({ number }) => counts.push(number));
    const saved = new Promise((resolve) => {
      ann.provider.on('unsyncedChanges', ({ number }) => number === 0 && resolve());
    });
    for (let i = 0; i < prng.int32(gen, 1, 30); i += 1) change(gen, ann.doc);
    ann.doc.getText('text').insert(0, `round ${round} `);
    assert.ok(ann.provider.hasUnsyncedChanges);
    await saved;
    await server.kill();
    assert.equal(counts.at(-1), 0);
    // Whoever has it on their own machine shall not bring it back.
    ann.provider.destroy();
    await restart();
    const fresh = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), name);
    await untilEqual([ann.doc, fresh.doc], () => fresh.provider.synced);
    fresh.provider.destroy();
  }
});

test('what was not called saved is sent again by its author', onlyOurs, async (t) => {
  const gen = prng.create(6);
  const [ann, bob] = [1, 2].map(() => joinHocuspocus(t, openHocuspocus(t, proxy.url), 'again'));
  const eve = joinHocuspocus(t, openHocuspocus(t, proxy.url), 'again');
  const all = [ann, bob, eve];
  await until('synced providers', () => all.every(({ provider }) => provider.synced));
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < 20; i += 1) change(gen, prng.oneOf(gen, all).doc);
    await server.kill();
    for (let i = 0; i < 5; i += 1) change(gen, prng.oneOf(gen, all).doc);
    await restart();
    await untilEqual(
      all.map(({ doc }) => doc),
      () => all.every(({ provider }) => provider.synced && !provider.hasUnsyncedChanges),
    );
  }
  await server.kill();
  for (const { provider } of all) provider.destroy();
  await restart();
  const fresh = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'again');
  await untilEqual([fresh.doc, ann.doc], () => fresh.provider.synced);
});

test('what another has seen is there after a tidy end', onlyOurs, async (t) => {
  const [ann, bob] = [1, 2].map(() => joinYWebsocket(t, server.yjs, 'tidy'));
  await until('synced providers', () => ann.provider.synced && bob.provider.synced);
  const gen = prng.create(9);
  for (let i = 0; i < 50; i += 1) change(gen, ann.doc);
  await untilEqual([ann.doc, bob.doc]);
  for (const { provider } of [ann, bob]) provider.destroy();
  await server.quit();
  await restart();
  const fresh = joinYWebsocket(t, server.yjs, 'tidy');
  await untilEqual([fresh.doc, ann.doc], () => fresh.provider.synced);
});

test('an erased copy brings back nothing that the server does not have', onlyOurs, async (t) => {
  const first = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'empty-copy');
  first.doc.getText('text').insert(0, 'kept 😀');
  await until('everything saved', () => first.provider.synced && !first.provider.hasUnsyncedChanges);
  first.provider.destroy();
  for (let round = 0; round < 2; round += 1) {
    const fresh = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'empty-copy');
    await untilEqual([fresh.doc, first.doc], () => fresh.provider.synced);
    await until('nothing unsaved', () => !fresh.provider.hasUnsyncedChanges);
    fresh.provider.destroy();
  }
});
