// Prints scenarios, one line of JSON each: `node scenarios.mjs <first seed> <count>`.
//
// In a scenario a few copies of one document are edited and partly synced. Its updates are all that travelled, in the order
// in which it was sent, so that each comes after what it depends on: `own` are those of one transaction, the others are
// differences between copies, which overlap and may carry less content than their like where a copy collects garbage, and
// what Yjs makes of several updates with gaps between them.
import { Y, describe, toHex } from './yjs.mjs';

/** Numbers below `limit`, the same for the same seed. */
const randomness = (seed) => {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
};

const isLow = (unit) => unit >= 0xdc00 && unit < 0xe000;

const WORDS = ['a', 'b', 'cd', 'efg', 'é', 'ß', '漢', '😀', 'x😀y', '👩‍👩‍👧', '\n', 'lorem ipsum '];
const KEYS = ['k', 'l', 'm'];

/** An array takes these two only inside of others. */
const inArray = (value) => (value === undefined || typeof value === 'bigint' ? [value] : value);

class Copy {
  constructor(draw, gc, halves, onUpdate) {
    this.draw = draw;
    this.halves = halves;
    this.doc = new Y.Doc({ gc });
    // Ids of all lengths, up to the largest that JavaScript counts exactly.
    this.doc.clientID = [draw(100), draw(70000), draw(2 ** 32), 2 ** 53 - 1 - draw(1000)][draw(4)];
    this.text = this.doc.getText('text');
    this.map = this.doc.getMap('map');
    this.array = this.doc.getArray('array');
    this.xml = this.doc.getXmlFragment('xml');
    // It keeps what it may bring back from being collected as garbage.
    const scope = draw(3) ? [] : [this.text, this.map, this.array, this.xml];
    this.undo = new Y.UndoManager(scope, { captureTimeout: 0, doc: this.doc });
    this.doc.on('update', (update, _origin, _doc, transaction) => transaction.local && onUpdate(update));
  }

  pick(list) {
    return list[this.draw(list.length)];
  }

  value(depth = 0) {
    const { draw } = this;
    const scalars = [
      () => null,
      () => undefined,
      () => draw(2) === 1,
      () => draw(200) - 100,
      () => (draw(1000) - 500) * 2 ** 30,
      () => draw(1000) / 7,
      () => 1.5,
      () => (draw(9) ? 2 ** 60 : BigInt(draw(1000)) << 40n),
      () => this.pick(WORDS),
    ];
    if (depth < 2 && draw(4) === 0) {
      return draw(2) ? [this.value(depth + 1), this.value(depth + 1)] : { [this.pick(KEYS)]: this.value(depth + 1) };
    }
    return this.pick(scalars)();
  }

  bytes() {
    return Uint8Array.from({ length: this.draw(9) }, () => this.draw(256));
  }

  /** Something that a map or an array may hold. */
  content() {
    const { draw } = this;
    switch (draw(12)) {
      case 0:
        return new Y.Map([[this.pick(KEYS), this.value()]]);
      case 1:
        return new Y.Text(this.pick(WORDS));
      case 2:
        return Y.Array.from([this.value(), this.value()].map(inArray));
      case 3:
        return this.bytes();
      case 4:
        return new Y.Doc({ guid: `sub${draw(1000)}`, autoLoad: draw(2) === 1, meta: this.exotic ? 'x' : null });
      default:
        return this.value();
    }
  }

  /** Any shared type in the document, or one of the roots. */
  place() {
    const places = [this.text, this.map, this.array, this.xml];
    for (const place of places) {
      const inside = place instanceof Y.Map ? [...place.values()] : place instanceof Y.Text ? [] : place.toArray();
      places.push(...inside.filter((value) => value instanceof Y.AbstractType));
      if (place instanceof Y.Text) {
        places.push(
          ...place
            .toDelta()
            .map(({ insert }) => insert)
            .filter((value) => value instanceof Y.AbstractType),
        );
      }
    }
    // The roots half of the time: there is where copies meet.
    return this.pick(this.draw(2) ? places.slice(0, 4) : places);
  }

  edit() {
    const place = this.place();
    if (place instanceof Y.Text) this.editText(place);
    else if (place instanceof Y.XmlFragment) this.editXml(place);
    else if (place instanceof Y.Map) this.editMap(place);
    else this.editArray(place);
  }

  /** A position that halves no pair of surrogates, unless this scenario does so. */
  position(text, at) {
    const units = text
      .toDelta()
      .map(({ insert }) => (typeof insert === 'string' ? insert : ' '))
      .join('');
    return !this.halves && isLow(units.charCodeAt(at)) ? at - 1 : at;
  }

  /** Where this copy wrote last in the text, whatever others wrote since, or anywhere. */
  cursor(text) {
    const last = this.last && Y.createAbsolutePositionFromRelativePosition(this.last, this.doc);
    const at = last?.type === text && this.draw(2) ? last.index : this.draw(text.length + 1);
    return this.position(text, at);
  }

