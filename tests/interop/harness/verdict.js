import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { compareItemIDs, compareStructStores } from 'yjs/testHelper';
import * as Y from 'yjs';
import { until } from './wait.js';

/** Waits until documents are equal; if they do not become so, fails with the difference. */
export async function untilEqual(docs, isReady = () => true) {
  try {
    await until('equal documents', () => isReady() && areEqual(docs));
  } finally {
    assertEqual(docs);
  }
}

/** The same for copies that another engine made: it may keep deleted content in other pieces. */
export function showSame(docs) {
  const shown = docs.map((doc) => ({ vector: vector(doc), deletes: deletes(doc), contents: contents(doc) }));
  return shown.every((state) => isDeepStrictEqual(state, shown[0]));
}

function vector(doc) {
  return new Map(Y.decodeStateVector(Y.encodeStateVector(doc)));
}

function deletes(doc) {
  const { clients } = Y.createDeleteSetFromStructStore(rebuild(doc).store);
  return new Map([...clients].map(([client, ranges]) => [client, ranges.map(({ clock, len }) => [clock, len])]));
}

function areEqual(docs) {
  const [first, ...others] = docs.map((doc) => Buffer.from(normalised(doc)).toString('base64'));
  return others.every((other) => other === first);
}

/** Checks that documents are equal in every struct, with the judge of Yjs's own tests, and in what they show. */
function assertEqual(docs) {
  for (const doc of docs) {
    assert.equal(doc.store.pendingStructs, null, 'something is missing');
    assert.equal(doc.store.pendingDs, null, 'deletes of something missing');
  }
  const rebuilt = docs.map(rebuild);
  for (const [index, doc] of rebuilt.slice(1).entries()) {
    const before = rebuilt[index];
    assert.deepEqual(contents(doc), contents(before));
    compareStructStores(before.store, doc.store);
    assert.deepEqual(Y.encodeStateAsUpdate(doc), Y.encodeStateAsUpdate(before));
    for (const [name, type] of before.share) compareItemIDs(type._start, doc.share.get(name)._start);
  }
}

/** What the document shows, by names of the content. */
export function contents(doc) {
  return {
    text: doc.getText('text').toDelta(),
    map: doc.getMap('map').toJSON(),
    array: doc.getArray('array').toJSON(),
    xml: doc.getXmlFragment('xml').toJSON(),
  };
}

/** The same state in a new document: what was split in another order is split alike here. */
function rebuild(doc) {
  const fresh = new Y.Doc();
  contents(fresh);
  Y.applyUpdate(fresh, Y.mergeUpdates([Y.encodeStateAsUpdate(doc)]));
  return fresh;
}

function normalised(doc) {
  return Y.encodeStateAsUpdate(rebuild(doc));
}
