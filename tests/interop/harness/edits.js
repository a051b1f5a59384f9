import * as prng from 'lib0/prng';
import * as Y from 'yjs';

/** Random changes of every kind of content. Texts hold characters outside the basic plane, which count twice. */
const CHANGES = [
  insertText,
  insertText,
  insertText,
  deleteText,
  formatText,
  embed,
  setKey,
  deleteKey,
  nestMap,
  insertItems,
  deleteItems,
  nestArray,
  insertElement,
  deleteElement,
  setAttribute,
];

/** Changes a document at random, in one transaction. */
export function change(gen, doc, changes = CHANGES) {
  const count = prng.int32(gen, 1, 3);
  doc.transact(() => {
    for (let i = 0; i < count; i += 1) prng.oneOf(gen, changes)(gen, doc);
  });
}

/** The same for those who count embedded objects differently. */
export function changeWithoutObjects(gen, doc) {
  change(
    gen,
    doc,
    CHANGES.filter((kind) => kind !== embed),
  );
}

const WORDS = ['a', 'bc', 'Hello ', 'ß', '😀', '👩‍👧 ', '\n', '漢字', 'e\u0301', '𝒳𝒴'];

function insertText(gen, doc) {
  const text = doc.getText('text');
  text.insert(border(gen, text), prng.oneOf(gen, WORDS));
}

function deleteText(gen, doc) {
  const text = doc.getText('text');
  const [start, end] = range(gen, text, 20);
  text.delete(start, end - start);
}

function formatText(gen, doc) {
  const text = doc.getText('text');
  const [start, end] = range(gen, text, 5);
  text.format(start, end - start, { [prng.oneOf(gen, ['bold', 'colour'])]: prng.oneOf(gen, [true, null, 'red']) });
}

function embed(gen, doc) {
  const text = doc.getText('text');
  text.insertEmbed(border(gen, text), { image: prng.word(gen, 1, 5) });
}

function range(gen, text, longest) {
  const start = border(gen, text);
  return [start, wholeBefore(text, prng.int32(gen, start, Math.min(start + longest, text.length)))];
}

function border(gen, text) {
  return wholeBefore(text, prng.int32(gen, 0, text.length));
}

/** The place, or the one before it when it is in the middle of a character: Yjs itself breaks characters that are split. */
function wholeBefore(text, at) {
  const pieces = text.toDelta().map(({ insert }) => (typeof insert === 'string' ? insert : '\0'));
  return /^[\udc00-\udfff]/.test(pieces.join('').slice(at)) ? at - 1 : at;
}

function setKey(gen, doc) {
  const values = [
    prng.int53(gen, -1000, 1000),
    prng.real53(gen),
    prng.word(gen),
    true,
    null,
    { deep: [1, 'x'] },
    new Uint8Array([1, 2, 255]),
  ];
  doc.getMap('map').set(key(gen), prng.oneOf(gen, values));
}

function deleteKey(gen, doc) {
  doc.getMap('map').delete(key(gen));
}

function nestMap(gen, doc) {
  const map = doc.getMap('map');
  const nested = map.get(key(gen));
  if (nested instanceof Y.Map) nested.set(key(gen), prng.word(gen));
  else map.set(key(gen), new Y.Map([['first', new Y.Text('nested 😀')]]));
}

function key(gen) {
  return prng.oneOf(gen, ['one', 'two', 'three', 'ключ']);
}

function insertItems(gen, doc) {
  const array = doc.getArray('array');
  array.insert(
    prng.int32(gen, 0, array.length),
    [prng.int32(gen, 0, 99), prng.word(gen), null, { a: 1 }].slice(0, prng.int32(gen, 1, 4)),
  );
}

function deleteItems(gen, doc) {
  const array = doc.getArray('array');
  if (array.length === 0) return;
  const at = prng.int32(gen, 0, array.length - 1);
  array.delete(at, Math.min(array.length - at, prng.int32(gen, 1, 3)));
}

function nestArray(gen, doc) {
  const array = doc.getArray('array');
  const nested = array.toArray().find((item) => item instanceof Y.Array);
  if (nested) nested.push([prng.word(gen)]);
  else array.insert(0, [Y.Array.from(['first'])]);
}

function insertElement(gen, doc) {
  const fragment = doc.getXmlFragment('xml');
  const element = new Y.XmlElement(prng.oneOf(gen, ['p', 'h1']));
  element.insert(0, [new Y.XmlText(prng.oneOf(gen, WORDS))]);
  fragment.insert(prng.int32(gen, 0, fragment.length), [element]);
}

function deleteElement(gen, doc) {
  const fragment = doc.getXmlFragment('xml');
  if (fragment.length > 3) fragment.delete(prng.int32(gen, 0, fragment.length - 1), 1);
}

function setAttribute(gen, doc) {
  const element = doc
    .getXmlFragment('xml')
    .toArray()
    .find((item) => item instanceof Y.XmlElement);
  element?.setAttribute(prng.word(gen, 1, 2), prng.word(gen));
}
