// Judges whether updates add up to the same document: `node judge.mjs`, lines of JSON in, a line out for each case.
//
// A line `{"updates": [hex, ...], "gc": boolean, "halves": boolean}` sets what the numbers in later lines mean, whether
// documents collect garbage, and whether their texts may differ in what replaces halves of surrogate pairs. A case is
//
//   {"left": [part, ...], "right": [part, ...], "then": [part, ...], "settled": boolean, "loose": boolean}
//
// where a part is the number of an update, its bytes in hex, or a list of both, which Yjs merges first. Two documents
// take `left` and `right`. What they have integrated must be equal to the byte, structs and deletes; if `settled`, then
// the right one may wait for nothing. Then both take `then`, and their whole states must be equal, to the byte again. If
// `loose`, it does not matter how values are written and in which order keys come: yrs has its own ways.
import { createInterface } from 'node:readline';
import { Y, describe, fromHex, toHex } from './yjs.mjs';

let [updates, gc, halves] = [[], false, false];

const bytesOf = (part) => {
  if (Array.isArray(part)) return Y.mergeUpdates(part.map(bytesOf));
  return typeof part === 'number' ? updates[part] : fromHex(part);
};

/** A document that only takes: without what Yjs deletes on its own where it finds a format without effect. */
const document = () => {
  const doc = new Y.Doc({ gc });
  doc.on('beforeTransaction', (transaction) =>
    Object.defineProperty(transaction, '_needFormattingCleanup', { get: () => false, set: () => {} }),
  );
  return doc;
};

const take = (doc, parts) => {
  for (const part of parts) Y.applyUpdate(doc, bytesOf(part));
};

/** The state without what waits for other updates. */
const integrated = (doc) => {
  const { pendingStructs, pendingDs } = doc.store;
  Object.assign(doc.store, { pendingStructs: null, pendingDs: null });
  const state = Y.encodeStateAsUpdate(doc);
  Object.assign(doc.store, { pendingStructs, pendingDs });
  return state;
};

/** The state as a document writes it that took it at once: Yjs does not always join what could be joined. */
const reloaded = (state) => {
  const doc = document();
  Y.applyUpdate(doc, state);
  return Y.encodeStateAsUpdate(doc);
};

/** Where two states differ, or nothing. */
const difference = (when, loose, one, other) => {
  if (toHex(one) === toHex(other)) return '';
  const states = [one, other].map(reloaded);
  if (toHex(states[0]) === toHex(states[1])) return '';
  const [[structs, deletes], [otherStructs, otherDeletes]] = states.map((state) => describe(state, !halves));
  const only = (lines, others) =>
    lines
      .filter((line) => !others.includes(line))
      .slice(0, 9)
      .join(', ');
  const left = only(structs, otherStructs) + '; ' + only(deletes, otherDeletes);
  const right = only(otherStructs, structs) + '; ' + only(otherDeletes, deletes);
  return (halves || loose) && left === right ? '' : `${when}: left only: ${left}; right only: ${right}`;
};

const waits = (doc) => doc.store.pendingStructs !== null || doc.store.pendingDs !== null;

const judge = ({ left, right, then, settled, loose }) => {
  const [one, other] = [document(), document()];
  take(one, left);
  take(other, right);
  if (settled && waits(other)) return 'the right one waits';
  const early = difference('before the end', loose, integrated(one), integrated(other));
  if (early) return early;
  take(one, then);
  take(other, then);
  if (waits(one) !== waits(other)) return 'only one waits in the end';
  return difference('in the end', loose, Y.encodeStateAsUpdate(one), Y.encodeStateAsUpdate(other));
};

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  if (task.updates) {
    updates = task.updates.map(fromHex);
    gc = task.gc;
    halves = task.halves;
    continue;
  }
  let verdict;
  try {
    verdict = judge(task);
  } catch (error) {
    verdict = `Yjs throws: ${error.stack}`;
  }
  process.stdout.write(JSON.stringify(verdict) + '\n');
}
