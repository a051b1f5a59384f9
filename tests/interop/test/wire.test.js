// What clients silently rely on, each where it is said: in the single messages of a socket.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import * as Y from 'yjs';
import { joinHocuspocus, joinYWebsocket, openHocuspocus } from '../harness/clients.js';
import { change } from '../harness/edits.js';
import { Server, againstRivals, onlyOurs } from '../harness/server.js';
import { contents, untilEqual } from '../harness/verdict.js';
import { pause, until } from '../harness/wait.js';
import {
  AUTH,
  AWARENESS,
  EMPTY_UPDATE,
  QUERY_AWARENESS,
  STEP_1,
  STEP_2,
  SYNC,
  SYNC_STATUS,
  UPDATE,
  Wire,
  awareness,
} from '../harness/wire.js';
import * as prng from 'lib0/prng';

const server = await Server.start();
after(() => server.stop());

const isStep =
  (wanted) =>
  ({ type, step }) =>
    type === SYNC && step === wanted;
const isAbout =
  (client) =>
  ({ type, states }) =>
    type === AWARENESS && states.some((state) => state.client === client);

/** The two dialects that say the same, so that each trap is tried in both. */
const dialects = [
  {
    dialect: 'y-websocket',
    open: (t, name) => Wire.open(t, `${server.yjs}/${name}`),
    join: (t, name) => joinYWebsocket(t, server.yjs, name),
  },
  {
    dialect: 'Hocuspocus',
    open: async (t, name, session = '') => {
      const wire = await Wire.open(t, server.hocuspocus, session ? `${name}\0${session}` : name);
      wire.say(AUTH, 0, '');
      await wire.hear('the token to be good', ({ type, kind }) => type === AUTH && kind === 2);
      return wire;
    },
    join: (t, name) => joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), name),
  },
];

