// Tokens end while people are connected. The server looks twice a minute, so this takes a while.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { joinHocuspocus, joinYWebsocket, openHocuspocus, permanentClose } from '../harness/clients.js';
import { Server, onlyOurs, token } from '../harness/server.js';
import { untilEqual } from '../harness/verdict.js';
import { until } from '../harness/wait.js';

const patience = 90_000;
const good = (name) => token(name, '--documents', 'write');
const short = (name) => token(name, '--documents', 'write', '--expires-in', '2s');

describe('a token that ends', { ...onlyOurs, concurrency: true }, async () => {
  const server = await Server.startWithTokens();
  after(() => server.stop());
  const join = (t, name, token, options = {}) =>
    joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), name, { token, ...options });

  test('closes the connection of y-websocket for good', async (t) => {
    const { provider } = joinYWebsocket(t, server.yjs, 'plan-1', { token: short('plan-1') });
    await until('a synced provider', () => provider.synced);
    assert.equal(await permanentClose(provider, { patience }), 4401);
  });

  test('is asked for anew in Hocuspocus, and the document stays open', async (t) => {
    let asked = 0;
    const next = () => {
      asked += 1;
      return asked === 1 ? short('plan-2') : good('plan-2');
    };
    const [ann, bob] = [join(t, 'plan-2', next), join(t, 'plan-2', good('plan-2'))];
    await until('synced providers', () => ann.provider.synced && bob.provider.synced);
    await until('a second question', () => asked > 1, { patience });
    bob.doc.getText('text').insert(0, 'still');
    await untilEqual([ann.doc, bob.doc]);
    ann.doc.getText('text').insert(5, ' here');
    await untilEqual([ann.doc, bob.doc], () => !ann.provider.hasUnsyncedChanges);
  });

  test('and has no successor ends the document in Hocuspocus', async (t) => {
    const ends = [];
    const options = { onAuthenticationFailed: () => ends.push('denied'), onClose: () => ends.push('closed') };
    const [ann, bob] = [join(t, 'plan-3', short('plan-3'), options), join(t, 'plan-3', good('plan-3'))];
    await until('synced providers', () => ann.provider.synced && bob.provider.synced);
    await until('the end', () => ends.length > 0, { patience });
    bob.doc.getText('text').insert(0, 'later');
    await until('everything saved', () => !bob.provider.hasUnsyncedChanges);
    assert.equal(ann.doc.getText('text').toString(), '');
  });
});