  editText(text) {
    const { draw } = this;
    const at = this.cursor(text);
    const length = this.position(text, Math.min(at + 1 + draw(4), text.length)) - at;
    switch (draw(10)) {
      // As one types: units of one author, one after the other, some taken back.
      case 0:
      case 1:
      case 2: {
        let end = at;
        const word = this.pick(WORDS);
        for (const letter of word) {
          text.insert(end, letter);
          end += letter.length;
        }
        this.last = Y.createRelativePositionFromTypeIndex(text, end, -1);
        if (draw(3) === 0) text.delete(at, [...word][0].length);
        break;
      }
      case 3:
        return text.insertEmbed(
          at,
          draw(3)
            ? { image: this.pick(WORDS), width: draw(2000) / 8, list: [null, true] }
            : new Y.Map([['k', this.value()]]),
        );
      case 4:
        return text.insert(at, this.pick(WORDS), { bold: true });
      case 5:
        return (
          length > 0 &&
          text.format(at, length, { [this.pick(['bold', 'link'])]: this.pick([true, null, 'x', { href: '/' }]) })
        );
      case 6:
        return text.applyDelta([{ retain: at }, { insert: this.pick(WORDS), attributes: { link: '/' } }]);
      case 7:
      case 8:
        return length > 0 && text.delete(at, length);
      default:
        text.insert(at, this.pick(WORDS));
    }
  }

  editXml(xml) {
    const { draw } = this;
    if (xml instanceof Y.XmlElement && draw(2)) {
      if (draw(4) === 0) xml.removeAttribute(this.pick(KEYS));
      else xml.setAttribute(this.pick(KEYS), this.pick(WORDS));
    } else if (draw(4) === 0 && xml.length > 0) {
      xml.delete(draw(xml.length), 1);
    } else {
      const node = draw(3) ? new Y.XmlElement(this.pick(['p', 'div'])) : new Y.XmlText(this.pick(WORDS));
      xml.insert(draw(xml.length + 1), [this.exotic && draw(5) === 0 ? new Y.XmlHook('hook') : node]);
    }
  }

  editMap(map) {
    if (this.draw(4) === 0) map.delete(this.pick(KEYS));
    else map.set(this.pick(KEYS), this.content());
  }

  editArray(array) {
    const { draw } = this;
    if (draw(3) === 0 && array.length > 0) {
      const at = draw(array.length);
      array.delete(at, Math.min(1 + draw(3), array.length - at));
    } else {
      const values = Array.from({ length: 1 + draw(3) }, () => inArray(this.content()));
      array.insert(draw(2) ? array.length : draw(array.length + 1), values);
    }
  }

  step() {
    const { draw } = this;
    const turn = draw(12);
    if (turn === 0 && this.undo.undoStack.length > 0) this.undo.undo();
    else if (turn === 1 && this.undo.redoStack.length > 0) this.undo.redo();
    else
      this.doc.transact(() => {
        for (let left = 1 + draw(3); left > 0; left--) this.edit();
      });
  }
}

const scenario = (seed) => {
  const draw = randomness(seed);
  const updates = [];
  const send = (update, own) => updates.push({ update, own });
  const garbage = draw(3);
  const halves = draw(6) === 0;
  const copies = Array.from(
    { length: 2 + draw(4) },
    () => new Copy(draw, garbage === 2 ? draw(2) === 1 : garbage === 1, halves, (update) => send(update, true)),
  );
  const clients = new Set(copies.map((copy) => copy.doc.clientID));
  if (clients.size < copies.length) return null;
  for (let left = 15 + draw(50); left > 0; left--) {
    if (updates.length > 2 && draw(10) === 0) {
      send(Y.mergeUpdates(Array.from({ length: 3 }, () => updates[draw(updates.length)].update)), false);
    }
    const [copy, other] = [draw(copies.length), draw(copies.length)].map((at) => copies[at]);
    if (draw(3)) {
      copy.step();
    } else if (copy !== other) {
      const update = Y.encodeStateAsUpdate(other.doc, draw(4) ? Y.encodeStateVector(copy.doc) : undefined);
      send(update, false);
      Y.applyUpdate(copy.doc, update);
    }
  }
  return {
    seed,
    // No copy lost the content of what is deleted.
    whole: garbage === 0,
    halves,
    updates: updates.map(({ update, own }) => ({ hex: toHex(update), own, read: describe(update) })),
  };
};

const [first, count] = process.argv.slice(2).map(Number);
for (let seed = first, printed = 0; printed < count; seed++) {
  const made = scenario(seed);
  if (made === null) continue;
  process.stdout.write(JSON.stringify(made) + '\n');
  printed++;
}