for (const { dialect, open, join } of dialects) {
  describe(dialect, () => {
    const name = (what) => `${what}-${dialect}`;

    test('step 1 is answered by step 2, and by a step 1 of the server', async (t) => {
      const { doc, provider } = join(t, name('steps'));
      doc.getText('text').insert(0, 'one 😀');
      await until('a synced provider', () => provider.synced && !provider.hasUnsyncedChanges);
      const wire = await open(t, name('steps'));
      wire.say(SYNC, STEP_1, Y.encodeStateVector(new Y.Doc()));
      await until('what was written before', async () => {
        const { bytes } = await wire.hear('step 2', isStep(STEP_2));
        const copy = new Y.Doc();
        Y.applyUpdate(copy, bytes);
        if (copy.getText('text').toString() === 'one 😀') return true;
        wire.say(SYNC, STEP_1, Y.encodeStateVector(new Y.Doc()));
        return false;
      });
      // It may have come first.
      const question = await until('step 1', () => wire.heard.find(isStep(STEP_1)));
      assert.ok(Y.decodeStateVector(question.bytes) instanceof Map);
    });

    test('step 2 comes even when there is nothing to say', async (t) => {
      const wire = await open(t, name('empty'));
      wire.say(SYNC, STEP_1, Y.encodeStateVector(new Y.Doc()));
      assert.deepEqual((await wire.hear('step 2', isStep(STEP_2))).bytes, EMPTY_UPDATE);
      const doc = new Y.Doc();
      doc.getText('text').insert(0, 'x');
      wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      wire.say(SYNC, STEP_1, Y.encodeStateVector(doc));
      assert.deepEqual((await wire.hear('step 2', isStep(STEP_2))).bytes, EMPTY_UPDATE);
    });

    test('every step 2 has the deletes, of which vectors say nothing', async (t) => {
      const wire = await open(t, name('deletes'));
      const doc = new Y.Doc();
      const text = doc.getText('text');
      text.insert(0, 'abc');
      wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      const old = new Y.Doc();
      Y.applyUpdate(old, Y.encodeStateAsUpdate(doc));
      text.delete(1, 1);
      wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      await wire.settle();
      wire.say(SYNC, STEP_1, Y.encodeStateVector(old));
      Y.applyUpdate(old, (await wire.hear('step 2', isStep(STEP_2))).bytes);
      assert.equal(old.getText('text').toString(), 'ac');
    });

    test('a frame is one message, in the update format V1, however much is going on', async (t) => {
      const wire = await open(t, name('frames'));
      await wire.settle();
      const clients = [0, 1, 2].map(() => join(t, name('frames')));
      await until('synced providers', () => clients.every(({ provider }) => provider.synced));
      const gen = prng.create(7);
      const copy = new Y.Doc();
      contents(copy);
      for (let step = 0; step < 200; step += 1) {
        const { doc, provider } = prng.oneOf(gen, clients);
        change(gen, doc);
        provider.awareness.setLocalState({ step });
        wire.say(QUERY_AWARENESS);
        if (step % 5 === 0) await pause(1);
      }
      await untilEqual(clients.map(({ doc }) => doc));
      wire.say(SYNC, STEP_1, Y.encodeStateVector(copy));
      const heardAll = () => {
        const update = Y.mergeUpdates(
          wire.heard.filter((message) => isStep(UPDATE)(message) || isStep(STEP_2)(message)).map(({ bytes }) => bytes),
        );
        Y.applyUpdate(copy, update);
        return Buffer.compare(Y.encodeStateVector(copy), Y.encodeStateVector(clients[0].doc)) === 0;
      };
      await wire.hear('step 2', isStep(STEP_2));
      await until('all of it', heardAll);
      const count = (fits) => wire.heard.filter(fits).length;
      assert.ok(
        count(isStep(UPDATE)) > 1 && count(({ type }) => type === AWARENESS) > 1,
        `only ${wire.heard.length} messages`,
      );
      for (const message of wire.heard) {
        assert.equal(message.isText, undefined);
        assert.equal(message.rest, 0, `bytes after a message of type ${message.type}`);
      }
      // Heard from single updates alone, too.
      await untilEqual([copy, clients[0].doc]);
    });

    test('who leaves without a word is removed from awareness, with the next clock', async (t) => {
      const [wire, leaver] = [await open(t, name('awareness')), await open(t, name('awareness'))];
      leaver.say(AWARENESS, awareness(77, 5, { name: 'Ann' }));
      const here = await wire.hear('the state', isAbout(77));
      assert.deepEqual(here.states, [{ client: 77, clock: 5, state: { name: 'Ann' } }]);
      leaver.terminate();
      const gone = await wire.hear('the removal', isAbout(77));
      // The rivals send the old clock, and so ignore the client until it has thought of a newer one.
      assert.deepEqual(gone.states, [{ client: 77, clock: againstRivals ? 5 : 6, state: null }]);
    });

    test('who comes back is seen at once', onlyOurs, async (t) => {
      const wire = await open(t, name('return'));
      const { provider } = join(t, name('return'));
      const id = provider.awareness.clientID;
      // It would say its state every 15 s anyway; that is too late.
      clearInterval(provider.awareness._checkInterval);
      provider.awareness.setLocalState({ name: 'Ann' });
      const isHere = (message) =>
        isAbout(id)(message) && message.states.some(({ client, state }) => client === id && state);
      const isGone = (message) => isAbout(id)(message) && !isHere(message);
      await wire.hear('the state', isHere);
      const socket = provider.ws ?? provider.configuration.websocketProvider.webSocket;
      socket.terminate();
      await wire.hear('the removal', isGone);
      await wire.hear('the state again', isHere);
    });

    test('who comes learns of those who are there', async (t) => {
      const first = await open(t, name('presence'));
      first.say(AWARENESS, awareness(78, 1, { name: 'Bob' }));
      await first.settle();
      const second = await open(t, name('presence'));
      second.say(SYNC, STEP_1, Y.encodeStateVector(new Y.Doc()));
      const heard = await second.hear('the state', isAbout(78));
      assert.deepEqual(heard.states.find(({ client }) => client === 78).state, { name: 'Bob' });
    });

    test('clocks count UTF-16 units, as do places in texts', async (t) => {
      const wire = await open(t, name('utf16'));
      const doc = new Y.Doc();
      doc.getText('text').insert(0, 'a😀漢é👩‍👧z');
      assert.equal(doc.getText('text').length, 11);
      wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      await wire.settle();
      const late = await open(t, name('utf16'));
      await late.settle();
      const question = await until('step 1', () => late.heard.find(isStep(STEP_1)));
      assert.deepEqual([...Y.decodeStateVector(question.bytes)], [[doc.clientID, 11]]);

      const [ann, bob] = [join(t, name('utf16')), join(t, name('utf16'))];
      await untilEqual([doc, ann.doc, bob.doc]);
      ann.doc.getText('text').insert(3, '|');
      bob.doc.getText('text').insert(10, '😀');
      bob.doc.getText('text').delete(1, 2);
      await untilEqual([ann.doc, bob.doc]);
      assert.equal(ann.doc.getText('text').toString(), 'a|漢é👩‍👧😀z');
    });

    test('what is not understood hurts nobody else', async (t) => {
      const { doc, provider } = join(t, name('nonsense'));
      await until('a synced provider', () => provider.synced);
      const nonsense = [
        [SYNC, UPDATE, new Uint8Array([255, 255, 255, 255, 255, 1])],
        [SYNC, STEP_2, new Uint8Array([1, 1, 1, 1])],
        [SYNC, STEP_1, new Uint8Array([200])],
        [SYNC, 99],
        [AWARENESS, new Uint8Array([5, 1])],
        [4711],
        [SYNC],
        [],
      ];
      for (const words of nonsense) (await open(t, name('nonsense'))).say(...words);
      const wire = await open(t, name('nonsense'));
      await wire.settle();
      doc.getText('text').insert(0, 'still here');
      await wire.hear('the update', isStep(UPDATE));
    });
  });
}

describe('Hocuspocus alone', () => {
  const [, { open }] = dialects;

  test('every message begins with the name, and with the session where the client has one', async (t) => {
    for (const session of ['', 's1']) {
      const name = 'addressed';
      const [wire, other] = [await open(t, name, session), await open(t, name, 's2')];
      await wire.settle();
      other.say(AWARENESS, awareness(79, 1, {}));
      const doc = new Y.Doc();
      doc.getText('text').insert(0, session || 'x');
      other.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      await wire.hear('the update', isStep(UPDATE));
      wire.say(SYNC, UPDATE, Y.encodeStateAsUpdate(doc));
      await wire.hear('that it is saved', ({ type }) => type === SYNC_STATUS);
      const address = session ? `${name}\0${session}` : name;
      for (const message of wire.heard.filter(({ type }) => type !== 9)) assert.equal(message.address, address);
    }
  });

  test('every update and step 2 is answered by one status, in order, and nothing else is', onlyOurs, async (t) => {
    const wire = await open(t, 'statuses');
    const doc = new Y.Doc();
    const updates = [];
    doc.on('update', (update) => updates.push(update));
    for (let i = 0; i < 20; i += 1) doc.getText('text').insert(i, 'x');
    for (const update of updates) wire.say(SYNC, UPDATE, update);
    // Of what is there already, of nothing at all, and out of order with its predecessor missing.
    wire.say(SYNC, UPDATE, updates[3]);
    wire.say(SYNC, STEP_2, EMPTY_UPDATE);
    const other = new Y.Doc();
    const later = [];
    other.on('update', (update) => later.push(update));
    other.getText('text').insert(0, 'a');
    other.getText('text').insert(1, 'b');
    wire.say(SYNC, UPDATE, later[1]);
    wire.say(SYNC, UPDATE, later[0]);
    for (let i = 0; i < 24; i += 1) {
      assert.equal((await wire.hear(`status ${i}`, ({ type }) => type === SYNC_STATUS)).saved, true);
    }
    await wire.settle();
    assert.equal(wire.heard.filter(({ type }) => type === SYNC_STATUS).length, 24);
  });
});
